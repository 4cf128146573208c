"""What may watch or interrupt a run from outside: tests, benchmarks, programs that train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stylebank.losses.objective import Values
from stylebank.training.crops import ContentBatch
from stylebank.training.training_run import TrainingRun


class Hooks:
    """Called by `Trainer.fit` at these places of every step; here they do nothing.

    With `train.accumulate`, a step's forward passes begin and end several times, each with a part of the batch.

    What they do takes the run's time. An exception ends the run as any other does, with the last checkpoint kept.
    """

    def batches(self, run: TrainingRun, stream: Iterator[ContentBatch]) -> Iterator[ContentBatch]:
        """The batches to train on, once per `fit`: may be watched, or end early."""
        return stream

    def forward_begins(self, run: TrainingRun, identity: bool) -> None:
        """The batch, or a part of it, is on the device; `identity` says which branch this step trains."""

    def forward_ends(self, run: TrainingRun, values: Values, styles: Sequence[int]) -> None:
        """The loss terms of each image, and the images' styles (none on the identity branch)."""

    def backward_ends(self, run: TrainingRun, identity: bool) -> None:
        """The gradients of the whole batch are there, neither weighted nor clipped."""

    def update_begins(self, run: TrainingRun, identity: bool) -> None:
        """The gradients are what the optimizer is about to see."""

    def update_ends(self, run: TrainingRun, identity: bool) -> None:
        """The weights are new, the gradients gone; `run.step` is still this step's."""

    def log_begins(self, run: TrainingRun) -> None:
        """Means since the last entry are about to be logged."""

    def checkpoint_begins(self, run: TrainingRun) -> None:
        """The run is about to be saved, in the first process."""

    def step_ends(self, run: TrainingRun) -> None:
        """The step is counted, also one that was left out."""
