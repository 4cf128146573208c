"""The training loop: what a step changes, how the branches are balanced, and that stopping changes nothing."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import refused
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import assert_same_state, config, files_of, paint, pixels, signal_at, tensors, trainer, write_bank
from torch import Tensor, nn

from stylebank.bank.io import load_bank, save_bank
from stylebank.bank.records import StyleInfo
from stylebank.config import TrainConfig
from stylebank.errors import BankError, ConfigError, StyleBankError, TrainingError
from stylebank.images.contact_sheet import CAPTION, GAP
from stylebank.losses import terms
from stylebank.losses.objective import Values
from stylebank.losses.terms import Made, Term
from stylebank.network.model import StyleBank
from stylebank.styles import find_styles
from stylebank.training import compiling
from stylebank.training.branches import Branches
from stylebank.training.crops import ContentBatch
from stylebank.training.draws import styles_for_batch
from stylebank.training.loading import WorkerLost
from stylebank.training.measuring import measure
from stylebank.training.state import load_training_state
from stylebank.training.task import Task, new_bank
from stylebank.training.trainer import Trainer
from stylebank.training.training_run import TrainingRun

NO_PICTURES = "data.held_out=0"  # no previews and measurements where they are not looked at


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    return paint(tmp_path / "styles", "calm", "storm")


@pytest.fixture
def make(photos: Path, styles: Path, random_vgg_weights: Path, tmp_path: Path) -> Callable[..., Trainer]:
    """make(name, *overrides) -> a trainer whose run lies in tmp_path/name."""

    def _make(
        name: str, *overrides: str, bank: Path | None = None, paintings: Path = styles, skip_nonfinite: int = 0
    ) -> Trainer:
        overrides = (NO_PICTURES, *overrides)
        options: dict[str, Any] = {"bank": bank, "skip_nonfinite": skip_nonfinite}
        return trainer(photos, paintings, random_vgg_weights, tmp_path / name, *overrides, **options)

    return _make


def copies(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in parameters]


def same(before: list[Tensor], now: list[nn.Parameter]) -> bool:
    return all(torch.equal(old, new) for old, new in zip(before, now, strict=True))


def norm_of(parameters: list[nn.Parameter]) -> float:
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]).item()


def record_styles(training: Trainer) -> list[list[int]]:
    """The styles of every stylizing batch of a run that is about to begin."""
    seen: list[list[int]] = []

    def forward_ends(_: TrainingRun, values: Values, styles: list[int]) -> None:
        seen.extend([styles] if styles else [])

    training.hooks.forward_ends = forward_ends  # type: ignore[method-assign, assignment]
    return seen


# -------------------------------------------------------------------------------------------- what a step does


def test_a_step_changes_only_the_filters_of_its_batch(make: Callable[..., Trainer], tmp_path: Path) -> None:
    many = paint(tmp_path / "many", "a", "b", "c")
    training = make("run", "train.batch_size=1", "train.identity_pretrain_steps=0", "train.steps=12", paintings=many)
    seen, changed = record_styles(training), []
    before: list[list[Tensor]] = []

    def update_begins(run: TrainingRun, identity: bool) -> None:
        before[:] = [copies(list(module.parameters())) for module in (*run.model.filters, nn.ParameterList(run.shared))]

    def update_ends(run: TrainingRun, identity: bool) -> None:
        *filters, shared = before
        after = [same(old, list(new.parameters())) for old, new in zip(filters, run.model.filters, strict=True)]
        changed.append((identity, [i for i, unchanged in enumerate(after) if not unchanged]))
        assert not same(shared, run.shared)

    training.hooks.update_begins = update_begins  # type: ignore[method-assign]
    training.hooks.update_ends = update_ends  # type: ignore[method-assign]
    assert training.fit()
    assert [styles for identity, styles in changed if identity] == [[]] * 4
    assert [styles for identity, styles in changed if not identity] == seen
    assert {style for batch in seen[:3] for style in batch} == {0, 1, 2}  # so later steps meet Adam's old momentum


def test_each_image_of_a_batch_has_its_own_style(make: Callable[..., Trainer], tmp_path: Path) -> None:
    many = paint(tmp_path / "many", "a", "b", "c")
    training = make("run", "train.batch_size=3", "train.identity_pretrain_steps=0", "train.steps=3", paintings=many)
    seen = record_styles(training)
    used: list[list[int]] = []
    apply_filters = training.run.model.apply_filters

    def _apply_filters(features: Tensor, styles: list[int], noise: Tensor | None) -> Tensor:
        used.append(list(styles))
        return apply_filters(features, styles, noise=noise)

    training.run.model.apply_filters = _apply_filters  # type: ignore[method-assign, assignment]
    training.fit()
    assert used == seen == [styles_for_batch(number, 3, 3, seed=0) for number in range(2)]
    assert all(sorted(batch) == [0, 1, 2] for batch in seen)


@pytest.mark.parametrize("weight", [0.5, 2.0])
@pytest.mark.parametrize("rescale", [True, False])
def test_the_identity_gradient_is_balanced(make: Callable[..., Trainer], weight: float, rescale: bool) -> None:
    training = make(
        "run",
        f"train.identity_weight={weight}",
        f"train.gradient_rescaling={rescale}",
        "train.identity_pretrain_steps=1",
        "train.steps_per_cycle=1",
        "train.steps=5",
        "train.gradient_clip=0",
    )
    norms: list[tuple[bool, float, float]] = []
    before: list[Tensor] = []

    def backward_ends(run: TrainingRun, identity: bool) -> None:
        before[:] = [p.grad.clone() for p in run.shared if p.grad is not None]

    def update_begins(run: TrainingRun, identity: bool) -> None:
        raw, now = nn.utils.get_total_norm(before).item(), norm_of(run.shared)
        norms.append((identity, raw, now))
        after = [p.grad for p in run.shared if p.grad is not None]
        for old, new in zip(before, after, strict=True):  # the direction stays
            torch.testing.assert_close(new, old * (now / raw), rtol=1e-3, atol=1e-8)

    training.hooks.backward_ends = backward_ends  # type: ignore[method-assign]
    training.hooks.update_begins = update_begins  # type: ignore[method-assign]
    training.fit()
    assert [identity for identity, _, _ in norms] == [True, False, True, False, True]
    (_, raw, pretraining), (_, stylizing, balanced), *_ = norms
    assert pretraining == pytest.approx(raw)  # nothing to balance against yet
    assert balanced == pytest.approx(stylizing)  # only the identity branch is scaled
    for (_, stylizing, _), (_, raw, weighted) in [(norms[1], norms[2]), (norms[3], norms[4])]:
        assert weighted == pytest.approx(weight * (stylizing if rescale else raw), rel=1e-4)


def test_the_gradient_is_clipped(make: Callable[..., Trainer]) -> None:
    training = make("run", "train.gradient_clip=0.001", "train.steps=4")
    norms: list[float] = []
    training.hooks.update_begins = lambda run, _: norms.append(norm_of(run.trainable))  # type: ignore[method-assign]
    training.fit()
    assert norms == pytest.approx([0.001] * 4, rel=1e-2)


def test_a_run_depends_on_its_seed_alone(make: Callable[..., Trainer], tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        make(name, "train.steps=4", f"train.seed={seed}").fit()
    assert_same_state(tmp_path / "one", tmp_path / "again")
    with pytest.raises(AssertionError):
        assert_same_state(tmp_path / "one", tmp_path / "other")


class Darkness(Term):
    """A term from outside: outputs shall be no brighter than their photographs, pixel by pixel."""

    name = "darkness"
    by_style = "darkness"

    def __call__(self, made: Made) -> Tensor:
        return (made.outputs - made.images).float().clamp_min(0).mean((1, 2, 3))


def test_a_term_from_outside_is_trained_with_and_logged(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = make("plain")
    assert plain.fit()
    monkeypatch.setattr(terms, "STYLIZING", [*terms.STYLIZING, lambda *_: Darkness(50.0)])
    training = make("run")
    assert training.fit()
    assert list(training.run.objective.terms) == ["content", "style", "tv", "darkness", "identity"]
    assert training.run.losses["loss/darkness"] > 0
    assert {"darkness/calm", "darkness/storm", "style/calm"} <= set(training.run.losses)
    assert training.run.report()["losses"]["loss/darkness"] > 0
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    assert "loss/darkness" in log.Tags()["scalars"]
    pairs = zip(plain.run.model.parameters(), training.run.model.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)


# ------------------------------------------------------------------------------------------- stopping and going on


@pytest.mark.parametrize(
    ("number", "options", "later"),
    [
        (signal.SIGINT, (), ()),
        (signal.SIGTERM, ("train.separate_optimizers=true",), ()),
        (signal.SIGTERM, (), ("data.workers=1",)),
        (signal.SIGINT, ("data.workers=1", "train.checkpoint_every=1"), ("data.workers=0",)),
    ],
)
def test_stopped_and_resumed_is_the_same_as_straight(
    make: Callable[..., Trainer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    number: signal.Signals,
    options: tuple[str, ...],
    later: tuple[str, ...],
) -> None:
    handler = signal.getsignal(number)
    assert make("straight", *options).fit()
    with monkeypatch.context() as patch:
        signal_at(patch, 4, number)
        stopped = make("stopped", *options)
        assert not stopped.fit()
    assert stopped.run.step == 5  # the step was finished first
    assert signal.getsignal(number) is handler

    resumed = make("stopped", *options, *later)
    resumed.run.resume()
    assert resumed.run.step == 5
    assert resumed.fit()
    assert_same_state(tmp_path / "straight", tmp_path / "stopped")
    assert files_of(tmp_path / "straight" / "bank") == files_of(tmp_path / "stopped" / "bank")


def test_a_second_interrupt_stops_at_once(make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGINT)
    signal_at(monkeypatch, 1)
    signal_at(monkeypatch, 1)
    training = make("run")
    with pytest.raises(KeyboardInterrupt):
        training.fit()
    assert training.run.step == 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_each_branch_can_have_an_optimizer_of_its_own(make: Callable[..., Trainer]) -> None:
    training = make("run", "train.separate_optimizers=true", "train.optimizer=adam", "train.steps=6")
    assert training.run.identity_optimizer is not training.run.optimizer
    training.fit()
    counts = {name: {int(s["step"]) for s in o.state.values()} for name, o in (("i", training.run.identity_optimizer),)}
    assert counts == {"i": {3}}  # steps 0, 1 and 4
    assert {int(state["step"]) for state in (training.run.optimizer.state[p] for p in training.run.shared)} == {3}


def test_the_optimizer_cannot_change_in_the_middle(make: Callable[..., Trainer]) -> None:
    make("run", "train.optimizer=adam", "train.steps=2").fit()
    with pytest.raises(TrainingError, match=r"does not fit this configuration.*another train\.optimizer"):
        make("run", "train.optimizer=muon", "train.steps=4").run.resume()


def test_a_strength_of_no_style_is_refused(make: Callable[..., Trainer]) -> None:
    with pytest.raises(ConfigError, match=r"loss\.strengths has nobody; the styles are calm, "):
        make("run", "loss.strengths={calm: 2, nobody: 3}")


def test_a_run_killed_before_its_last_bank_is_completed_by_resuming(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make("whole").fit()
    save = Task.save

    def _save(task: Task, *arguments: object) -> None:
        if training.run.step == 8:
            raise KeyboardInterrupt
        save(task, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Task, "save", _save)
        training = make("killed")
        with pytest.raises(KeyboardInterrupt):
            training.fit()
    resumed = make("killed")
    resumed.run.resume()
    assert resumed.fit()
    assert files_of(tmp_path / "killed" / "bank") == files_of(tmp_path / "whole" / "bank")


@pytest.mark.parametrize(
    "options", [("model.channels=[8, 8, 8]",), ("train.separate_optimizers=false",), ("bank.kernel_size=5",)]
)
def test_a_state_of_another_network_is_refused(make: Callable[..., Trainer], options: tuple[str, ...]) -> None:
    make("run", "train.steps=1").fit()
    other = make("run", *options)
    with refused(TrainingError, "state.pt", "does not fit"):
        other.run.resume()


def test_a_state_of_other_styles_is_refused(make: Callable[..., Trainer], tmp_path: Path) -> None:
    make("run", "train.steps=1").fit()
    other = make("run", paintings=paint(tmp_path / "others", "calm", "sunny"))
    with refused(TrainingError, "state.pt", "storm", "sunny"):
        other.run.resume()


@pytest.mark.parametrize("content", [b"", b"no state", None, [1, 2], {"step": 3}])
def test_a_damaged_state_is_refused(make: Callable[..., Trainer], tmp_path: Path, content: object) -> None:
    training = make("run")
    file = tmp_path / "run" / "state.pt"
    file.parent.mkdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with refused(TrainingError, file):
        training.run.resume()


# --------------------------------------------------------------------------------------------------- bad numbers


def _nan(value: Tensor) -> Tensor:
    return value * float("nan")


def _infinite_gradient(value: Tensor) -> Tensor:
    return value + torch.sqrt(value * 0)


def _infinite_loss(value: Tensor) -> Tensor:
    return value + float("inf")


@pytest.mark.parametrize(
    ("spoil", "term"), [(_nan, "style"), (_infinite_gradient, "the gradient"), (_infinite_loss, "style")]
)
def test_a_step_that_is_not_finite_is_not_taken(
    make: Callable[..., Trainer],
    photos: Path,
    spoil: Callable[[Tensor], Tensor],
    term: str,
) -> None:
    training = make("run", "train.checkpoint_every=1")
    spoil_steps(training, 3, spoil=spoil)
    with refused(TrainingError, "Step 3:", f"{term} is not finite", "calm, storm", photos, "train.lr"):
        training.fit()
    state = load_training_state(training.run.folder.state_file)
    assert state["step"] == training.run.step == 3
    for part in ("model", "optimizer"):
        saved, now = tensors(state[part]), tensors(getattr(training.run, part).state_dict())
        assert saved.keys() == now.keys()
        assert all(torch.equal(value, now[place]) for place, value in saved.items())
    assert load_bank(training.run.folder.bank).records["calm"].images == 1

    resumed = make("run")
    resumed.run.resume()
    assert resumed.fit()


class Spoiled(Branches):
    """The style loss of some steps is not a number, or what else `spoil` makes of it."""

    def __init__(self, run: TrainingRun, steps: tuple[int, ...], spoil: Callable[[Tensor], Tensor]) -> None:
        super().__init__(run)
        self.steps, self.spoil = steps, spoil

    def stylize(self, images: Tensor, styles: list[int], cards: Sequence[bool] = ()) -> Values:
        values = super().stylize(images, styles, cards)
        return {**values, "style": self.spoil(values["style"])} if self.run.step in self.steps else values


def spoil_steps(training: Trainer, *steps: int, spoil: Callable[[Tensor], Tensor] = _nan) -> None:
    training.branches = Spoiled(training.run, steps, spoil)


def test_a_few_steps_that_are_not_finite_can_be_left_out(
    make: Callable[..., Trainer], capsys: pytest.CaptureFixture[str]
) -> None:
    training = make("run", "train.optimizer=adam", skip_nonfinite=2)
    spoil_steps(training, 3, 5)  # step 4 is an identity step, weighted by the norm of the stylizing one before it
    assert training.fit()
    assert training.run.report()["counts"]["nonfinite_steps"] == 2
    assert all(
        value.isfinite().all() for value in tensors(load_training_state(training.run.folder.state_file)).values()
    )
    assert all(torch.tensor(value).isfinite() for value in training.run.losses.values())
    assert {int(state["step"]) for state in training.run.optimizer.state.values()} == {2}  # of four stylizing steps
    assert "The step is left out, 1 of 2." in capsys.readouterr().out


def test_no_more_than_that_are_left_out_over_the_whole_run(make: Callable[..., Trainer], tmp_path: Path) -> None:
    training = make("run", "train.checkpoint_every=1", skip_nonfinite=1)
    spoil_steps(training, 2, 3)
    with refused(TrainingError, "Step 3", "style is not finite", "--skip-nonfinite"):
        training.fit()
    assert json.loads((tmp_path / "run" / "report.json").read_text())["counts"]["nonfinite_steps"] == 2
    again = make("run", skip_nonfinite=1)
    again.run.resume()
    spoil_steps(again, 3)
    with refused(TrainingError, "Step 3"):  # the one of the first try still counts
        again.fit()


def test_weights_that_are_not_finite_are_never_saved(make: Callable[..., Trainer]) -> None:
    training = make("run", "train.steps=2", "train.checkpoint_every=1")

    def update_ends(run: TrainingRun, _: bool) -> None:
        if run.step == 1:
            run.model.filters[0][0].bias.data[3] = float("inf")  # type: ignore[union-attr, index]

    training.hooks.update_ends = update_ends  # type: ignore[method-assign]
    with refused(TrainingError, "Step 2", "filters.0.0.bias"):
        training.fit()
    assert load_training_state(training.run.folder.state_file)["step"] == 1
    assert load_bank(training.run.folder.bank).model.names == ["calm", "storm"]


def test_weights_that_have_run_away_end_in_one_sentence(make: Callable[..., Trainer]) -> None:
    training = make("run")
    training.run.model.decoder.layers[-1].weight.data.mul_(1e25)  # type: ignore[union-attr, operator]
    with refused(TrainingError, "Step 0", "identity is not finite", "styles: identity", "train.lr"):
        training.fit()


# ---------------------------------------------------------------------------------------------------- photographs


def test_photographs_that_vanish_are_reported_and_passed_over(make: Callable[..., Trainer], photos: Path) -> None:
    training = make("run")
    gone = training.run.photographs.train[:2]
    for file in gone:
        file.write_bytes(b"no longer a picture")
    assert training.fit()
    report = training.run.report()
    assert len(report["skipped"]) == 2
    for file in gone:
        assert any(str(file) in text for text in report["skipped"])


@pytest.mark.parametrize("workers", [0, 1])
def test_losing_every_photograph_ends_in_one_sentence(make: Callable[..., Trainer], photos: Path, workers: int) -> None:
    training = make("run", f"data.workers={workers}")
    shutil.rmtree(photos)
    with refused(TrainingError, "Step 0", "None of the 8 photographs can be read"):
        training.fit()


def test_a_folder_that_vanishes_costs_no_step(make: Callable[..., Trainer], photos: Path) -> None:
    training = make("run", "train.checkpoint_every=1000")

    def update_ends(run: TrainingRun, _: bool) -> None:
        if run.step == 4:
            shutil.rmtree(photos)

    training.hooks.update_ends = update_ends  # type: ignore[method-assign]
    with refused(TrainingError, "Step 5", "None of the 8 photographs", "saved as of step 5"):
        training.fit()
    assert load_training_state(training.run.folder.state_file)["step"] == 5


def test_a_vanished_photograph_to_measure_on_costs_its_previews_only(
    make: Callable[..., Trainer], capsys: pytest.CaptureFixture[str]
) -> None:
    training = make("run", "data.held_out=1", "train.preview_every=2")
    (gone,) = training.run.photographs.held_out
    gone.unlink()
    assert training.fit()
    measure(training.run)
    report = training.run.report()
    assert report["metrics"] == {}
    assert report["counts"]["skipped_files"] == 1
    assert str(gone) in report["skipped"][0]
    assert capsys.readouterr().out.count(str(gone)) == 1  # said once


def test_many_skipped_files_are_named_in_the_report_only(
    make: Callable[..., Trainer], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stylebank.training.run_issues.SPOKEN", 2)
    training = make("run")
    for file in training.run.photographs.train[:5]:
        file.write_bytes(b"")
    assert training.fit()
    assert capsys.readouterr().out.count("Skipped:") == 2
    assert training.run.report()["counts"]["skipped_files"] == 5


# --------------------------------------------------------------------------------------------- survived


def test_a_killed_loader_process_is_replaced_and_changes_nothing(
    make: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make("straight").fit()
    training = make("run", "data.workers=1")

    def update_begins(run: TrainingRun, _: bool) -> None:
        if run.step in (2, 5):
            (worker,) = multiprocessing.active_children()
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()

    training.hooks.update_begins = update_begins  # type: ignore[method-assign]
    handler = signal.getsignal(signal.SIGCHLD)
    assert training.fit()
    assert signal.getsignal(signal.SIGCHLD) is handler  # torch's own would stop an update half way
    assert 1 <= training.run.report()["counts"]["lost_workers"] <= 2  # it may have done all its work before
    assert capsys.readouterr().out.count("was killed; another one takes its place") == 1
    assert_same_state(tmp_path / "straight", tmp_path / "run")
    assert not multiprocessing.active_children()


def test_loader_processes_that_always_die_end_the_run(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> Iterator[ContentBatch]:
        raise WorkerLost("DataLoader worker (pid 1) is killed")
        yield

    monkeypatch.setattr("stylebank.training.batches.content_loader", lost)
    training = make("run")
    with refused(TrainingError, "Step 0", "DataLoader worker"):
        training.fit()
    assert training.run.report()["counts"]["lost_workers"] == 3


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, training: Trainer, *steps: int) -> Iterator[None]:
    """Nothing can be written in the checkpoints of these steps."""
    replace = os.replace

    def _replace(source: Path, target: Path) -> None:
        if training.run.step in steps:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("stylebank.files.os.replace", _replace)
        yield


def test_a_full_disk_costs_checkpoints_but_not_the_run(
    make: Callable[..., Trainer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make("straight").fit()
    training = make("run", "train.checkpoint_every=1")
    with full_disk(monkeypatch, training, 3, 4, 5):
        assert training.fit()
    said = [line for line in capsys.readouterr().out.splitlines() if "disk is full" in line]
    assert len(said) == 1
    (sentence,) = said
    assert str(tmp_path / "run" / "state.pt") in sentence
    assert "the last checkpoint is of step 2" in sentence
    needed = int(sentence.split("needs about ")[1].split()[0])
    written = training.run.folder.state_file.stat().st_size + sum(
        len(data) for data in files_of(training.run.folder.bank).values()
    )
    assert 0.7 * written < needed < written  # all but the files' own overhead, which is large in a bank this small
    assert training.run.report()["counts"]["failed_saves"] == 3
    assert_same_state(tmp_path / "straight", tmp_path / "run")


def test_a_disk_that_is_full_at_the_end_is_an_error_and_the_last_checkpoint_stays(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make("run")
    with full_disk(monkeypatch, training, 8), refused(StyleBankError, "disk is full", "state.pt", "needs about"):
        training.fit()
    assert load_training_state(training.run.folder.state_file)["step"] == 4
    assert load_bank(training.run.folder.bank).records["calm"].images == 2
    resumed = make("run")
    resumed.run.resume()
    assert resumed.fit()


def test_nothing_is_logged_on_a_disk_that_is_nearly_full(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("stylebank.training.monitor.ROOM", shutil.disk_usage(tmp_path).total)
    assert make("run").fit()
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_a_log_that_cannot_be_written_stops_nothing(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stylebank.training.monitor.SummaryWriter.add_scalar", full)
    assert make("run").fit()


def test_sigusr1_saves_and_goes_on(make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch) -> None:
    signal_at(monkeypatch, 1, signal.SIGUSR1)
    training = make("run", "train.checkpoint_every=1000")
    saved: list[int] = []
    save = training.run.save

    def _save() -> None:
        saved.append(training.run.step)
        save()

    training.run.save = _save  # type: ignore[method-assign]
    assert training.fit()
    assert saved == [2, 8]


def test_a_clock_that_is_set_back_changes_nothing(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make("straight").fit()
    now = [2e9]

    def backwards() -> float:
        now[0] -= 1000
        return now[0]

    training = make("run")
    with monkeypatch.context() as patch:
        patch.setattr("time.time", backwards)
        patch.setattr("tqdm.std.time", backwards)
        assert training.fit()
    assert training.run.seconds > 0
    assert training.monitor.bar.last_print_n > 0  # it was drawn while the run went on
    assert_same_state(tmp_path / "straight", tmp_path / "run")


def test_previews_of_a_large_bank_show_its_newest_styles(
    make: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stylebank.training.trainer.PREVIEW_STYLES", 3)
    many = paint(tmp_path / "many", *(f"s{i}" for i in range(5)))
    training = make("run", "data.held_out=1", "train.steps=1", paintings=many)
    assert training.fit()
    height, width, _ = pixels(tmp_path / "run" / "previews" / "0000001.jpg").shape
    cell = GAP + round(96 / 80 * (height - CAPTION - 2 * GAP))
    assert width == GAP + 5 * cell  # photograph, reconstruction, and three of five styles


def _no_photographs(training: Trainer, patch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(training.run.config.data.content)


def _not_finite(training: Trainer, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "stylebank.losses.terms.identity_loss", lambda images, outputs: outputs.mean((1, 2, 3)) * float("nan")
    )


def _interrupts(training: Trainer, patch: pytest.MonkeyPatch) -> None:
    signal_at(patch, 0)
    signal_at(patch, 0)


def _interrupt_while_waiting(training: Trainer, patch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    patch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data", interrupt)


@pytest.mark.parametrize("disaster", [_no_photographs, _not_finite, _interrupts, _interrupt_while_waiting])
def test_no_process_is_left_behind(
    make: Callable[..., Trainer],
    monkeypatch: pytest.MonkeyPatch,
    disaster: Callable[[Trainer, pytest.MonkeyPatch], None],
) -> None:
    """They ignore signals, so that Python would wait for them for ever when it ends."""
    training = make("run", "data.workers=1")
    with monkeypatch.context() as patch:
        disaster(training, patch)
        with pytest.raises((TrainingError, KeyboardInterrupt)) as caught:
            training.fit()
    assert caught.tb is not None  # the traceback holds on to what the loop had
    assert not multiprocessing.active_children()


# -------------------------------------------------------------------------------------------------- adding styles


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write_bank(tmp_path / "bank", "old", "older")


def test_nothing_but_new_filters_gets_a_gradient(make: Callable[..., Trainer], bank: Path) -> None:
    training = make("run", "train.steps=3", bank=bank)
    frozen = [*training.run.model.autoencoder_parameters(), *training.run.model.filters[:2].parameters()]
    before = copies(frozen)
    encode = training.run.model.encode
    steps: list[int] = []

    def _encode(images: Tensor) -> Tensor:
        features = encode(images)
        assert not features.requires_grad
        assert features.grad_fn is None
        return features

    def update_begins(run: TrainingRun, identity: bool) -> None:
        assert not identity
        assert all(parameter.grad is None for parameter in frozen)
        assert any(parameter.grad is not None for parameter in run.model.filters[2:].parameters())
        steps.append(run.step)

    training.run.model.encode = _encode  # type: ignore[method-assign]
    training.hooks.update_begins = update_begins  # type: ignore[method-assign]
    assert training.fit()
    assert steps == [0, 1, 2]
    assert same(before, frozen)
    assert not any(parameter.requires_grad for parameter in frozen)
    assert {id(p) for p in training.run.trainable} == {id(p) for p in training.run.model.filters[2:].parameters()}


def test_new_styles_do_not_affect_each_other(make: Callable[..., Trainer], bank: Path, tmp_path: Path) -> None:
    for name, other in (("one", "storm"), ("two", "desert")):
        paintings = paint(tmp_path / f"for-{name}", "calm")
        (paint(tmp_path / "spare", other) / f"{other}.png").rename(paintings / "second.png")
        make(name, "train.gradient_clip=0", bank=bank, paintings=paintings).fit()
    one, two = load_bank(tmp_path / "one" / "bank"), load_bank(tmp_path / "two" / "bank")
    filters = [dict(zip(bank.model.names, bank.model.filters, strict=True)) for bank in (one, two)]
    for name, equal in (("old", True), ("calm", True), ("second", False)):
        assert torch.equal(filters[0][name][0].weight, filters[1][name][0].weight) is equal


def test_a_style_that_is_there_already_is_refused(make: Callable[..., Trainer], tmp_path: Path) -> None:
    with refused(BankError, "already has storm", "--name"):
        make("run", bank=write_bank(tmp_path / "bank", "storm"))


KEPT = ("train.steps=7", "train.kept_batches=2", "train.small_crop_steps=3", "train.crop_size=48")


def test_kept_batches_are_encoded_once(make: Callable[..., Trainer], bank: Path) -> None:
    training = make("run", *KEPT, bank=bank)
    encode = training.run.model.encode
    sides: list[int] = []

    def _encode(images: Tensor) -> Tensor:
        sides.append(images.shape[3])
        return encode(images)

    training.run.model.encode = _encode  # type: ignore[method-assign]
    assert training.fit()
    assert sides == [24, 24, 48, 48]


def test_keeping_batches_in_memory_changes_nothing(make: Callable[..., Trainer], bank: Path, tmp_path: Path) -> None:
    class Forgetful(dict[int, Any]):
        def __setitem__(self, key: int, value: object) -> None:
            pass

    make("keeping", *KEPT, bank=bank).fit()
    other = make("computing", *KEPT, bank=bank)
    other.branches.kept = Forgetful()
    other.fit()
    assert_same_state(tmp_path / "keeping", tmp_path / "computing")


@pytest.mark.parametrize("stop", [1, 2, 3, 5])
def test_a_run_with_kept_batches_resumes_with_the_same_bits(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, bank: Path, tmp_path: Path, stop: int
) -> None:
    make("straight", *KEPT, bank=bank).fit()
    with monkeypatch.context() as patch:
        signal_at(patch, stop)
        assert not make("run", *KEPT, bank=bank).fit()
    second = make("run", *KEPT, bank=bank)
    second.run.resume()
    assert second.fit()
    assert_same_state(tmp_path / "straight", tmp_path / "run")


def test_a_whole_bank_needs_fresh_crops(make: Callable[..., Trainer]) -> None:
    with refused(ConfigError, "train.kept_batches", "adding styles"):
        make("run", "train.kept_batches=2")
    with refused(ConfigError, "train.fixed_norm", "adding styles"):
        make("run", "train.fixed_norm=true")


# ------------------------------------------------------------------------------------------- starting from a bank


def test_a_bank_can_start_from_another(styles: Path, tmp_path: Path) -> None:
    start = write_bank(tmp_path / "start", "older", "storm")
    known = load_bank(start).model
    task = new_bank(config(), find_styles([styles]), start)
    assert task.joint
    assert task.model.names == ["calm", "storm"]
    for part in ("encoder", "decoder"):
        pairs = zip(getattr(task.model, part).parameters(), getattr(known, part).parameters(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    assert torch.equal(task.model.filters[1][0].weight, known.filters[1][0].weight)
    fresh = new_bank(config(), find_styles([styles])).model
    assert torch.equal(task.model.filters[0][0].weight, fresh.filters[0][0].weight)


def test_a_bank_of_another_form_is_not_started_from(styles: Path, tmp_path: Path) -> None:
    start = write_bank(tmp_path / "start", "storm")
    with refused(BankError, str(start), "bank.kernel_size 3 instead of 5"):
        new_bank(config("bank.kernel_size=5"), find_styles([styles]), start)


def test_residual_blocks_that_a_bank_lacks_change_nothing_at_first(styles: Path, tmp_path: Path) -> None:
    def grown(start: Path, blocks: int) -> StyleBank:
        return new_bank(config(f"model.residual_blocks={blocks}"), find_styles([styles]), start).model

    shallow = grown(write_bank(tmp_path / "none", "calm", "storm"), 2)
    torch.nn.init.normal_(shallow.decoder.blocks[1].layers[2].weight)  # pixel norm's scale: no longer the identity
    save_bank(shallow, tmp_path / "two", {name: StyleInfo() for name in shallow.names})
    deep, picture = grown(tmp_path / "two", 3), torch.rand(1, 3, 32, 32)
    assert len(deep.decoder.blocks) == 3
    assert torch.equal(deep.stylize(picture, [1]), shallow.stylize(picture, [1]))
    first, cut = (model.decoder.blocks[:1].state_dict() for model in (shallow, grown(tmp_path / "two", 1)))
    assert all(torch.equal(cut[key], value) for key, value in first.items())


def test_noise_that_a_bank_lacks_counts_next_to_nothing_at_first(styles: Path, tmp_path: Path) -> None:
    start = write_bank(tmp_path / "start", "storm")
    known = load_bank(start).model.filters[0][0].weight
    task = new_bank(config("bank.noise_channels=12"), find_styles([styles]), start)
    kernel = task.model.filters[1][0].weight
    assert torch.equal(kernel[:, : known.shape[1]], known)
    noise = kernel[:, known.shape[1] :]
    assert noise.shape[1] == 12
    assert 0 < noise.square().mean().sqrt() < 0.05 * known.square().mean().sqrt()


def test_noise_is_new_in_every_step_and_the_same_again_when_resumed(
    make: Callable[..., Trainer], tmp_path: Path
) -> None:
    def noises(trainer: Trainer) -> list[Tensor]:
        found = list[Tensor]()
        original = trainer.run.model.apply_filters
        trainer.run.model.apply_filters = lambda *args, noise: (  # type: ignore[method-assign]
            found.extend(noise.clone()),
            original(*args, noise=noise),
        )[1]
        trainer.fit()
        return found

    straight = noises(make("straight", "bank.noise_channels=6"))
    assert len({each.float().numpy().tobytes() for each in straight}) == len(straight) == 8  # four steps of two
    first = noises(make("cut", "bank.noise_channels=6", "train.steps=4"))
    assert all(torch.equal(one, other) for one, other in zip(first, straight, strict=False))


# -------------------------------------------------------------------------------------------------------- compile


def test_compiled_networks_train_alike(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Traced, but run by PyTorch itself: that takes seconds, compiling minutes."""
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **_: original(function, backend="eager"))
    make("plain", "train.steps=4").fit()
    make("compiled", "train.steps=4", "train.compile=true").fit()
    states = [load_training_state(tmp_path / name / "state.pt")["model"] for name in ("plain", "compiled")]
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        # Of the 0.008 that four steps move a weight at most; steps follow gradients' signs, also of tiny ones.
        torch.testing.assert_close(value, states[1][key], rtol=1e-3, atol=1e-3)


def test_what_is_compiled_is_for_crops_of_one_size(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Previews and measurements of other sizes go through the networks as they are."""
    original, asked, graphs = torch.compile, list[dict[str, Any]](), list[int]()

    def count(graph: Any, inputs: list[Any]) -> Any:
        graphs.append(trained.run.step)
        return graph.forward

    def _compile(function: Any, **options: Any) -> Any:
        asked.append(options)
        return original(function, backend=count, dynamic=options["dynamic"])

    monkeypatch.setattr(torch, "compile", _compile)
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 48)
    keys = ("train.identity_pretrain_steps=1", "train.steps=4", "train.preview_every=2", "train.validate_every=2")
    trained = make("run", "data.held_out=1", "train.compile=reduce-overhead", *keys)
    assert trained.fit()
    measure(trained.run)
    assert asked == [{"dynamic": False, "mode": "reduce-overhead"}] * 3
    assert set(graphs) == {0, 1}  # the first step of each branch


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="there is no C++ compiler")
def test_training_runs_compiled(make: Callable[..., Trainer]) -> None:
    layers = ("loss.content_layers=[relu1_1]", "loss.style_layers=[relu1_1]")
    assert make("run", "train.steps=2", "train.identity_pretrain_steps=1", "train.compile=true", *layers).fit()


@pytest.mark.parametrize(
    ("compile", "steps", "device", "processes", "mode"),
    [
        (False, 20000, "cuda", 1, None),
        (True, 10, "cpu", 2, "default"),
        ("reduce-overhead", 10, "cuda", 2, "reduce-overhead"),
        ("auto", 5000, "cuda", 1, "reduce-overhead"),
        ("auto", 4999, "cuda", 1, None),  # over before it pays
        ("auto", 5000, "cuda", 2, None),
        ("auto", 5000, "cpu", 1, None),
    ],
)
def test_long_runs_on_a_gpu_are_compiled(
    compile: bool | str, steps: int, device: str, processes: int, mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(compiling, "find_spec", lambda _: object())
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/cc")
    train = TrainConfig(compile=compile, steps=steps)
    assert compiling.compile_mode(train, torch.device(device), processes) == mode


@pytest.mark.parametrize("missing", ["capability", "triton", "compiler"])
def test_what_cannot_be_compiled_is_left_as_it_is(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (6, 1) if missing == "capability" else (7, 0))
    monkeypatch.setattr(compiling, "find_spec", lambda _: None if missing == "triton" else object())
    monkeypatch.setattr(shutil, "which", lambda _: None if missing == "compiler" else "/usr/bin/cc")
    assert compiling.compile_mode(TrainConfig(steps=20000), torch.device("cuda")) is None
