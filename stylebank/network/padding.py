"""Padding for GPUs: one gather forward and a few additions backward, channels-last throughout.

CUDA's own reflection and replication padding give up channels-last, and backward they add one number at a time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stylebank.device import sent


def gathered(x: Tensor, width: int, repeat: bool = False) -> Tensor:
    """A tensor (B, C, H, W) with `width` pixels more on every side, channels-last: (B, C, H + 2 width, W + 2 width).

    Args:
        repeat: the outermost pixels once more, for a width of 1, instead of a mirror at their middle.
    """
    assert width == 1 or not repeat
    return _Gathered.apply(x, width, repeat) if width else x  # type: ignore[no-untyped-call]


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, width: int, repeat: bool) -> Tensor:
        ctx.width, ctx.repeat = width, repeat
        rows, columns = (_index(side, width, repeat, x.device) for side in x.shape[2:])
        return x.permute(0, 2, 3, 1)[:, rows[:, None], columns].permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        width, first = ctx.width, 0 if ctx.repeat else 1
        inside = gradient[:, :, width:-width].clone(memory_format=torch.channels_last)
        _add_edges(inside, gradient, 2, width, first)
        rows, inside = inside, inside[..., width:-width]
        _add_edges(inside, rows, 3, width, first)
        return inside, None, None


def _add_edges(inside: Tensor, whole: Tensor, axis: int, width: int, first: int) -> None:
    """Adds what is beyond the edges of `inside`, along an axis of `whole`, to where it was gathered from."""
    last = inside.shape[axis] - first - width
    if width == 1 and last > first:  # both edges at once, by a stride from the one to the other
        edges, targets = ([slice(None)] * 4 for _ in range(2))
        edges[axis], targets[axis] = slice(None, None, whole.shape[axis] - 1), slice(first, last + 1, last - first)
        inside[tuple(targets)].add_(whole[tuple(edges)])
        return
    for source, target in ((0, first), (whole.shape[axis] - width, last)):
        inside.narrow(axis, target, width).add_(whole.narrow(axis, source, width).flip(axis))


def _index(side: int, width: int, repeat: bool, device: torch.device) -> Tensor:
    """Where each place of a padded side comes from, (side + 2 width,)."""
    found = _known(side, width, repeat, device)
    if type(found) is not Tensor:  # a stand-in, of a mode that follows what is done
        _known.cache_clear()
    return found


@lru_cache(maxsize=256)
def _known(side: int, width: int, repeat: bool, device: torch.device) -> Tensor:
    places = range(-width, side + width)
    mirror = [side - 1 - abs(side - 1 - abs(place)) for place in places]
    return sent([min(max(place, 0), side - 1) for place in places] if repeat else mirror, device)
