"""Training tried: both branches, going on, adding a style; and how quick a step is and what takes its time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from stylebank.device import has_float16
from stylebank.doctor.finding import Off
from stylebank.doctor.trial import STYLES, TINY, Trial
from stylebank.evaluation.clock import Clock
from stylebank.losses.objective import Values
from stylebank.training.crops import ContentBatch
from stylebank.training.hooks import Hooks
from stylebank.training.request import TrainRequest
from stylebank.training.run import TrainResult, train
from stylebank.training.training_run import TrainingRun

STEPS = 20  # of each kind
WARM_UP = 3  # steps that are not timed: the first cycle
SPEED: Mapping[str, Mapping[str, Any]] = {
    "loss": {"network": "vgg19"},
    "data": {"style_size": 128, "content_size": 160, "min_side": 32, "held_out": 0, "workers": 1},
    "train": {
        "batch_size": 4,
        "crop_size": 128,
        "identity_pretrain_steps": 0,
        "log_every": 1000,
        "checkpoint_every": 1000,
        "preview_every": 1000,
    },
}
"""The default network and losses; of crops a quarter of the usual."""


def identity_branch(trial: Trial) -> str:
    """Trains the auto-encoder alone."""
    losses = _train(trial, STEPS).report["losses"]
    return f"{STEPS} steps, identity loss {losses['loss/identity']:.3f}"


def stylizing_branch(trial: Trial) -> str:
    """Takes the run up again and trains the styles."""
    losses = _train(trial, 2 * STEPS, resume=True).report["losses"]
    return f"to step {2 * STEPS}, style loss {losses['loss/style']:.2f}, content {losses['loss/content']:.2f}"


def more_styles(trial: Trial) -> str:
    """Adds a style to the bank; every byte of the old ones must stay."""
    out, old = trial.folder / "more", trial.run / "bank" / "styles"
    trial.load("cpu", "float32")
    request = TrainRequest(
        out=out,
        bank=trial.run,
        add_style=(trial.styles / f"{STYLES[0]}.png",),
        names=("added",),
        overrides={
            "data": {"content": trial.content, "held_out": 1, "workers": 1},
            "train": {"steps": STEPS, "batch_size": 4, "crop_size": 64},
        },
        device=str(trial.device),
        loss_weights=trial.weights,
    )
    result = _finished(train(request))
    for file in old.iterdir():
        if file.read_bytes() != (result.bank / "styles" / file.name).read_bytes():
            raise Off(f"{file.name} changed when another style was added")
    return f"{STEPS} steps, style loss {result.report['losses']['loss/style']:.2f}; the old styles stayed as they were"


def in_float16(trial: Trial) -> str:
    """Trains both branches in float16, whose small gradients need a factor."""
    if not has_float16(trial.device):
        raise NotImplementedError("float16 is for GPUs")
    losses = _train(trial, 2 * STEPS, trial.folder / "float16", precision="float16").report["losses"]
    return f"{2 * STEPS} steps, style loss {losses['loss/style']:.2f}, content {losses['loss/content']:.2f}"


def without_waiting(trial: Trial) -> str:
    """Takes steps in which torch refuses whatever waits for the GPU."""
    if trial.device.type != "cuda":
        raise NotImplementedError("only CUDA can tell")
    watch = _NoWaiting()
    try:
        _train(trial, 2 * STEPS, trial.folder / "waiting", hooks=watch, log_every=10 * STEPS)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return f"{watch.steps} steps of both branches wait for nothing"


def speed(trial: Trial) -> str:
    """Times steps of the default network and says what takes their time."""
    steps = 9 if trial.device.type == "cpu" else 63
    watch = _Watch(Clock(trial.device))
    overrides = _with(SPEED, trial, {"train": {"steps": steps}})
    request = _request(trial, trial.folder / "speed", overrides)
    _finished(train(request, hooks=watch))
    return watch.summary(SPEED["train"]["batch_size"], SPEED["train"]["crop_size"])


def _train(
    trial: Trial, steps: int, out: Path | None = None, resume: bool = False, hooks: Hooks | None = None, **more: Any
) -> TrainResult:
    """Trains the tiny network; `more` are keys of `train`."""
    overrides = _with(TINY, trial, {"train": {**TINY["train"], "steps": steps, **more}})
    result = _finished(train(_request(trial, out or trial.run, overrides, resume), hooks=hooks))
    if result.step != steps:
        raise Off(f"it ended at step {result.step} of {steps}")
    lost = [name for name, value in result.report["losses"].items() if not math.isfinite(value)]
    if lost:
        raise Off(f"not finite: {', '.join(lost)}")
    return result


def _request(trial: Trial, out: Path, overrides: Mapping[str, Mapping[str, Any]], resume: bool = False) -> TrainRequest:
    return TrainRequest(
        out=out, overrides=overrides, resume=resume, device=str(trial.device), loss_weights=trial.weights
    )


def _with(
    tree: Mapping[str, Mapping[str, Any]], trial: Trial, more: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """A configuration on the trial's pictures, with some values changed."""
    made = {section: {**values, **more.get(section, {})} for section, values in tree.items()}
    made["data"] |= {"content": trial.content, "styles": (trial.styles,)}
    return made


def _finished(result: TrainResult) -> TrainResult:
    """A training that was asked to stop ends all the checks."""
    if not result.finished:
        raise KeyboardInterrupt
    return result


class _NoWaiting(Hooks):
    """From the second cycle on, an operation of a step that waits for the GPU is an error."""

    def __init__(self) -> None:
        self.steps = 0

    def forward_begins(self, run: TrainingRun, identity: bool) -> None:
        """See `Hooks`."""
        if run.step % STEPS >= WARM_UP:  # the first steps of a branch look for the fastest convolutions
            torch.cuda.set_sync_debug_mode("error")
            self.steps += 1

    def update_ends(self, run: TrainingRun, identity: bool) -> None:
        """See `Hooks`."""
        torch.cuda.set_sync_debug_mode("default")


class _Watch(Hooks):
    """Times the parts of every step but the first ones; each ends when the device has done it."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.last, self.steps = clock, 0.0, 0
        self.seconds: dict[str, float] = defaultdict(float)

    def batches(self, run: TrainingRun, stream: Iterator[ContentBatch]) -> Iterator[ContentBatch]:
        """See `Hooks`."""
        self.last = self.clock()
        yield from stream

    def forward_begins(self, run: TrainingRun, identity: bool) -> None:
        """See `Hooks`."""
        self._mark("data")

    def forward_ends(self, run: TrainingRun, values: Values, styles: Sequence[int]) -> None:
        """See `Hooks`."""
        self._mark("forward")

    def backward_ends(self, run: TrainingRun, identity: bool) -> None:
        """See `Hooks`."""
        self._mark("backward")

    def step_ends(self, run: TrainingRun) -> None:
        """See `Hooks`."""
        self._mark("update")
        if run.step == WARM_UP:
            self.seconds.clear()
        else:
            self.steps += run.step > WARM_UP

    def _mark(self, part: str) -> None:
        now = self.clock()
        self.seconds[part] += now - self.last
        self.last = now

    def summary(self, batch: int, side: int) -> str:
        """Images per second and the parts' shares."""
        total = sum(self.seconds.values())
        shares = ", ".join(f"{part} {seconds / total:.0%}" for part, seconds in self.seconds.items())
        return (
            f"{self.steps * batch / total:.1f} images/s, batches of {batch} at {side} px ({self.steps} steps of both "
            f"branches; {shares}; {self.clock.name})"
        )
