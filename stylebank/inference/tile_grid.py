"""Where tiles lie: what is kept of each, what the network must see for it, and the part of a mask that covers it."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class Stretch(NamedTuple):
    """A tile along one axis, in pixels."""

    core: slice
    """What is kept of it: multiples of the network's alignment, at the end perhaps beyond the picture."""
    seen: slice
    """What the network must see for it."""


class Tile(NamedTuple):
    """A tile of a picture."""

    rows: Stretch
    columns: Stretch

    def core_within(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the picture that are kept."""
        (rows, _), (columns, _) = self
        return slice(rows.start, min(rows.stop, size[0])), slice(columns.start, min(columns.stop, size[1]))

    def core_of(self, x: Tensor, stride: int) -> Tensor:
        """The core's part of what a layer makes of the tile: (B, C, h, w) -> (B, C, h', w')."""
        cuts = []
        for (core, seen), side in zip(self, x.shape[2:], strict=True):
            pixels = -(-(seen.stop - seen.start) // stride) * stride
            scale = 2 ** round(math.log2(pixels / side))  # at an eighth, an odd row or column stands for two
            cuts.append(slice((core.start - seen.start) // scale, (core.stop - seen.start) // scale))
        return x[:, :, cuts[0], cuts[1]]


def cut(size: tuple[int, int], tile: int, margin: int, alignment: int) -> list[Tile]:
    """The tiles of a picture of `size` (H, W), row by row; see `stretches`."""
    rows, columns = (stretches(side, tile, margin, alignment) for side in size)
    return [Tile(*pair) for pair in itertools.product(rows, columns)]


def stretches(length: int, tile: int, margin: int, alignment: int) -> list[Stretch]:
    """Cuts an axis of `length` pixels into cores of `tile`, seen with a margin; see `StyleBank.margin`.

    Args:
        tile: rounded up to a multiple of `alignment`.
        margin: a multiple of `alignment`.
    """
    padded, step = (-(-side // alignment) * alignment for side in (length, tile))
    return [
        Stretch(
            slice(start, min(start + step, padded)),
            slice(max(0, start - margin), min(start + step + margin, length)),
        )
        for start in range(0, padded, step)
    ]


def resized_part(mask: Tensor, size: tuple[int, int], rows: slice, columns: slice) -> Tensor:
    """Some rows and columns of a mask (H, W) scaled to `size` as `blending.region_masks` scales it, in bounded memory.

    Pillow and torch share the algorithm: linear interpolation, antialiased where the mask shrinks.
    """
    (down, top, bottom), (across, left, right) = (
        _seen_by(part, source, target) for part, source, target in zip((rows, columns), mask.shape, size, strict=True)
    )
    near = Image.fromarray(mask[down, across].float().cpu().numpy())
    wanted = (columns.stop - columns.start, rows.stop - rows.start)
    part = near.resize(wanted, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return torch.from_numpy(np.array(part)).clamp_(0, 1)


def _seen_by(part: slice, source: int, target: int) -> tuple[slice, float, float]:
    """Along an axis: the source pixels that a part of the target depends on, and where among them it lies."""
    scale = source / target
    reach = max(scale, 1.0) + 1  # of the triangle that pixels are weighed with, and one for rounding
    first = max(0, math.floor(part.start * scale - reach))
    last = min(source, math.ceil(part.stop * scale + reach))
    return slice(first, last), part.start * scale - first, min(part.stop * scale, source) - first
