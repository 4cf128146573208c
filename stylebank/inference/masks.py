"""Masks: grey pictures that say how much of something goes where; white is all of it, black nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor

from stylebank.errors import ImageError
from stylebank.images import load_picture
from stylebank.inference.choices import check_feather

_COARSE = 4  # pixels of standard deviation; wider blurs are done in a smaller copy
_COLORFUL = 48  # of 255, between a pixel's channels: more than compression leaves in a grey picture
_SPECKS = 0.002  # share of the pixels that may have any colour


def load_mask(path: str | Path) -> Tensor:
    """Reads a picture as a mask.

    Grey is the mask: white is all, black nothing. Where the picture is transparent the mask is black; a shape of one
    colour on a transparent ground is that shape, whatever its colour.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ImageError: the file cannot be read, or is in colour.
    """
    picture = load_picture(path)
    if picture.alpha is not None and _is_shape(picture.rgb, picture.alpha):
        return torch.from_numpy(_shares(picture.alpha))
    mask = _shares(check_gray(picture.rgb, f"'{path}'").convert("L"))
    return torch.from_numpy(mask if picture.alpha is None else mask * _shares(picture.alpha))


def check_gray(picture: Image.Image, said: str = "The mask") -> Image.Image:
    """Returns a picture that can be a mask as it is.

    Args:
        picture: of any mode.
        said: what to call it in the message.

    Raises:
        ImageError: it is in colour, so that nothing says what is more of a style and what less.
    """
    if picture.mode not in ("1", "L", "LA", "I", "F", "I;16"):
        pixels = np.asarray(picture.convert("RGB"))
        spread = pixels.max(-1) - pixels.min(-1)  # (H, W)
        if (spread > _COLORFUL).mean() > _SPECKS:
            raise ImageError(
                f"{said} is in colour, and a mask is grey: white where the style goes, black where it does not, or one "
                "colour on a transparent ground. A picture whose colours stand for a style each is a --label-map."
            )
    return picture


def feather(mask: Tensor, pixels: float, size: tuple[int, int] | None = None) -> Tensor:
    """Softens edges: a Gaussian blur that turns a hard edge into a slope of about `2 * pixels`.

    Args:
        mask: (H, W) in [0, 1].
        pixels: twice the blur's standard deviation, 0 or more; 0 returns the mask itself.
        size: (W, H) of the picture that the mask is for, whose pixels are counted; by default the mask's own are.

    Returns:
        (H, W) float32 in [0, 1]; masks that sum to 1 still do.

    Raises:
        ConfigError: `pixels` is negative or not finite.
    """
    if check_feather(pixels) == 0:
        return mask
    shape = (mask.shape[0], mask.shape[1])
    of = shape if size is None else (size[1], size[0])
    spread = [pixels / 2 * own / other for own, other in zip(shape, of, strict=True)]
    coarse = tuple(max(1, round(own / max(1, each / _COARSE))) for own, each in zip(shape, spread, strict=True))
    spread = [each * small / own for each, small, own in zip(spread, coarse, shape, strict=True)]
    blurred = ndimage.gaussian_filter(_resized(mask.cpu().float(), coarse).numpy(), spread, mode="nearest")
    return _resized(torch.from_numpy(blurred), shape).clamp_(0, 1).to(mask.device)


def _resized(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(H, W) at another size; shares of 1 stay shares of 1."""
    if tuple(mask.shape) == shape:
        return mask
    resized = F.interpolate(mask[None, None], shape, mode="bilinear", antialias=True, align_corners=False)
    return resized[0, 0]


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
