"""Pictures as tensors and back."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image

from stylebank.errors import ImageError


def to_tensor(image: Image.Image) -> torch.Tensor:
    """RGB as (3, H, W), L as (1, H, W): float32 in [0, 1], contiguous. Raises ImageError for other modes."""
    if image.mode not in ("RGB", "L"):
        raise ImageError(f"an image of mode {image.mode} cannot become a tensor; valid modes are RGB and L")
    pixels = torch.from_numpy(np.array(image).reshape(image.height, image.width, -1))  # (H, W, C)
    return pixels.permute(2, 0, 1).contiguous().to(torch.float32).div_(255)


def to_image(tensor: torch.Tensor) -> Image.Image:
    """Float (3, H, W) or (1, 3, H, W) as RGB: clamped to [0, 1], rounded to the nearest of 256 levels.

    Raises ImageError for other shapes or types and for values that are not finite.
    """
    shape = tuple(tensor.shape)
    chw = shape[1:] if len(shape) == 4 and shape[0] == 1 else shape
    if len(chw) != 3 or chw[0] != 3 or not math.prod(chw) or not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise ImageError(f"a {kind} tensor {shape} is no picture; valid is float (3, H, W) or (1, 3, H, W)")
    pixels = tensor.detach().reshape(chw).to(torch.float32)
    if not bool(torch.isfinite(pixels).all()):
        raise ImageError(f"a tensor of shape {shape} holds values that are not finite, so it is no picture")
    levels = pixels.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().cpu().numpy())
