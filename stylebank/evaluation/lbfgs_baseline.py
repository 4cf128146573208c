"""What a forward pass is compared with: L-BFGS on the picture itself, with the objective the bank was trained on.

The course of one photograph in one style is a file of the output folder, so an evaluation that is cut short goes on
where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylebank.device import autocast
from stylebank.evaluation.clock import Clock
from stylebank.evaluation.measures import Gauge, Row
from stylebank.evaluation.targets import Style
from stylebank.files import new_file, sha256_of
from stylebank.images import save_picture, to_image
from stylebank.losses.vgg import LossNetwork
from stylebank.optimize.minimise import Progress, Terms, minimise
from stylebank.optimize.steps import LBFGS

FORMAT = 2
_PER_DOUBLING = 2  # points of a course between n and 2 n iterations


@dataclass(frozen=True)
class Point:
    """The best picture after some iterations."""

    iteration: int
    evaluations: int
    """How often the objective and its gradient were computed."""
    seconds: float
    """Since the start, measuring excluded."""
    measures: Row


Course = list[Point]
"""From iteration 0, the photograph itself."""


@dataclass(frozen=True)
class Plan:
    """How to optimise.

    Args:
        table: iterations at which everything is measured and the picture is kept, ascending.
        iterations: how far to go.
    """

    table: Sequence[int]
    iterations: int
    dtype: torch.dtype
    clock: Clock

    @property
    def marks(self) -> set[int]:
        """The iterations that get a point: those of the table, and about a factor of 1.4 apart between."""
        steps = {round(2 ** (k / _PER_DOUBLING)) for k in range(_PER_DOUBLING * self.iterations.bit_length())}
        return {n for n in (*steps, *self.table, self.iterations) if n <= self.iterations}


def course(
    folder: Path, gauge: Gauge, style: Style, plan: Plan, on_iteration: Callable[[], object] = lambda: None
) -> Course:
    """The course of one photograph in one style, read from its file in `folder`, or computed and written there.

    Raises:
        TrainingError: the objective of the photograph itself is not finite.
        StyleBankError: the file cannot be written.
    """
    key = _key(gauge, style, plan)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    stem = folder / str(min(gauge.photo.shape[2:])) / style.name / f"{gauge.file.stem}-{digest}"
    path = stem.with_name(f"{stem.name}.json")
    if known := _read(path, plan):
        return known
    points = _optimise(gauge, style, plan, on_iteration, stem)
    with new_file(path) as temporary:
        record = {"key": key, "points": [asdict(point) for point in points]}
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return points


def _optimise(gauge: Gauge, style: Style, plan: Plan, on_iteration: Callable[[], object], stem: Path) -> Course:
    points = [Point(0, 0, 0.0, gauge.all(gauge.photo, style))]
    objective = _objective(gauge, style, plan.dtype)
    seconds, began = 0.0, plan.clock()

    def total(terms: Terms) -> Tensor:
        return style.objective.total(dict(terms))

    def record(progress: Progress) -> None:
        nonlocal seconds, began
        seconds += plan.clock() - began
        if progress.iteration in plan.marks:
            in_table = progress.iteration in plan.table
            measures = (gauge.all if in_table else gauge.course)(progress.best, style)
            points.append(Point(progress.iteration, progress.evaluations, seconds, measures))
            if in_table:
                _keep(progress.best, stem, progress.iteration)
        on_iteration()
        began = plan.clock()

    end = minimise(gauge.photo, objective, LBFGS(), plan.iterations, total=total, callback=record)
    if late := sorted(mark for mark in plan.marks if mark > points[-1].iteration):  # it ended early, and stays there
        measures = gauge.all(end.best, style)
        points += [Point(mark, end.evaluations, seconds, measures) for mark in late]
        for mark in plan.marks.intersection(late, plan.table):
            _keep(end.best, stem, mark)
    return points


def _keep(picture: Tensor, stem: Path, iteration: int) -> None:
    save_picture(to_image(picture), stem.with_name(f"{stem.name}-{iteration}.png"), overwrite=True)


def _objective(gauge: Gauge, style: Style, dtype: torch.dtype) -> Callable[[Tensor], Terms]:
    """The training objective of the output as a file would hold it, clamped to [0, 1], in the given precision.

    Without the clamping, pixels leave that range, and what a file holds of the picture becomes worse again: in 120
    iterations one picture's objective came to 7.5, and to 5.0 with it.
    """
    with torch.no_grad(), autocast(gauge.photo.device, dtype):
        known = style.objective.content_of(gauge.photo)

    def terms(output: Tensor) -> Terms:
        with autocast(gauge.photo.device, dtype):
            return style.objective.stylizing_terms(output.clamp(0, 1), [0], known)

    return terms


def _key(gauge: Gauge, style: Style, plan: Plan) -> dict[str, Any]:
    """All that a course depends on."""
    return {
        "format": FORMAT,
        "photograph": sha256_of(gauge.file),
        "size": list(gauge.photo.shape[2:]),
        "style": style.name,
        "styles": {other.name: [other.source.sha256(), other.size] for other in gauge.styles},
        "objective": style.objective.config.model_dump(mode="json"),
        "network": _fingerprint(style.objective.network),
        "optimizer": asdict(LBFGS()),
        "precision": str(plan.dtype),
        "device": gauge.photo.device.type,
        "clock": plan.clock.name,
    }


def _fingerprint(network: LossNetwork) -> str:
    digest = hashlib.sha256()
    for parameter in network.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, plan: Plan) -> Course | None:
    """The course if it is there and goes far enough, or further; a damaged file counts as none."""
    try:
        points = [Point(**point) for point in json.loads(path.read_text(encoding="utf-8"))["points"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    have = {point.iteration for point in points}
    whole = {point.iteration for point in points if "ssim" in point.measures}
    if not (plan.marks <= have and whole.issuperset(n for n in plan.table if n <= plan.iterations)):
        return None
    return points
