"""Masks: grey pictures that say how much of something goes where; white is all of it, black nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from stylebank.images import load_picture
from stylebank.inference.choices import check_feather


def load_mask(path: str | Path) -> Tensor:
    """Reads a picture as a mask.

    Grey, or the luminance of colours, is the mask. Where the picture is transparent the mask is black; a shape of one
    colour on a transparent ground is that shape, whatever its colour.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ImageError: the file cannot be read.
    """
    picture = load_picture(path)
    mask = _shares(picture.rgb.convert("L"))
    if picture.alpha is not None:
        alpha = _shares(picture.alpha)
        mask = alpha if _is_shape(picture.rgb, picture.alpha) else mask * alpha
    return torch.from_numpy(mask)


def feather(mask: Tensor, pixels: float) -> Tensor:
    """Softens edges: a Gaussian blur that turns a hard edge into a slope of about `2 * pixels`.

    Args:
        mask: (H, W) in [0, 1].
        pixels: twice the blur's standard deviation, 0 or more; 0 returns the mask itself.

    Returns:
        (H, W) float32 in [0, 1]; masks that sum to 1 still do.

    Raises:
        ConfigError: `pixels` is negative or not finite.
    """
    if check_feather(pixels) == 0:
        return mask
    blurred = ndimage.gaussian_filter(mask.cpu().float().numpy(), pixels / 2, mode="nearest")
    return torch.from_numpy(blurred).clamp_(0, 1).to(mask.device)


def _shares(gray: Image.Image) -> np.ndarray:
    """Mode L as (H, W) float32 in [0, 1]."""
    return np.asarray(gray, dtype=np.float32) / np.float32(255)


def _is_shape(rgb: Image.Image, alpha: Image.Image) -> bool:
    """Whether all that clearly shows has one colour, and something does not show."""
    faintest, strongest = alpha.getextrema()
    assert isinstance(faintest, int)  # of one channel
    assert isinstance(strongest, int)
    if strongest == 0 or faintest == 255:
        return False
    shows = np.asarray(alpha) > strongest // 2  # soft edges have colours of their own
    colors = np.asarray(rgb)[shows]  # (N, 3)
    return bool((colors == colors[0]).all())
