"""Coarse to fine: which sizes a large picture is optimised at, and for how long at each.

The deepest style layer, conv5_1, sees 156 pixels. In a much larger picture started from noise it can only place small
strokes; so the picture is first optimised small, then enlarged and refined, as in Gatys et al. 2017.
"""

from __future__ import annotations

import math

from stylebank.errors import ConfigError

WHOLE = 512  # short side in pixels up to which one scale does
_SMALLEST = 16


def sizes_of(size: tuple[int, int], scales: int | None = None) -> list[tuple[int, int]]:
    """(width, height) at every scale, coarse to fine, the last being `size` itself and each about half the next.

    Args:
        scales: how many; None takes as many as make the first one's short side at most `WHOLE`.

    Raises:
        ConfigError: there are less than one, or so many that the first is too small.
    """
    if scales is None:
        scales = 1 + max(0, math.ceil(math.log2(min(size) / WHOLE)))
    if scales < 1 or (scales > 1 and min(size) / 2 ** (scales - 1) < _SMALLEST):
        raise ConfigError(
            f"{scales} scales are not possible for {size[0]}x{size[1]} pixels: valid is 1 up to where the first has a "
            f"short side of {_SMALLEST}."
        )
    return [(round(size[0] / 2**k), round(size[1] / 2**k)) for k in reversed(range(scales))]


def iterations_of(first: int, scales: int) -> list[int]:
    """How many iterations each scale gets: `first`, then half as many as the scale before, rounded up.

    Raises:
        ConfigError: the first number is below 1.
    """
    if first < 1:
        raise ConfigError(f"{first} iterations are not possible; valid is 1 or more.")
    return [math.ceil(first / 2**k) for k in range(scales)]
