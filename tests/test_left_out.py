"""Steps that are not finite on devices that run ahead: the same as where every step is looked at, and nothing waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import refused
from test_trainer import NO_PICTURES, spoil_steps
from tiny import assert_same_state, paint, tensors, trainer
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from stylebank.errors import TrainingError
from stylebank.training import left_out, stacked_muon
from stylebank.training.optimizer import adam, take_step
from stylebank.training.stacked_muon import StackedMuon
from stylebank.training.state import load_training_state
from stylebank.training.trainer import Trainer

Make = Callable[..., Trainer]


@pytest.fixture
def make(photos: Path, random_vgg_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Trainers with a GPU's optimizers."""
    monkeypatch.setattr(stacked_muon, "runs_ahead", lambda device: True)
    styles = paint(tmp_path / "styles", "calm", "storm")

    def _make(name: str, *overrides: str, **options: Any) -> Trainer:
        return trainer(photos, styles, random_vgg_weights, tmp_path / name, NO_PICTURES, *overrides, **options)

    return _make


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has all runs from now on believe that they are on a GPU."""
    return lambda: monkeypatch.setattr(left_out, "runs_ahead", lambda device: True)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_step_that_is_not_taken_changes_no_bit(kind: str) -> None:
    """Neither of weights nor of the optimizer's state, however bad the gradients are."""
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(6, 8)) for _ in range(3)]
    made = adam(weights, 0.1) if kind == "adam" else StackedMuon(weights, 0.1, weight_decay=0.0)
    states = []
    for step, bad in enumerate((0.0, float("nan"), float("inf"), 0.0)):
        before = [weight.detach().clone() for weight in weights]
        for weight in weights:
            weight.grad = torch.randn_like(weight) + bad
        take_step(made, torch.tensor(float(not bad)))  # type: ignore[arg-type]
        moved = [not torch.equal(a, b) for a, b in zip(before, weights, strict=True)]
        assert moved == [not bad] * 3, step
        states.append({k: v.clone() for k, v in made.state[weights[0]].items()})
    for key, value in states[0].items():
        assert torch.equal(states[1][key], value)
        assert torch.equal(states[2][key], value)
        assert not torch.equal(states[3][key], value)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_runs_come_to_the_same_bits(make: Make, ahead: Callable[[], None], tmp_path: Path, kind: str) -> None:
    keys = (f"train.optimizer={kind}", "train.ema=0.9", "bank.noise_channels=2")
    for name in ("looked-at", "ahead"):
        if name == "ahead":
            ahead()
        training = make(name, *keys, skip_nonfinite=2)
        spoil_steps(training, 3, 5)
        assert training.fit()
        assert training.run.report()["counts"]["nonfinite_steps"] == 2
    assert_same_state(tmp_path / "looked-at", tmp_path / "ahead")


def test_it_is_said_at_the_log(make: Make, ahead: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    ahead()
    training = make("run", skip_nonfinite=3)
    spoil_steps(training, 2, 3, 5)
    assert training.fit()
    lines = [line for line in capsys.readouterr().out.splitlines() if "not finite" in line]
    assert [line.split(":")[0] for line in lines] == ["Step 2", "Step 3", "Step 5"]  # at steps 3, 4 (a checkpoint), 6
    assert "style is not finite" in lines[0]
    assert lines[2].endswith("The step is left out, 3 of 3.")


def test_several_at_once_are_said_in_one_sentence(
    make: Make, ahead: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    ahead()
    training = make("run", "train.log_every=6", "train.checkpoint_every=0", skip_nonfinite=3)
    spoil_steps(training, 2, 3, 5)
    assert training.fit()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not finite" in line]
    assert line.startswith("Step 2: style is not finite (styles: calm, storm; ")
    assert line.endswith("It and 2 more until step 6 are left out, 3 of 3.")


def test_a_run_that_may_leave_none_out_ends_at_the_log(make: Make, ahead: Callable[[], None], photos: Path) -> None:
    ahead()
    training = make("run", "train.checkpoint_every=2")
    spoil_steps(training, 2)
    with refused(TrainingError, "Step 2: style is not finite", "calm, storm", photos, "--skip-nonfinite"):
        training.fit()
    assert training.run.step == 3
    assert load_training_state(training.run.folder.state_file)["step"] == 2
    assert all(bool(p.isfinite().all()) for p in training.run.trainable)


def test_nothing_is_saved_before_it_is_known(make: Make, ahead: Callable[[], None]) -> None:
    ahead()
    training = make("run", "train.log_every=1000", "train.checkpoint_every=4")
    spoil_steps(training, 2)
    with refused(TrainingError, "Step 2"):
        training.fit()
    assert training.run.step == 4
    assert not training.run.folder.state_file.exists()


@pytest.mark.parametrize("spoil", [False, True])
def test_float16_runs_ahead_too(
    make: Make, ahead: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: bool
) -> None:
    """A gradient that overflows is no mistake; a loss that is not finite is."""
    monkeypatch.setattr("stylebank.training.training_run.compute_dtype", lambda *_: torch.float16)
    keys = ("train.optimizer=adam", "train.steps=6")
    for name in ("looked-at", "ahead"):
        if name == "ahead":
            ahead()
        training = make(name, *keys, skip_nonfinite=1)
        training.run.scaler.load_state_dict({**training.run.scaler.state_dict(), "scale": 2.0**40})
        if spoil:
            spoil_steps(training, 3)
        assert training.fit()
        assert training.run.nonfinite_steps == int(spoil)
        assert training.run.scaler.get_scale() < 2.0**40
    states = [load_training_state(tmp_path / name / "state.pt") for name in ("looked-at", "ahead")]
    for part in ("model", "scaler"):  # where a weight's first step was left out, its optimizer state begins with zeros
        one, other = (tensors(state[part]) for state in states)
        assert all(torch.equal(value, other[place]) for place, value in one.items())


# -------------------------------------------------------------------------------------------------- waiting

READING = ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__")


class Readings(TorchFunctionMode):
    """Counts what would wait for a GPU: numbers that are read back."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += getattr(func, "__name__", "") in READING
        return func(*args, **(kwargs or {}))


class Scalars(TorchDispatchMode):
    """Counts the same one layer below, where torch itself reads."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@contextmanager
def watched() -> Iterator[tuple[Readings, Scalars]]:
    with Readings() as readings, Scalars() as scalars:
        yield readings, scalars


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_between_two_entries_of_the_log_nothing_is_read(make: Make, ahead: Callable[[], None], kind: str) -> None:
    keys = (f"train.optimizer={kind}", "train.ema=0.9", "bank.noise_channels=2", "train.log_every=7")

    def read_in_each_step(name: str) -> list[int]:
        training = make(name, *keys, "train.checkpoint_every=0", "train.preview_every=0")
        seen: list[int] = []
        with watched() as modes:
            training.hooks.step_ends = lambda run: seen.append(sum(mode.count for mode in modes))  # type: ignore[method-assign]
            assert training.fit()
        return [now - before for before, now in pairwise(seen[:-1])]  # of the second to the seventh step

    assert min(read_in_each_step("looked-at")) >= 1
    ahead()
    assert read_in_each_step("ahead") == [0] * 6
