"""What a run writes while it goes (logs, validation, the best bank, checkpoints by time), averages and pieces."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import assert_same_state, config, files_of, paint, signal_at, tensors, trainer, write_bank
from torch import Tensor, nn

from stylebank.bank.io import load_bank
from stylebank.errors import ConfigError
from stylebank.training import validation
from stylebank.training.average import WeightAverage
from stylebank.training.json_lines import JsonLines
from stylebank.training.state import load_training_state
from stylebank.training.trainer import Trainer
from stylebank.training.validation import pairs_of


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photographs to measure on, which are tiny ones scaled up."""
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 48)


@pytest.fixture
def make(photos: Path, random_vgg_weights: Path, tmp_path: Path) -> Callable[..., Trainer]:
    """make(name, *overrides) -> a trainer whose run lies in tmp_path/name, with two photographs held out."""
    styles = paint(tmp_path / "styles", "calm", "storm")

    def _make(name: str, *overrides: str, **options: Any) -> Trainer:
        few = ("data.held_out=2", "train.preview_every=0")
        return trainer(photos, styles, random_vgg_weights, tmp_path / name, *few, *overrides, **options)

    return _make


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# ------------------------------------------------------------------------------------------------------- logs


def test_the_log_is_text_too(make: Callable[..., Trainer], tmp_path: Path) -> None:
    training = make("run")
    assert training.fit()
    entries = log_of(tmp_path / "run")
    assert [entry["step"] for entry in entries] == [3, 6, 8]
    assert all(entry["images_per_second"] > 0 and entry["lr"] >= 0 for entry in entries)
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    for name in ("loss/total", "loss/content", "images_per_second", "lr"):
        expected = {event.step: event.value for event in board.Scalars(name)}
        assert {entry["step"]: entry[name] for entry in entries if name in entry} == pytest.approx(expected, rel=1e-5)


def test_the_total_is_the_weighted_sum_of_the_stylizing_terms(make: Callable[..., Trainer], tmp_path: Path) -> None:
    make("run", "loss.content_weight=2", "loss.style_weight=3", "loss.tv_weight=0.5").fit()
    for entry in log_of(tmp_path / "run"):
        if "loss/total" in entry:
            parts = 2 * entry["loss/content"] + 3 * entry["loss/style"] + 0.5 * entry["loss/tv"]
            assert entry["loss/total"] == pytest.approx(parts, rel=1e-4)
    assert "loss/total" in log_of(tmp_path / "run")[-1]


def test_a_log_that_goes_on_has_every_step_once(
    make: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = make("straight", "train.log_every=1")
    assert straight.fit()
    with monkeypatch.context() as patch:
        signal_at(patch, 6)
        assert not make("stopped", "train.log_every=1").fit()
    with (tmp_path / "stopped" / "log.jsonl").open("a") as file:
        file.write('{"step": 8, "loss/tv": 1}\n{"step": 9, "lo')  # of a process that was killed later
    resumed = make("stopped", "train.log_every=1")
    resumed.run.resume()
    assert resumed.fit()
    entries = [log_of(tmp_path / name) for name in ("straight", "stopped")]
    for log in entries:
        assert [entry["step"] for entry in log] == list(range(1, 9))
        for entry in log:
            del entry["images_per_second"]
    assert entries[0] == entries[1]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    JsonLines(tmp_path / "log.jsonl", None).add(1, {"psnr": math.inf, "tv": 0.5})
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "psnr": null, "tv": 0.5}\n'


# --------------------------------------------------------------------------------------- validation, best bank


@pytest.mark.parametrize(("styles", "photographs"), [(1, 4), (2, 4), (14, 4), (16, 3), (512, 4), (3, 1)])
def test_a_few_pairs_see_every_style_or_spread_over_them(styles: int, photographs: int) -> None:
    dealt = pairs_of(styles, photographs)
    seen = [style for each in dealt.values() for style in each]
    assert len(seen) == min(16, max(styles, photographs))
    assert set(dealt) == set(range(photographs))
    assert len(set(seen)) == min(16, styles)
    assert max(seen) >= styles - max(1, styles // 10)  # up to the last ones


def test_a_photograph_has_come_no_way_and_its_painting_all_of_it(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured with a network that returns the photograph."""
    run = make("run").run
    files = run.held_out()
    monkeypatch.setattr(validation, "photograph", lambda *_: torch.rand(1, 3, 32, 32))
    monkeypatch.setattr(run.model, "decode", lambda features, size: image)
    image = torch.rand(1, 3, 32, 32)
    monkeypatch.setattr(validation, "photograph", lambda *_: image)
    values = validation.validate(run, files)
    assert values["content"] == pytest.approx(0, abs=1e-6)
    assert values["style_gap_closed"] == pytest.approx(0, abs=1e-5)
    assert values["loss"] > 0


def test_a_run_validates_at_intervals_and_keeps_its_best_bank(
    make: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 4.0])
    monkeypatch.setattr(
        "stylebank.training.trainer.validate",
        lambda run, files: {"loss": next(losses), "content": 0.5, "style_gap_closed": 0.1},
    )
    training = make("run", "train.validate_every=3", "train.checkpoint_every=1")
    banks: list[bytes] = []
    training.hooks.step_ends = lambda run: banks.append(  # type: ignore[method-assign]
        b"".join(p.detach().numpy().tobytes() for p in run.model.encoder.parameters())
    )
    assert training.fit()
    assert [entry["validation/loss"] for entry in log_of(tmp_path / "run") if "validation/loss" in entry] == [3, 2, 4]
    assert training.run.report()["best"] == {"step": 6, "loss": 2.0, "content": 0.5, "style_gap_closed": 0.1}
    best, last = load_bank(tmp_path / "run" / "best"), load_bank(tmp_path / "run" / "bank")
    weights = [b"".join(p.detach().numpy().tobytes() for p in b.model.encoder.parameters()) for b in (best, last)]
    assert weights == [banks[5], banks[7]]  # what is in `bank` is the last step's, always
    assert best.records["calm"].unfinished == "step 6 of 8"


def test_the_best_is_remembered_over_a_stop(
    make: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("train.validate_every=3", "train.ema=0.5")
    assert make("straight", *keys).fit()
    with monkeypatch.context() as patch:
        signal_at(patch, 4)
        assert not make("stopped", *keys).fit()
    resumed = make("stopped", *keys)
    resumed.run.resume()
    assert resumed.fit()
    assert_same_state(tmp_path / "straight", tmp_path / "stopped")
    for part in ("bank", "best"):
        assert files_of(tmp_path / "straight" / part) == files_of(tmp_path / "stopped" / part)


def test_nothing_is_validated_unless_it_is_asked_for(make: Callable[..., Trainer], tmp_path: Path) -> None:
    training = make("run")
    assert training.fit()
    assert not (tmp_path / "run" / "best").exists()
    assert "best" not in training.run.report()


def test_validating_changes_no_weight(make: Callable[..., Trainer], tmp_path: Path) -> None:
    states = []
    for name, every in (("with", 3), ("without", 0)):
        assert make(name, f"train.validate_every={every}").fit()
        state = load_training_state(tmp_path / name / "state.pt")
        states.append(tensors({key: state[key] for key in ("model", "optimizer", "identity_optimizer")}))
    assert all(torch.equal(value, states[1][place]) for place, value in states[0].items())


# ------------------------------------------------------------------------------------------- checkpoints by time


def test_checkpoints_are_made_by_time(make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("stylebank.training.trainer.time.monotonic", lambda: now[0])
    training = make("run", "train.checkpoint_every=0", "train.checkpoint_minutes=1")
    saved: list[int] = []
    save = training.run.save
    training.run.save = lambda: (saved.append(training.run.step), save())  # type: ignore[method-assign, func-returns-value, assignment, return-value]

    def step_ends(*_: object) -> None:
        now[0] += 25

    training.hooks.step_ends = step_ends  # type: ignore[method-assign]
    assert training.fit()
    assert saved == [3, 6, 8]
    assert training.run.seconds == 200


def test_previews_are_made_by_time(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [0.0]
    monkeypatch.setattr("stylebank.training.trainer.time.monotonic", lambda: now[0])
    training = make("run", "train.preview_minutes=0.5")

    def step_ends(*_: object) -> None:
        now[0] += 12

    training.hooks.step_ends = step_ends  # type: ignore[method-assign]
    assert training.fit()
    assert sorted(file.stem for file in (tmp_path / "run" / "previews").iterdir()) == ["0000003", "0000006", "0000008"]


def test_a_run_without_any_checkpoint_is_refused() -> None:
    with pytest.raises(ConfigError, match="checkpoint_every and checkpoint_minutes are both 0"):
        config("train.checkpoint_every=0", "train.checkpoint_minutes=0")


# ---------------------------------------------------------------------------------------------------- averages


def test_an_average_follows_the_formula() -> None:
    weight = nn.Parameter(torch.zeros(3))
    average, expected = WeightAverage({"w": weight}, 0.8), torch.zeros(3)
    for step in range(60):
        with torch.no_grad():
            weight.copy_(torch.randn(3, generator=torch.Generator().manual_seed(step)))
        average.update(step)
        decay = min(0.8, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(average.values["w"], expected)
    before = average.values["w"].clone()
    average.update(60, torch.tensor(0.0))  # a step that was not taken
    assert torch.equal(average.values["w"], before)


def test_weights_come_back_bit_by_bit() -> None:
    weight = nn.Parameter(torch.randn(5))
    average, kept = WeightAverage({"w": weight}, 0.9), weight.detach().clone()
    average.values["w"].zero_()
    with average.applied(), average.applied():
        assert not weight.any()
    assert torch.equal(weight, kept)
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert torch.equal(weight, kept)


def weights_of(run: Path, part: str) -> dict[str, Tensor]:
    return tensors(load_training_state(run / "state.pt")[part])


@pytest.mark.parametrize("added", [False, True])
def test_the_bank_is_the_average_and_training_is_not(make: Callable[..., Trainer], tmp_path: Path, added: bool) -> None:
    options = {"bank": write_bank(tmp_path / "old", "earlier")} if added else {}
    assert make("plain", **options).fit()
    training = make("run", "train.ema=0.9", **options)
    assert training.fit()
    states = [weights_of(tmp_path / name, "model") for name in ("plain", "run")]
    assert all(torch.equal(value, states[1][place]) for place, value in states[0].items())
    averages, bank = weights_of(tmp_path / "run", "average"), load_bank(tmp_path / "run" / "bank").model
    assert set(averages) == {f"/{name}" for name, p in training.run.model.named_parameters() if p.requires_grad}
    for name, parameter in bank.named_parameters():
        expected = averages.get(f"/{name}", states[1][f"/{name}"])
        assert torch.equal(parameter.contiguous(), expected.contiguous())
        if f"/{name}" in averages:
            assert not torch.equal(parameter, states[1][f"/{name}"])


def test_an_average_may_begin_and_end_in_the_middle(make: Callable[..., Trainer], tmp_path: Path) -> None:
    assert make("run", "train.steps=4").fit()
    begun = make("run", "train.steps=6", "train.ema=0.9")
    begun.run.resume()
    assert begun.fit()
    assert weights_of(tmp_path / "run", "average")
    ended = make("run")
    ended.run.resume()
    assert ended.fit()
    assert not weights_of(tmp_path / "run", "average")


# ------------------------------------------------------------------------------------------------------ pieces


@pytest.mark.parametrize("pieces", [2, 3, 9])
def test_a_batch_in_pieces_takes_the_same_steps(make: Callable[..., Trainer], tmp_path: Path, pieces: int) -> None:
    """Also where they are of unlike size, and with more pieces than photographs."""
    keys = ("train.batch_size=5", "train.optimizer=adam", "train.separate_optimizers=false", "bank.noise_channels=3")
    whole, parts = make("whole", *keys), make("parts", *keys, f"train.accumulate={pieces}")
    sizes: list[int] = []
    stylize = parts.branches.stylize
    parts.branches.stylize = lambda images, *rest: (sizes.append(len(images)), stylize(images, *rest))[1]  # type: ignore[method-assign, func-returns-value]
    assert whole.fit()
    assert parts.fit()
    assert sizes[: min(5, pieces)] == {2: [3, 2], 3: [2, 2, 1], 9: [1] * 5}[pieces]
    for (name, one), other in zip(whole.run.model.named_parameters(), parts.run.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=0, msg=name)  # a sixth of what the steps are
    for name, value in whole.run.losses.items():
        assert parts.run.losses[name] == pytest.approx(value, rel=1e-2), name


def test_kept_batches_are_kept_piece_by_piece(make: Callable[..., Trainer], tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "old", "earlier")
    keys = ("train.batch_size=4", "train.kept_batches=2", "train.optimizer=adam")
    runs = [make(str(n), *keys, f"train.accumulate={n}", bank=bank) for n in (1, 2)]
    for training in runs:
        assert training.fit()
    assert [len(training.branches.kept) for training in runs] == [2, 4]
    for one, other in zip(*(training.run.trainable for training in runs), strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=0)
