"""Resizing pictures."""

from __future__ import annotations

from typing import Literal

from PIL import Image

from stylebank.errors import ImageError
from stylebank.images.limit import check_megapixels

Side = Literal["short", "long"]
"""Of a picture."""


def resize_short_side(image: Image.Image, size: int) -> Image.Image:
    """Lanczos-resize so that the shorter side has `size` pixels; the image itself if it already has."""
    return _resize(image, size, min(image.size))


def resize_long_side(image: Image.Image, size: int) -> Image.Image:
    """Lanczos-resize so that the longer side has `size` pixels; the image itself if it already has."""
    return _resize(image, size, max(image.size))


def resize_side(image: Image.Image, size: int, side: Side = "short") -> Image.Image:
    """As `resize_short_side` or `resize_long_side`, whichever side it is that gets `size` pixels."""
    return resize_short_side(image, size) if side == "short" else resize_long_side(image, size)


def _resize(image: Image.Image, size: int, side: int) -> Image.Image:
    if size < 1:
        raise ImageError(f"a picture cannot be resized to {size} pixels; valid is 1 or more")
    if size == side:
        return image
    width, height = (max(1, round(length * size / side)) for length in image.size)
    check_megapixels((width, height), f"a picture of {image.width}x{image.height} pixels scaled to a side of {size}")
    return image.resize((width, height), Image.Resampling.LANCZOS)
