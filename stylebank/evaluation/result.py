"""Everything that an evaluation measured, and what it says together."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stylebank.evaluation.equivalent_iterations import (
    SENSES,
    EquivalentIterations,
    content_ratio,
    first_reached,
    summary,
    summary_of_ratios,
)
from stylebank.evaluation.lbfgs_baseline import Course
from stylebank.evaluation.measures import Row

ALL = "all"
"""All styles together; no style can have this name."""

Pair = tuple[str, str, str]
"""Size, style, name of the photograph."""


@dataclass
class Result:
    """Everything measured."""

    rows: dict[str, dict[str, dict[str, list[Row]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    )
    """Size -> style -> what was measured (`output`, `photograph`, `painting`, `L-BFGS 50`) -> a row per photograph."""
    identity: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """Size -> PSNR and SSIM of the auto-encoder alone, per photograph."""
    cards: dict[str, Row] = field(default_factory=dict)
    """Style -> `measure_cards`."""
    outputs: dict[Pair, Row] = field(default_factory=dict)
    courses: dict[Pair, Course] = field(default_factory=dict)

    def equivalent_iterations(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Size -> style -> sense -> summary over photographs; of several styles also ALL."""
        found: dict[str, Any] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        for (size, style, name), course in self.courses.items():
            for sense, excess in SENSES.items():
                reached = first_reached(course, excess(self.outputs[size, style, name]))
                for key in (style, ALL):
                    found[size][key][sense].append(reached)
        return {
            size: {style: _summaries(styles[style]) for style in _with_all(styles)} for size, styles in found.items()
        }

    def content_ratios(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Size -> style -> summary over photographs of `content_ratio`; of several styles also ALL."""
        found: dict[str, Any] = defaultdict(lambda: defaultdict(list))
        for (size, style, name), course in self.courses.items():
            ratio = content_ratio(course, self.outputs[size, style, name])
            for key in (style, ALL):
                found[size][key].append(ratio)
        return {
            size: {style: summary_of_ratios(styles[style]) for style in _with_all(styles)}
            for size, styles in found.items()
        }

    def means(self) -> dict[str, dict[str, dict[str, Row]]]:
        """The rows' means over photographs, with their number as `photographs`; of several styles also ALL."""
        return {
            size: {style: {kind: _mean(rows) for kind, rows in table[style].items()} for style in _with_all(table)}
            for size, table in ((size, {**styles, ALL: _joined(styles)}) for size, styles in self.rows.items())
        }

    def as_json(self) -> dict[str, Any]:
        """Means, equivalent iterations, content ratios, and every single measure."""
        return {
            "equivalent_iterations": self.equivalent_iterations(),
            "content_ratio": self.content_ratios(),
            "identity": {size: _mean(rows) for size, rows in self.identity.items()},
            "cards": {**self.cards, **({ALL: _medians(self.cards.values())} if len(self.cards) > 1 else {})},
            "means": self.means(),
            "pairs": [
                {
                    "size": size,
                    "style": style,
                    "photograph": name,
                    "output": row,
                    "course": [asdict(point) for point in self.courses.get((size, style, name), [])],
                }
                for (size, style, name), row in self.outputs.items()
            ],
        }


def _with_all(styles: Iterable[str]) -> list[str]:
    """The styles, and ALL at the end if there are several."""
    names = [style for style in styles if style != ALL]
    return [*names, ALL] if len(names) > 1 else names


def _joined(styles: Mapping[str, Mapping[str, list[Row]]]) -> dict[str, list[Row]]:
    """The rows of all styles together, of what was measured in each of them."""
    tables = list(styles.values())
    kinds = [kind for kind in tables[0] if all(kind in table for table in tables)]
    return {kind: [row for table in tables for row in table[kind]] for kind in kinds}


def _summaries(
    senses: Mapping[str, Sequence[EquivalentIterations]],
) -> dict[str, dict[str, float | int]]:
    return {sense: summary(reached) for sense, reached in senses.items()}


def _medians(rows: Iterable[Row]) -> Row:
    listed = list(rows)
    return {key: statistics.median(row[key] for row in listed) for key in listed[0]}


def _mean(rows: Sequence[Row]) -> Row:
    keys = [key for key in rows[0] if all(key in row for row in rows)]
    return {"photographs": len(rows), **{key: statistics.fmean(row[key] for row in rows) for key in keys}}
