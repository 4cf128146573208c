"""float16, which GPUs without bfloat16 are offered: here a processor computes it, which is slow but the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_tiling import photograph, with_styles
from tiny import assert_same_state, fail, tensors, trainer

from stylebank.errors import TrainingError
from stylebank.inference.stylizer import Stylizer
from stylebank.training import training_run
from stylebank.training.state import load_training_state
from stylebank.training.trainer import Trainer

OVERRIDES = ("train.steps=6", "train.optimizer=adam", "train.lr_schedule=constant", "data.held_out=0")


@pytest.fixture
def make(
    photos: Path, style_images: Path, random_vgg_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Trainer]:
    """Trainers in float16, which are asked for under another name, as no processor offers it."""
    formats = {"bfloat16": torch.float16}
    monkeypatch.setattr(training_run, "compute_dtype", lambda device, name: formats.get(name, torch.float32))

    def _make(name: str = "half", *overrides: str, precision: str = "bfloat16") -> Trainer:
        overrides = (f"train.precision={precision}", *OVERRIDES, *overrides)
        torch.manual_seed(0)  # of the weights to begin with
        return trainer(photos, style_images, random_vgg_weights, tmp_path / name, *overrides)

    return _make


def test_training_takes_nearly_the_steps_of_float32(make: Callable[..., Trainer]) -> None:
    half, full = make(), make("full", precision="float32")
    assert (half.run.scaler.is_enabled(), full.run.scaler.is_enabled()) == (True, False)
    assert half.fit()
    assert full.fit()
    assert half.run.nonfinite_steps == 0
    for name, value in full.run.losses.items():
        if not name.startswith("gradient"):
            assert half.run.losses[name] == pytest.approx(value, rel=0.05), name


def test_gradients_are_those_of_the_loss_itself(make: Callable[..., Trainer]) -> None:
    """What is balanced, clipped and shown knows nothing of the factor that the loss was multiplied by."""
    norms = []
    for precision in ("bfloat16", "float32"):
        made = make(precision, "train.steps=3", precision=precision)
        assert made.fit()
        norms.append(float(made.run.stylizing_norm))
    assert norms[0] == pytest.approx(norms[1], rel=0.05)


def test_a_gradient_too_large_for_float16_costs_its_step_only(make: Callable[..., Trainer]) -> None:
    made = make()
    start = [parameter.clone() for parameter in made.run.trainable]
    made.run.scaler.load_state_dict({**made.run.scaler.state_dict(), "scale": 2.0**40})
    weights = []
    made.hooks.step_ends = lambda run: weights.append(  # type: ignore[method-assign]
        all(torch.equal(a, b) for a, b in zip(start, run.trainable, strict=True))
    )
    assert made.fit()
    assert weights[0]  # the first step was left out, ...
    assert made.run.scaler.get_scale() < 2.0**40
    assert made.run.nonfinite_steps == 0  # ... and is no mistake of the run
    assert all(bool(parameter.isfinite().all()) for parameter in made.run.trainable)
    assert all(value == value and abs(value) < float("inf") for value in made.run.losses.values())


def test_a_loss_that_is_not_finite_still_ends_the_run(make: Callable[..., Trainer]) -> None:
    made = make("half", "train.identity_pretrain_steps=0")
    stylize = made.branches.stylize
    made.branches.stylize = lambda *batch: {  # type: ignore[method-assign]
        name: value * float("nan") for name, value in stylize(*batch).items()
    }
    with pytest.raises(TrainingError, match="not finite"):
        made.fit()


def test_resumed_is_the_same_as_straight(make: Callable[..., Trainer], tmp_path: Path) -> None:
    assert make("straight").fit()
    assert make("stopped", "train.steps=3").fit()
    saved = tensors(load_training_state(tmp_path / "stopped" / "state.pt")["scaler"])
    assert float(saved["/scale"]) > 1
    resumed = make("stopped")
    resumed.run.resume()
    assert resumed.fit()
    assert_same_state(tmp_path / "straight", tmp_path / "stopped")


def test_a_picture_comes_out_as_in_float32() -> None:
    exact = with_styles()
    half = Stylizer(exact.bank, torch.device("cpu"), torch.float16)
    source = photograph(100, 90)
    for style in ("style1", {"style0": 0.6, "style1": 0.4}, "identity"):
        a, b = (np.asarray(each.stylize(source, style), dtype=float) for each in (exact, half))
        assert np.abs(a - b).max() <= 2


def test_a_processor_says_what_it_has_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.png"
    photograph(32, 32).save(source)
    command = ("stylize", "--style", "the_scream", "--input", source, "--output", tmp_path / "out.png")
    fail(capsys, *command, "--device", "cpu", "--precision", "float16", mentions=["float16", "float32"])
    assert not (tmp_path / "out.png").exists()
