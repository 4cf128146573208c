"""How large a preview is worked on, so that it looks as the picture at full size does, seen from further away."""

from __future__ import annotations

import math

from stylebank.inference.choices import MIN_STROKE, Stroke
from stylebank.inference.saved_recipe import SMALLEST
from stylebank.inference.strokes import stroke_for, work_size

Size = tuple[int, int]


def scaled_to(size: Size, short_side: int | None) -> Size:
    """(W, H) after `--size`."""
    if short_side is None:
        return size
    width, height = (max(1, round(length * short_side / min(size))) for length in size)
    return width, height


def shown_at(size: Size, long_side: int) -> Size:
    """(W, H) of a preview with a long side of at most so many pixels, and never larger than the picture."""
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def worked_at(full: Size, shown: Size, stroke: Stroke, draft: bool = False) -> Size:
    """(W, H) that the network sees.

    A picture of `full` size is painted at `work_size`; a preview that is painted there, too, and then scaled down has
    the same strokes at the same places. Where that is more than twice the preview's size it is too dear, and strokes
    come out wider than they will be; in a `draft` they do from the preview's own size on.

    Raises:
        ConfigError: the stroke is out of range.
        ImageError: the picture is too small for it.
    """
    exact = work_size(full, stroke)
    scale = max(shown) / max(full)
    factor, least = stroke_for(full, stroke) * scale, 1.0 if draft else MIN_STROKE
    if factor >= least:
        return exact
    factor = min(least, min(shown) / SMALLEST)
    width, height = (max(SMALLEST, math.ceil(side / factor)) for side in shown)
    return width, height
