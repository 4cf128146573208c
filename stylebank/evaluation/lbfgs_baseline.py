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

from stylebank.bank.records import todays_names
from stylebank.device import autocast
from stylebank.evaluation.clock import Clock
from stylebank.evaluation.measures import PhotoMetrics, Row
from stylebank.evaluation.targets import Style
from stylebank.files import new_file, sha256_of
from stylebank.images import save_picture, to_image
from stylebank.losses.vgg import LossNetwork
from stylebank.optimize.loss_function import Terms
from stylebank.optimize.minimize import MinimizeProgress, minimize
from stylebank.optimize.steps import LBFGS

FORMAT = 2
_PER_DOUBLING = 2  # points of a course between n and 2 n iterations


@dataclass(frozen=True)
class CoursePoint:
    """The best picture after some iterations."""

    iteration: int
    evaluations: int
    """How often the objective and its gradient were computed."""
    seconds: float
    """Since the start, measuring excluded."""
    measures: Row


Course = list[CoursePoint]
"""From iteration 0, the photograph itself."""


@dataclass(frozen=True)
class BaselineSettings:
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
    folder: Path,
    photo_metrics: PhotoMetrics,
    style: Style,
    settings: BaselineSettings,
    on_iteration: Callable[[], object] = lambda: None,
) -> Course:
    """The course of one photograph in one style, read from its file in `folder`, or computed and written there.

    Raises:
        TrainingError: the objective of the photograph itself is not finite.
        StyleBankError: the file cannot be written.
    """
    key = _key(photo_metrics, style, settings)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    stem = folder / str(min(photo_metrics.photo.shape[2:])) / style.name / f"{photo_metrics.file.stem}-{digest}"
    path = stem.with_name(f"{stem.name}.json")
    if known := _read(path, settings):
        return known
    points = _optimize(photo_metrics, style, settings, on_iteration, stem)
    with new_file(path) as temporary:
        record = {"key": key, "points": [asdict(point) for point in points]}
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return points


def _optimize(
    photo_metrics: PhotoMetrics,
    style: Style,
    settings: BaselineSettings,
    on_iteration: Callable[[], object],
    stem: Path,
) -> Course:
    points = [CoursePoint(0, 0, 0.0, photo_metrics.measure(photo_metrics.photo, style))]
    objective = _objective(photo_metrics, style, settings.dtype)
    seconds, began = 0.0, settings.clock()

    def total(terms: Terms) -> Tensor:
        return style.objective.total(dict(terms))

    def record(progress: MinimizeProgress) -> None:
        nonlocal seconds, began
        seconds += settings.clock() - began
        if progress.iteration in settings.marks:
            in_table = progress.iteration in settings.table
            measures = (photo_metrics.measure if in_table else photo_metrics.without_fidelity)(progress.best, style)
            points.append(CoursePoint(progress.iteration, progress.evaluations, seconds, measures))
            if in_table:
                _keep(progress.best, stem, progress.iteration)
        on_iteration()
        began = settings.clock()

    end = minimize(photo_metrics.photo, objective, LBFGS(), settings.iterations, total=total, callback=record)
    if late := sorted(
        mark for mark in settings.marks if mark > points[-1].iteration
    ):  # it ended early, and stays there
        measures = photo_metrics.measure(end.best, style)
        points += [CoursePoint(mark, end.evaluations, seconds, measures) for mark in late]
        for mark in settings.marks.intersection(late, settings.table):
            _keep(end.best, stem, mark)
    return points


def _keep(picture: Tensor, stem: Path, iteration: int) -> None:
    save_picture(to_image(picture), stem.with_name(f"{stem.name}-{iteration}.png"), overwrite=True)


def _objective(photo_metrics: PhotoMetrics, style: Style, dtype: torch.dtype) -> Callable[[Tensor], Terms]:
    """The training objective of the output as a file would hold it, clamped to [0, 1], in the given precision.

    Without the clamping, pixels leave that range, and what a file holds of the picture becomes worse again: in 120
    iterations one picture's objective came to 7.5, and to 5.0 with it.
    """
    with torch.no_grad(), autocast(photo_metrics.photo.device, dtype):
        known = style.objective.content_of(photo_metrics.photo)

    def terms(output: Tensor) -> Terms:
        with autocast(photo_metrics.photo.device, dtype):
            return style.objective.stylizing_terms(photo_metrics.photo, output.clamp(0, 1), [0], known)

    return terms


def _key(photo_metrics: PhotoMetrics, style: Style, settings: BaselineSettings) -> dict[str, Any]:
    """All that a course depends on."""
    return {
        "format": FORMAT,
        "photograph": sha256_of(photo_metrics.file),
        "size": list(photo_metrics.photo.shape[2:]),
        "style": style.name,
        "styles": {other.name: [other.source.sha256(), other.size] for other in photo_metrics.styles},
        "objective": style.objective.config.model_dump(mode="json"),
        "network": _fingerprint(style.objective.network),
        "optimizer": asdict(LBFGS()),
        "precision": str(settings.dtype),
        "device": photo_metrics.photo.device.type,
        "clock": settings.clock.name,
    }


def _fingerprint(network: LossNetwork) -> str:
    digest = hashlib.sha256()
    for parameter in network.parameters():
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, settings: BaselineSettings) -> Course | None:
    """The course if it is there and goes far enough, or further; a damaged file counts as none."""
    try:
        points = [
            CoursePoint(**{**point, "measures": todays_names(point["measures"])})
            for point in json.loads(path.read_text(encoding="utf-8"))["points"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    have = {point.iteration for point in points}
    whole = {point.iteration for point in points if "ssim" in point.measures}
    if not (settings.marks <= have and whole.issuperset(n for n in settings.table if n <= settings.iterations)):
        return None
    return points
