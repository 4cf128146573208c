"""The photographs that int8 takes the range of activations from, and those that it is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from stylebank.images import find_images, load_picture, resize_short_side, to_tensor
from stylebank.images.samples import sample_photograph

SHORT_SIDE = 256  # pixels
CALIBRATED_ON = ("astronaut", "coffee", "retina", "rocket")
MEASURED_ON = ("chelsea", "motorcycle")
"""Names of `images.samples`; no one is in both."""
MOST = 16  # pictures of a folder that are used; more do not change the ranges


def for_calibration(folder: Path | None, size: tuple[int, int] | None, short_side: int | None = None) -> list[Tensor]:
    """Photographs (1, 3, H, W) in [0, 1]: samples, or at most `MOST` of a folder, spread over it.

    Args:
        size: (H, W), or None for pictures of that short side.
        short_side: `SHORT_SIDE`, if none is given.

    Raises:
        ImageError: the folder holds no pictures, or one that cannot be read.
    """
    if folder is None:
        return _tensors([sample_photograph(name) for name in CALIBRATED_ON], size, short_side)
    files = find_images([folder])
    chosen = files[:: -(-len(files) // MOST)]
    return _tensors([load_picture(file).rgb for file in chosen], size, short_side)


def for_measuring(size: tuple[int, int] | None) -> list[Tensor]:
    """Photographs as in `for_calibration`, none of which is a sample used there."""
    return _tensors([sample_photograph(name) for name in MEASURED_ON], size, None)


def _tensors(pictures: Sequence[Image.Image], size: tuple[int, int] | None, short_side: int | None) -> list[Tensor]:
    sized = [
        resize_short_side(picture, short_side or SHORT_SIDE) if size is None else picture.resize((size[1], size[0]))
        for picture in pictures
    ]
    return [to_tensor(picture)[None] for picture in sized]
