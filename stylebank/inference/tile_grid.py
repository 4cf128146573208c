"""Where tiles lie: what is kept of each, what the network must see for it, and the part of a mask that covers it."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor


class Stretch(NamedTuple):
    """A tile along one axis, in pixels."""

    core: slice
    """What is kept of it: multiples of the network's stride, at the end perhaps beyond the picture."""
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
            scale = -(-(seen.stop - seen.start) // stride) * stride // side
            cuts.append(slice((core.start - seen.start) // scale, (core.stop - seen.start) // scale))
        return x[:, :, cuts[0], cuts[1]]


def cut(size: tuple[int, int], tile: int, margin: int, stride: int) -> list[Tile]:
    """The tiles of a picture of `size` (H, W), row by row; see `stretches`."""
    rows, columns = (stretches(side, tile, margin, stride) for side in size)
    return [Tile(*pair) for pair in itertools.product(rows, columns)]


def stretches(length: int, tile: int, margin: int, stride: int) -> list[Stretch]:
    """Cuts an axis of `length` pixels into cores of `tile`, seen with a margin; see `StyleBank.margin`.

    Args:
        tile: rounded up to a multiple of `stride`.
        margin: a multiple of `stride`.
    """
    padded, step = (-(-side // stride) * stride for side in (length, tile))
    return [
        Stretch(
            slice(start, min(start + step, padded)),
            slice(max(0, start - margin), min(start + step + margin, length)),
        )
        for start in range(0, padded, step)
    ]


def resized_part(mask: Tensor, size: tuple[int, int], rows: slice, columns: slice) -> Tensor:
    """Rows and columns of a mask (H, W) scaled to `size` as `blending.region_masks` scales it, in bounded memory."""
    above, down = _interpolation(mask.shape[0], size[0], rows)
    beside, across = _interpolation(mask.shape[1], size[1], columns)
    part = mask[above, beside].float()
    return (down.to(part.device) @ part @ across.T.to(part.device)).clamp(0, 1)


def _interpolation(source: int, target: int, part: slice) -> tuple[slice, Tensor]:
    """Antialiased linear interpolation along an axis of `source` pixels for a part of its `target` pixels.

    Returns:
        Which source pixels matter, and their weights: (part, those).
    """
    scale = source / target
    width = max(scale, 1.0)  # half of the triangle each pixel is weighed with
    centers = (torch.arange(part.start, part.stop, dtype=torch.float64)[:, None] + 0.5) * scale
    first = max(0, math.floor(centers[0].item() - width))
    last = min(source, math.ceil(centers[-1].item() + width))
    weights = (1 - (torch.arange(first, last) + 0.5 - centers).abs() / width).clamp_min(0)
    return slice(first, last), (weights / weights.sum(1, keepdim=True)).float()
