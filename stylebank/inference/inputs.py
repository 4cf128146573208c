"""Pictures as people have them (PIL, NumPy, tensors) made what the stylizer works on, or one clear refusal."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from stylebank.errors import ImageError
from stylebank.network.model import MIN_SIDE

ImageLike = TypeVar("ImageLike", Image.Image, np.ndarray, Tensor)


def checked(image: Image.Image | np.ndarray | Tensor) -> Image.Image | Tensor:
    """Any accepted picture as RGB or as a tensor (B, 3, H, W) float32.

    Raises:
        ImageError: it is of another kind or smaller than 16 pixels.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ImageError(f"An array must be uint8 of shape (H, W, 3), not {image.dtype} {image.shape}.")
        image = Image.fromarray(image)
    if not isinstance(image, (Image.Image, Tensor)):
        raise ImageError(f"A picture must be a PIL picture, a NumPy array or a tensor, not {type(image).__name__}.")
    if isinstance(image, Image.Image):
        _check_size(image.height, image.width)
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point():
        raise ImageError(f"A tensor must be float (3, H, W) or (B, 3, H, W), not {image.dtype} {tuple(image.shape)}.")
    _check_size(image.shape[-2], image.shape[-1])
    return image.reshape(-1, *image.shape[-3:]).float()


def size_of(source: Image.Image | Tensor) -> tuple[int, int]:
    """(H, W) of a checked picture."""
    return (source.shape[-2], source.shape[-1]) if isinstance(source, Tensor) else (source.height, source.width)


def _check_size(height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE:
        raise ImageError(f"The picture is {width}x{height}; the smallest side must be at least {MIN_SIDE} pixels.")
