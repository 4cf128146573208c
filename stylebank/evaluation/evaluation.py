"""The whole evaluation: every output, every baseline, every optimisation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stylebank.evaluation import lbfgs_baseline
from stylebank.evaluation.cards import measure_cards
from stylebank.evaluation.clock import Clock
from stylebank.evaluation.fidelity import Fidelity
from stylebank.evaluation.lbfgs_baseline import BaselineSettings
from stylebank.evaluation.measures import PhotoMetrics
from stylebank.evaluation.metrics import psnr
from stylebank.evaluation.painters import BankPainter, Painter
from stylebank.evaluation.progress import OnProgress, Stage
from stylebank.evaluation.result import Result
from stylebank.evaluation.targets import Style


@dataclass(frozen=True)
class Design:
    """What to evaluate, and how much of it to optimise.

    Args:
        sizes: short side of the photographs -> how many of them (all if None); a side of None is that of the outputs.
        table: iterations of the optimisation that get a row, ascending; empty leaves the optimisation out.
        pairs_per_photograph: in how many styles each photograph is optimised, dealt round; in all if None.
        long_pairs: how many pairs of each size go on after the first of `table`; all if None.
    """

    sizes: dict[int | None, int | None]
    table: tuple[int, ...]
    pairs_per_photograph: int | None = None
    long_pairs: int | None = None

    def styles_of(self, photograph: int, styles: Sequence[Style]) -> list[Style]:
        """The styles that photograph number `photograph` is optimised in."""
        count = min(self.pairs_per_photograph or len(styles), len(styles)) if self.table else 0
        return [styles[(photograph * count + k) % len(styles)] for k in range(count)]


@dataclass(frozen=True)
class Machine:
    """What is computed on, and how its time is told. `dtype` is that of the optimisation's convolutions."""

    device: torch.device
    dtype: torch.dtype
    clock: Clock


@dataclass(frozen=True)
class Evaluation:
    """Evaluates outputs of a painter.

    Args:
        files: photographs.
        folder: where courses of optimisations are kept.
    """

    painter: Painter
    files: Sequence[Path]
    styles: Sequence[Style]
    design: Design
    fidelity: Fidelity
    folder: Path
    machine: Machine

    def run(self, on_progress: OnProgress = lambda _: None) -> Result:
        """Measures everything; the optimisations come last, so that what is quick is known to work before them.

        Args:
            on_progress: told how far it is, see `EvaluationProgress`.

        Raises:
            StyleBankError: a photograph or an output cannot be read, or the output folder not be written.
        """
        result = Result()
        stage = Stage("outputs", len(list(self._photographs())), on_progress)
        for size, _, file in self._photographs():
            self._measure(self._photo_metrics(file, size), result)
            stage.advance()
        self._measure_cards(result, on_progress)
        stage = Stage("optimization", self._iterations(), on_progress)
        taken: dict[int | None, int] = defaultdict(int)
        for size, number, file in self._photographs():
            for style in self.design.styles_of(number, self.styles):
                length = self._length(taken[size])
                taken[size] += 1
                self._optimize(self._photo_metrics(file, size), style, length, result, stage)
        return result

    def _measure_cards(self, result: Result, on_progress: OnProgress) -> None:
        """What a bank does with plain cards; a folder has no outputs of them."""
        if not isinstance(self.painter, BankPainter):
            return
        stage = Stage("cards", len(self.styles), on_progress)
        for style in self.styles:
            result.cards[style.name] = measure_cards(self.painter, style)
            stage.advance()

    def _photographs(self) -> Iterator[tuple[int | None, int, Path]]:
        for size, count in self.design.sizes.items():
            for number, file in enumerate(self.files[:count]):
                yield size, number, file

    def _photo_metrics(self, file: Path, size: int | None) -> PhotoMetrics:
        return PhotoMetrics(self.painter.photograph(file, size, self.machine.device), file, self.styles, self.fidelity)

    def _measure(self, photo_metrics: PhotoMetrics, result: Result) -> None:
        """The outputs in every style, the baselines that cost nothing, and the auto-encoder alone."""
        photo, file = photo_metrics.photo, photo_metrics.file
        size = side(photo)
        if (same := self.painter.reconstruct(photo)) is not None:
            result.identity[size].append({"psnr": psnr(same, photo), **self.fidelity(same, photo)})
        for style in self.styles:
            output = self.painter.paint(photo, file, style.name)
            row = photo_metrics.measure(output, style)
            if self.painter.timed:
                row["seconds"] = self._seconds(photo, file, style)
            result.outputs[size, style.name, file.name] = row
            kinds = result.rows[size][style.name]
            kinds["output"].append(row)
            kinds["photograph"].append(photo_metrics.measure(photo, style))
            kinds["painting"].append(photo_metrics.measure(style.tiled((photo.shape[2], photo.shape[3])), style))

    def _seconds(self, photo: Tensor, file: Path, style: Style) -> float:
        return self.machine.clock.median_of(lambda: self.painter.paint(photo, file, style.name), repeats=3)

    def _length(self, pair: int) -> int:
        """How many iterations pair number `pair` of a size gets."""
        table, long = self.design.table, self.design.long_pairs
        return table[-1] if long is None or pair < long else table[0]

    def _iterations(self) -> int:
        pairs: dict[int | None, int] = defaultdict(int)
        for size, number, _ in self._photographs():
            pairs[size] += len(self.design.styles_of(number, self.styles))
        return sum(self._length(pair) for count in pairs.values() for pair in range(count))

    def _optimize(self, photo_metrics: PhotoMetrics, style: Style, length: int, result: Result, stage: Stage) -> None:
        before, size = stage.done, side(photo_metrics.photo)
        stage.pair = f"{size} px, {style.name}"
        settings = BaselineSettings(self.design.table, length, self.machine.dtype, self.machine.clock)
        course = lbfgs_baseline.course(self.folder, photo_metrics, style, settings, stage.advance)
        stage.advance_to(before + length)  # with those read from a file, or not needed
        result.courses[size, style.name, photo_metrics.file.name] = course
        for point in course:
            if point.iteration in settings.table:
                row = {**point.measures, "seconds": point.seconds}
                result.rows[size][style.name][f"L-BFGS {point.iteration}"].append(row)


def side(photo: Tensor) -> str:
    """The short side of a photograph (1, 3, H, W) in pixels, as a key."""
    return str(min(photo.shape[2:]))
