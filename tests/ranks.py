"""What each of two processes does for `test_distributed`: torchrun ... ranks.py FOLDER, which holds the data.

Every job trains a tiny run and leaves what it saw in FOLDER/JOB-RANK.pt.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tiny import trainer
from torch import Tensor

from stylebank.distributed import Processes, join
from stylebank.errors import StyleBankError, TrainingError
from stylebank.losses.objective import Values
from stylebank.training.crops import ContentBatch
from stylebank.training.measuring import measure
from stylebank.training.trainer import Trainer
from stylebank.training.training_run import TrainingRun

Seen = dict[str, Any]
# Muon computes in bfloat16: what differs only by the order of a sum would soon differ by that.
EQUAL = ("train.batch_size=4", "train.steps=8", "train.lr_schedule=constant", "train.optimizer=adam")
SPARSE = ("train.batch_size=2", "train.steps=20", "train.identity_pretrain_steps=0")


def make(folder: Path, name: str, processes: Processes, *overrides: str, **options: Any) -> Trainer:
    overrides = ("data.held_out=0", *overrides)
    data = (folder / "photos", folder / "styles", folder / "vgg.safetensors", folder / name)
    return trainer(*data, *overrides, processes=processes, **options)


def watch(training: Trainer) -> Seen:
    """Notes crops, photographs and styles of every step, and the gradient with which weights are updated."""
    seen: Seen = {"crops": [], "photographs": [], "styles": [], "gradients": [], "norms": []}

    def batches(run: TrainingRun, stream: Iterator[ContentBatch]) -> Iterator[ContentBatch]:
        for batch in stream:
            seen["crops"].append([hashlib.sha256(crop.numpy().tobytes()).hexdigest() for crop in batch.images])
            seen["photographs"].append([path.name for path in batch.paths])
            yield batch

    def forward_ends(run: TrainingRun, values: Values, styles: Sequence[int]) -> None:
        seen["styles"] += [styles] if styles else []

    def update_begins(run: TrainingRun, identity: bool) -> None:
        seen["norms"].append(float(run.stylizing_norm))
        if run.step < 4:
            seen["gradients"].append([None if p.grad is None else p.grad.clone() for p in run.model.parameters()])

    training.hooks.batches = batches  # type: ignore[method-assign]
    training.hooks.forward_ends = forward_ends  # type: ignore[method-assign]
    training.hooks.update_begins = update_begins  # type: ignore[method-assign]
    return seen


def finish(training: Trainer, seen: Seen) -> Seen:
    """Trains, and adds how it ended to what was seen."""
    try:
        seen["finished"] = training.fit()
    except StyleBankError as error:
        seen["error"] = (type(error).__name__, str(error))
    return seen | {
        "step": training.run.step,
        "model": training.run.model.state_dict(),
        "losses": training.run.losses,
        "optimizer": training.run.optimizer.state_dict(),
        "report": training.run.report(),
    }


def sparse(folder: Path, processes: Processes) -> Seen:
    """Twenty steps in which each process uses one filter of five."""
    training = make(folder, "sparse", processes, *SPARSE)
    return finish(training, watch(training))


def equal(folder: Path, processes: Processes) -> Seen:
    training = make(folder, "equal", processes, *EQUAL)
    return finish(training, watch(training))


def added(folder: Path, processes: Processes) -> Seen:
    training = make(folder, "added", processes, "train.batch_size=2", "train.steps=6", bank=folder / "bank")
    return finish(training, watch(training))


def measured(folder: Path, processes: Processes) -> Seen:
    """A few steps in which all take part alike, and the measurement at their end, on photographs that are shared."""
    training = make(folder, "measured", processes, *EQUAL, "train.steps=2", "data.held_out=3")
    seen = finish(training, {})
    measure(training.run)
    banks = list((folder / "measured" / "bank").glob("*.json")) if processes.is_main else []
    return seen | {"metrics": training.run.metrics, "measured_on": training.run.measured_on, "banks": len(banks)}


def stopped(folder: Path, processes: Processes) -> Seen:
    """One process alone is asked to save in its second step, and to stop in its fourth."""
    training = make(folder, "stopped", processes, *SPARSE, "train.checkpoint_every=1000")
    saved: list[int] = []
    save = training.run.save

    def update_begins(run: TrainingRun, _: bool) -> None:
        if processes.rank == 1 and run.step in (1, 3):
            signal.raise_signal(signal.SIGUSR1 if run.step == 1 else signal.SIGTERM)

    def _save() -> None:
        saved.append(training.run.step)
        save()

    training.hooks.update_begins = update_begins  # type: ignore[method-assign]
    training.run.save = _save  # type: ignore[method-assign]
    return finish(training, {"saved": saved})


def not_finite(folder: Path, processes: Processes, skip: int = 0) -> Seen:
    """The loss is not a number in the fourth step of the second process."""
    training = make(folder, f"not-finite-{skip}", processes, *SPARSE, "train.steps=8", skip_nonfinite=skip)
    seen = watch(training)
    stylize = training.branches.stylize

    def _stylize(images: Tensor, styles: list[int], cards: Sequence[bool]) -> Values:
        values = dict(stylize(images, styles, cards))
        if processes.rank == 1 and training.run.step == 3:
            values["style"] = values["style"] * float("nan")
        return values

    training.branches.stylize = _stylize  # type: ignore[method-assign]
    return finish(training, seen)


def skipped(folder: Path, processes: Processes) -> Seen:
    return not_finite(folder, processes, skip=1)


def other_photographs(folder: Path, processes: Processes) -> Seen:
    training = make(folder, "other", processes)
    if processes.rank == 1:
        training.run.photographs = type(training.run.photographs)(training.run.photographs.train[:-1], (), ())
    return finish(training, {})


def failing_apart(folder: Path, processes: Processes) -> Seen:
    """A block in which the second process alone fails."""
    try:
        with processes.together():
            if processes.rank == 1:
                raise TrainingError("no such folder")
    except StyleBankError as error:
        return {"error": (type(error).__name__, str(error))}
    return {}


JOBS: list[Callable[[Path, Processes], Seen]] = [
    sparse,
    equal,
    added,
    measured,
    stopped,
    not_finite,
    skipped,
    failing_apart,
    other_photographs,
]


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with join("cpu") as (processes, _):
        assert processes.world_size == 2
        group = weakref.ref(dist.group.WORLD)
        for job in JOBS:
            torch.save(job(folder, processes), folder / f"{job.__name__}-{processes.rank}.pt")
    assert group() is None  # or its threads would still run when Python ends, and could abort the process


if __name__ == "__main__":
    main(Path(sys.argv[1]))
