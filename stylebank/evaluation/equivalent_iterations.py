"""How many iterations of the optimisation one forward pass is worth: where its course reaches what the output has.

Two senses, each for one photograph in one style:

- `objective`: the optimised picture's total training objective is no higher than the output's;
- `style`: its style gap closed is no smaller, and at the same time its content distance is no larger.

And how much of the photograph it loses beside the optimisation, where that has come as far in style.

Between recorded iterations every measure is taken to change linearly.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stylebank.evaluation.lbfgs_baseline import Course
from stylebank.evaluation.measures import Row

Excess = Callable[[Row], Sequence[float]]
"""Measures of a picture -> numbers that are all at most 0 where it has reached what it is compared with."""


@dataclass(frozen=True)
class EquivalentIterations:
    """Where a course first reaches an output; infinite where it does not as far as it goes."""

    iterations: float
    seconds: float
    limit: int
    """How many iterations the course has."""


def by_objective(output: Row) -> Excess:
    """A total objective no higher than the output's."""
    return lambda row: (row["objective"] - output["objective"],)


def by_style(output: Row) -> Excess:
    """As much of the style gap closed, at no greater content distance."""
    return lambda row: (
        output["style_gap_closed"] - row["style_gap_closed"],
        row["content_distance"] - output["content_distance"],
    )


SENSES: dict[str, Callable[[Row], Excess]] = {"objective": by_objective, "style": by_style}


def first_reached(course: Course, excess: Excess) -> EquivalentIterations:
    """The earliest place on a course where nothing is in excess."""
    limit = course[-1].iteration
    if max(excess(course[0].measures)) <= 0:
        return EquivalentIterations(0.0, 0.0, limit)
    for start, end in itertools.pairwise(course):
        share = _first_share(excess(start.measures), excess(end.measures))
        if share is not None:
            iterations = start.iteration + share * (end.iteration - start.iteration)
            return EquivalentIterations(iterations, start.seconds + share * (end.seconds - start.seconds), limit)
    return EquivalentIterations(math.inf, math.inf, limit)


def content_ratio(course: Course, output: Row) -> float | None:
    """The output's content distance over that of the course where it first closes as much of the style gap.

    None where the course never does, or where it has lost nothing there.
    """
    wanted = output["style_gap_closed"]
    for start, end in itertools.pairwise(course):
        low, high = start.measures["style_gap_closed"], end.measures["style_gap_closed"]
        if (share := _first_share([wanted - low], [wanted - high])) is not None:
            before, after = start.measures["content_distance"], end.measures["content_distance"]
            there = before + share * (after - before)
            return output["content_distance"] / there if there > 0 else None
    return None


def _first_share(start: Sequence[float], end: Sequence[float]) -> float | None:
    """The smallest t in [0, 1] where start + t * (end - start) is at most 0 in every place; None if there is none."""
    low, high = 0.0, 1.0
    for a, b in zip(start, end, strict=True):
        if a > 0 and b > 0:
            return None
        if a > 0:
            low = max(low, a / (a - b))
        elif b > 0:
            high = min(high, a / (a - b))
    return low if low <= high else None


def summary(reached: Sequence[EquivalentIterations]) -> dict[str, float | int]:
    """Over photographs: median, lowest, highest; infinite ones are beyond `limit`, the least they were followed to."""
    iterations = [each.iterations for each in reached]
    return {
        "pairs": len(reached),
        "median": statistics.median_low(iterations),
        "lowest": min(iterations),
        "highest": max(iterations),
        "seconds": statistics.median_low([each.seconds for each in reached]),
        "reached": sum(math.isfinite(value) for value in iterations),
        "limit": min((each.limit for each in reached if math.isinf(each.iterations)), default=reached[0].limit),
    }


def summary_of_ratios(ratios: Sequence[float | None]) -> dict[str, float | int | None]:
    """Median, lowest and highest of those that there are; None for all three where there is none."""
    there = [ratio for ratio in ratios if ratio is not None]
    return {
        "pairs": len(ratios),
        "compared": len(there),
        "median": statistics.median(there) if there else None,
        "lowest": min(there, default=None),
        "highest": max(there, default=None),
    }
