"""`stylebank train` from end to end: what a run leaves behind, stopping it in every way, and adding styles."""

from __future__ import annotations

import gc
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_vgg
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import (
    assert_same_state,
    config,
    config_file,
    fail,
    files_of,
    paint,
    pixels,
    run,
    signal_at,
    succeed,
    with_predictor,
    write_bank,
)

import stylebank
from stylebank.bank.io import load_bank
from stylebank.bank.records import SUFFIXES
from stylebank.cli import main
from stylebank.config_files import load_config
from stylebank.errors import ConfigError
from stylebank.folder_lock import LOCK, in_use
from stylebank.images import to_tensor
from stylebank.images.contact_sheet import CAPTION, GAP
from stylebank.inference.stylizer import Stylizer
from stylebank.training.plan import plan_of
from stylebank.training.request import TrainRequest
from stylebank.training.state import load_training_state

ROOT = Path(stylebank.__file__).parents[1]
NO_PICTURES = "data.held_out=0"
STYLES = ("calm", "storm")
ADDING = ("data.min_side=16", "data.workers=0", NO_PICTURES, "train.precision=float32", "train.warmup_steps=0")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def arguments(place: Path, _photos: Path, random_vgg_weights: Path) -> list[object]:
    """A whole run in arguments, but for --out; one photograph is damaged and one too small."""
    content = Path(shutil.copytree(_photos, place / "content"))
    (content / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    Image.new("RGB", (40, 12)).save(content / "low.png")
    styles = paint(place / "styles", *STYLES)
    file = config_file(place / "tiny.yaml")
    return ["train", "--config", file, "--content", content, "--styles", styles, "--loss-weights", random_vgg_weights]


@pytest.fixture(scope="module")
def small_measurements() -> Iterator[None]:
    """Held-out photographs at 32 pixels instead of 256: seconds less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
        yield


@pytest.fixture(scope="module")
def finished(place: Path, arguments: list[object], small_measurements: None) -> Path:
    """The folder of a run of eight steps."""
    assert run(*arguments, "--out", place / "run") == 0
    return place / "run"


@pytest.fixture(scope="module")
def straight(place: Path, arguments: list[object]) -> Path:
    """The folder of a run that makes no pictures."""
    assert run(*arguments, "--set", NO_PICTURES, "--out", place / "straight") == 0
    return place / "straight"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write_bank(tmp_path / "bank", "old", "older")


@pytest.fixture
def add(photos: Path, bank: Path, tmp_path: Path, random_vgg_weights: Path) -> Callable[..., list[object]]:
    """add(painting, ...) -> the arguments that add paintings of these names to the bank, in three steps."""

    def _add(*paintings: str, to: Path = bank, steps: int = 3) -> list[object]:
        files = [paint(tmp_path / "new", name) / f"{name}.png" for name in paintings]
        options = ["--content", photos, "--loss-weights", random_vgg_weights]
        return ["train", "--bank", to, "--add-style", *files, *options, "--set", *ADDING, f"train.steps={steps}"]

    return _add


# --------------------------------------------------------------------------------------------- what a run leaves


def test_a_run_folder_is_complete(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        "config.yaml",
        "environment.json",
        "task.json",
        "bank",
        "state.pt",
        "previews",
        "tensorboard",
        "log.jsonl",
        "report.json",
    }
    assert load_training_state(finished / "state.pt")["step"] == 8
    environment = json.loads((finished / "environment.json").read_text())
    assert environment["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_its_configuration_is_the_resolved_one(finished: Path, place: Path) -> None:
    content, styles = (place / "content").as_posix(), (place / "styles").as_posix()
    assert load_config(finished / "config.yaml") == config(f"data.content={content!r}", f"data.styles=[{styles!r}]")


def test_its_bank_is_whole(finished: Path) -> None:
    bank = load_bank(finished / "bank")
    assert bank.model.names == list(STYLES)
    for name in STYLES:
        assert bank.records[name].title == name.capitalize()
        assert bank.records[name].images == 4  # four stylizing steps of two crops, two styles
        assert bank.records[name].settings == config().style_settings()


def test_its_report_has_metrics_and_names_what_was_skipped(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    assert report["steps"] == report["of"] == 8
    assert report["seconds"] > 0
    assert {"loss/content", "loss/style", "loss/tv", "loss/identity"} <= report["losses"].keys()
    assert len(report["held_out"]) == 1
    assert np.isfinite(report["metrics"]["identity_psnr"])
    assert report["metrics"]["styles"].keys() == set(STYLES)
    for row in report["metrics"]["styles"].values():
        assert row.keys() == {"style_gap_closed", "content_distance", "style_accuracy"}
        assert all(np.isfinite(value) for value in row.values())
    assert len(report["skipped"]) == 2
    assert any("broken.jpg" in text for text in report["skipped"])
    assert any("low.png" in text and "12" in text for text in report["skipped"])


def test_its_previews_show_every_style(finished: Path) -> None:
    assert sorted(path.name for path in (finished / "previews").iterdir()) == ["0000004.jpg", "0000008.jpg"]
    height, width, _ = pixels(finished / "previews" / "0000008.jpg").shape
    cell = (width - GAP) // 4 - GAP  # photograph, reconstruction, two styles
    assert height == CAPTION + GAP + 32 + GAP
    assert cell == round(96 / 80 * 32)


def test_its_tensorboard_log_has_every_number(finished: Path) -> None:
    log = EventAccumulator(str(finished / "tensorboard"))
    log.Reload()
    tags = log.Tags()
    assert set(tags["scalars"]) == {
        "loss/total",
        "images_per_second",
        "loss/content",
        "loss/style",
        "loss/tv",
        "loss/identity",
        "style/calm",
        "style/storm",
        "gradient/stylizing",
        "gradient/identity",
        "gradient/ratio",
        "lr",
        "identity_psnr",
    }
    assert tags["images"] == ["preview"]
    assert [event.step for event in log.Scalars("lr")] == [3, 6, 8]
    assert [event.step for event in log.Scalars("identity_psnr")] == [4, 8]
    for tag in tags["scalars"]:
        assert all(np.isfinite(event.value) for event in log.Scalars(tag))


def test_its_folder_can_be_used_like_a_bank(finished: Path, photos: Path, tmp_path: Path) -> None:
    assert (
        run(
            "stylize",
            "--bank",
            finished,
            "--style",
            "calm",
            "--input",
            photos / "disc.jpg",
            "--output",
            tmp_path / "a.png",
        )
        == 0
    )
    assert pixels(tmp_path / "a.png").shape == (80, 96, 3)


def test_train_py_is_the_same_command(
    arguments: list[object], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*map(str, arguments[1:]), "--out", str(finished)], prog="train.py") == 1
    assert "is not empty" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------------- resuming


def test_resuming_a_finished_run_changes_nothing(
    finished: Path,
    arguments: list[object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    small_measurements: None,
) -> None:
    again = Path(shutil.copytree(finished, tmp_path / "run"))
    assert "Done" in succeed(capsys, *arguments, "--out", again, "--resume")
    before, after = files_of(finished), files_of(again)
    reports = [json.loads(files.pop("report.json")) for files in (before, after)]
    assert reports[0] == reports[1]
    for files in (before, after):
        del files["state.pt"]  # the same inside, see below
    assert before == after
    assert_same_state(finished, again)


def test_a_finished_run_can_go_on_for_more_steps(
    straight: Path, tmp_path: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    again = Path(shutil.copytree(straight, tmp_path / "run"))
    weights = arguments[-2:]
    assert "Done" in succeed(capsys, "train", "--resume", "--out", again, *weights, "--set", "train.steps=10")
    assert load_training_state(again / "state.pt")["step"] == 10
    assert load_config(again / "config.yaml").train.steps == 10


def test_a_run_can_start_from_the_bank_of_another(
    straight: Path, tmp_path: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    start = Path(shutil.copytree(straight / "bank", tmp_path / "start"))
    whole = [*arguments, "--start-from", start, "--out", tmp_path / "run", "--set", NO_PICTURES, "train.lr=0.000001"]
    succeed(capsys, *whole, "train.steps=4")
    before, now = load_bank(start).model.state_dict(), load_bank(tmp_path / "run" / "bank").model.state_dict()
    assert all(torch.allclose(now[key], value, atol=1e-4) for key, value in before.items())
    images = [load_bank(bank).records["calm"].images for bank in (start, tmp_path / "run" / "bank")]
    assert images == [4, 4 + 2]  # two stylizing steps of two crops more, for two styles
    shutil.rmtree(start)  # it has done its part
    assert "Done" in succeed(capsys, *whole, "--resume", "auto")
    assert load_bank(tmp_path / "run" / "bank").records["calm"].images == 4 + 4


def test_a_resumed_log_has_every_step_once(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = [*arguments, "--set", NO_PICTURES, "train.log_every=1", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        signal_at(patch, 3)
        assert "after step 4 of 8; the same command with --resume" in succeed(capsys, *everything)
    succeed(capsys, *everything, "--resume")
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    assert [event.step for event in log.Scalars("lr")] == list(range(1, 9))


KILLED = """
import os, signal, sys
from stylebank.cli import main
from stylebank.training.task import Task
from stylebank.training.hooks import Hooks
from stylebank.training.training_run import TrainingRun

moment = sys.argv[1]
save, save_bank = TrainingRun.save, Task.save

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def _save(self):
    save(self)
    if moment == "after the checkpoint" and self.step == 4:
        kill()

def _save_bank(self, *arguments):
    if moment == "between state and bank":
        kill()
    save_bank(self, *arguments)

def update_begins(self, run, identity):
    if moment == "two steps later" and run.step == 6:
        kill()

TrainingRun.save, Hooks.update_begins, Task.save = _save, update_begins, _save_bank
main(sys.argv[2:])
"""


@contextmanager
def started(script: list[str], options: list[object]) -> Iterator[subprocess.Popen[str]]:
    """A training process in a group of its own; whatever is left of it in the end is killed."""
    process = subprocess.Popen(
        [sys.executable, *script, *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
@pytest.mark.parametrize("moment", ["after the checkpoint", "between state and bank", "two steps later"])
def test_killed_and_resumed_is_the_same_as_straight(
    straight: Path, arguments: list[object], tmp_path: Path, moment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "--out", tmp_path / "run"]
    with started(["-c", KILLED, moment], options) as process:
        _, errors = process.communicate(timeout=500)
    assert process.returncode == -signal.SIGKILL, errors
    assert load_training_state(tmp_path / "run" / "state.pt")["step"] == 4
    succeed(capsys, *options, "--resume")
    assert_same_state(straight, tmp_path / "run")
    assert files_of(straight / "bank") == files_of(tmp_path / "run" / "bank")


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups")
@pytest.mark.parametrize(
    ("number", "group", "workers"),
    [(signal.SIGTERM, False, 0), (signal.SIGTERM, True, 1), (signal.SIGINT, True, 1)],
)
def test_a_stopped_process_saves_and_ends_well(
    arguments: list[object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    group: bool,
    workers: int,
) -> None:
    options = [*arguments, "--set", NO_PICTURES, f"data.workers={workers}", "--out", tmp_path / "run"]
    endless = ["train.steps=1000000", "train.checkpoint_every=2"]
    state = tmp_path / "run" / "state.pt"
    with started([str(ROOT / "train.py")], [*options[1:], "--set", *endless]) as process:
        deadline = time.monotonic() + 280
        while not state.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if group:
            os.killpg(process.pid, number)  # as Ctrl-C and a batch system do: the loader's processes get it too
        else:
            process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Error" not in errors
    assert "of 1000000; the same command with --resume goes on" in output
    step = load_training_state(state)["step"]
    assert f"Stopped after step {step} " in output
    assert load_bank(tmp_path / "run" / "bank").records["calm"].images == (step - 2) - (step - 2) // 3
    assert "Done" in succeed(capsys, *options, "--resume", "--set", f"train.steps={step + 1}")


# ------------------------------------------------------------------------------------------------- refusals


def test_only_run_folders_are_resumed(
    arguments: list[object], tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, foreign = tmp_path / "missing", tmp_path / "foreign"
    foreign.mkdir()
    for text in (None, "", "{}", "[]", "no json"):
        if text is not None:
            (foreign / "task.json").write_text(text)
        fail(capsys, "train", "--resume", "--out", foreign, mentions=[foreign, "not a run folder"])
    fail(capsys, "train", "--resume", "--out", missing, mentions=[missing, "not a run folder"])
    assert not missing.exists()
    options = [*arguments, "--set", NO_PICTURES, "model.channels=[8, 8, 12]", "--out", finished, "--resume"]
    fail(capsys, *options, mentions=["state.pt", "does not fit"])


def test_a_run_that_never_saved_begins_anew_when_resumed(
    arguments: list[object],
    straight: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        signal_at(patch, 0)
        signal_at(patch, 0)  # at once
        assert run(*options) == 130
    assert "Interrupted." in capsys.readouterr().err
    assert not (tmp_path / "run" / "state.pt").exists()
    succeed(capsys, *options, "--resume")
    assert_same_state(straight, tmp_path / "run")
    assert counts_of(tmp_path / "run")["restarts"] == 1
    (tmp_path / "run" / "state.pt").unlink()
    fail(capsys, *options, "--resume", mentions=["nothing to resume", "state.pt"])  # its bank would be lost


def counts_of(folder: Path) -> dict[str, int]:
    return dict(json.loads((folder / "report.json").read_text())["counts"])


def test_one_command_begins_a_run_and_goes_on_with_it(
    arguments: list[object],
    straight: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "--out", tmp_path / "run", "--resume", "auto"]
    for step in (1, 5):
        with monkeypatch.context() as patch:
            signal_at(patch, step, signal.SIGTERM)
            assert f"Stopped after step {step + 1} of 8" in succeed(capsys, *options)
    (tmp_path / "run" / ".state.pt.0a1b2c3d.tmp").write_bytes(b"half")  # of a process that was killed
    (tmp_path / "run" / ".bank.0a1b2c3d.tmp").mkdir()
    assert "Done" in succeed(capsys, *options)
    assert_same_state(straight, tmp_path / "run")
    assert counts_of(tmp_path / "run")["restarts"] == 2
    assert not list((tmp_path / "run").glob(".*.tmp"))
    assert "Done" in succeed(capsys, *options)
    assert counts_of(tmp_path / "run")["restarts"] == 2  # there was nothing left to do


def test_styles_are_added_by_a_command_that_goes_on_by_itself(
    add: Callable[..., list[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*add("sunny"), "--out", tmp_path / "more", "--resume", "auto"]
    with monkeypatch.context() as patch:
        signal_at(patch, 1, signal.SIGTERM)
        assert "Stopped after step 2" in succeed(capsys, *options)
    fail(capsys, *add("foggy"), "--out", tmp_path / "more", "--resume", "auto", mentions=["more-run", "other styles"])
    assert "Done" in succeed(capsys, *options)
    assert load_bank(tmp_path / "more").model.names == ["old", "older", "sunny"]
    fail(capsys, *add("foggy"), "--in-place", "--resume", "auto", mentions=["--in-place", "--resume"])


def test_torchrun_starts_a_run_again_without_being_told(
    arguments: list[object],
    straight: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        signal_at(patch, 4)
        succeed(capsys, *options)
    fail(capsys, *options, mentions=["not empty"])
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert "Done" in succeed(capsys, *options)
    assert_same_state(straight, tmp_path / "run")


def test_a_start_that_was_cut_short_does_not_block_the_folder(
    arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    for name in ("environment.json", "config.yaml", ".task.json.0a1b2c3d.tmp"):
        (tmp_path / "run" / name).write_text("cut sho")
    assert "Done" in succeed(capsys, *arguments, "--set", NO_PICTURES, "train.steps=1", "--out", tmp_path / "run")


def test_sigterm_before_the_first_step_ends_well(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("stylebank.training.task.style_grams", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit) as ended:
        run(*arguments, "--out", tmp_path / "run")
    assert ended.value.code == 0
    assert "Stopped" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not (tmp_path / "run").exists()


def test_steps_that_are_not_finite_can_be_left_out(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variation = iter([1.0, 1.0, float("nan"), 1.0, 1.0, float("inf")])  # the first two while memory is looked at
    monkeypatch.setattr(
        "stylebank.losses.terms.total_variation", lambda images: images.mean((1, 2, 3)) * next(variation)
    )
    options = [*arguments, "--set", NO_PICTURES, "--out", tmp_path / "run", "--skip-nonfinite", 2]
    assert "tv is not finite" in succeed(capsys, *options)
    assert counts_of(tmp_path / "run")["nonfinite_steps"] == 2


def test_a_step_that_cannot_fit_into_memory_is_refused_before_anything_is_written(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "train.steps=1", "train.batch_size=64", "--out", tmp_path / "run"]
    monkeypatch.setattr("stylebank.training.memory.memory_of", lambda device: 30_000_000)
    text = fail(capsys, *options)
    assert not (tmp_path / "run").exists()
    batch = re.search(r"train\.batch_size=64.* lower train\.batch_size to (\d+) or less, or train\.crop_size", text)
    assert batch is not None, text
    assert 0 < int(batch[1]) < 64
    succeed(capsys, *options, "--set", f"train.batch_size={batch[1]}")


def test_a_full_folder_is_refused(
    arguments: list[object], tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(finished)
    fail(capsys, *arguments, "--out", finished, mentions=[finished, "not empty", "--resume"])
    assert files_of(finished) == before
    (tmp_path / "file").touch()
    fail(capsys, *arguments, "--out", tmp_path / "file", mentions=[tmp_path / "file"])


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (["--out", "OUT", "--content", "nowhere"], ["nowhere", "--content"]),
        (["--out", "OUT", "--styles", "nowhere.png"], ["nowhere.png"]),
        (["--out", "OUT", "--loss-weights", "none.safetensors"], ["none.safetensors", "do not exist"]),
        (["--out", "OUT", "--device", "abacus"], ["abacus", "cpu"]),
        (["--out", "OUT", "--config", "none.yaml"], ["none.yaml"]),
        (["--out", "OUT", "--set", "data.min_side=5000"], ["10 were skipped"]),
        (["--out", "OUT", "--bank", "b"], ["--bank", "--add-style"]),
        (["--add-style", "b.png"], ["--out and --bank are missing"]),
        (["--out", "OUT", "--in-place"], ["--in-place"]),
        (["--out", "OUT", "--start-from", "nowhere"], ["nowhere", "not a bank"]),
        (["--out", "OUT", "--start-from", "b", "--bank", "c", "--add-style", "d.png"], ["--start-from", "whole bank"]),
        ([], ["--out is missing"]),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    arguments: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    mentions: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code = 2 if "missing" in mentions[0] else 1
    fail(capsys, *arguments, *(text.replace("OUT", "out/run") for text in options), mentions=mentions, code=code)
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_over_leaves_no_tensor_in_memory(arguments: list[object], tmp_path: Path) -> None:
    """A server's process trains many a painting."""
    counts = []
    for name in ("one", "two"):
        assert run(*arguments, "--set", NO_PICTURES, "train.steps=1", "--out", tmp_path / name) == 0
        gc.collect()
        counts.append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))
    assert counts[0] == counts[1]


def test_a_style_that_was_stopped_says_so_wherever_it_is_listed(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "train.steps=4", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        signal_at(patch, 1)
        succeed(capsys, *options)
    for command in (["bank", "show", tmp_path / "run"], ["stylize", "--bank", tmp_path / "run", "--list"]):
        assert succeed(capsys, *command).count("unfinished (step 2 of 4)") == 2
    succeed(capsys, *options, "--resume")
    for command in (["bank", "show", tmp_path / "run"], ["stylize", "--bank", tmp_path / "run", "--list"]):
        assert "unfinished" not in succeed(capsys, *command)


def test_every_mistake_in_a_configuration_is_named(
    arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--out", tmp_path / "run", "--set", "train.stepz=3", "train.lr=-1", "nonsense") == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: 3 problem(s)")
    for text in ("train.stepz", "train.lr", "nonsense"):
        assert text in error
    assert "Traceback" not in error


@pytest.mark.parametrize("name", ["a\\b", 'it\'s a "folder"', "[1, 2]", "# no comment", "yes: no", "#", "&a *b"])
def test_folders_may_have_any_name(arguments: list[object], name: str, tmp_path: Path) -> None:
    """The command line's paths never pass through YAML."""
    content = arguments[arguments.index("--content") + 1]
    styles = arguments[arguments.index("--styles") + 1]
    odd, paintings = tmp_path / name, tmp_path / f"{name} too"
    shutil.copytree(str(content), odd)
    shutil.copytree(str(styles), paintings)
    replaced = [odd if word == content else paintings if word == styles else word for word in arguments]
    assert run(*replaced, "--set", "train.steps=1", NO_PICTURES, "--out", tmp_path / "run") == 0
    data = load_config(tmp_path / "run" / "config.yaml").data
    assert (data.content, data.styles) == (odd, (paintings,))


def test_a_loss_that_is_not_finite_ends_in_one_sentence(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*arguments, "--set", NO_PICTURES, "train.checkpoint_every=1", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr("stylebank.losses.terms.total_variation", lambda images: images.mean((1, 2, 3)) * float("nan"))
        fail(capsys, *options, mentions=["Step 2: tv is not finite", "calm, storm"])
    assert load_training_state(tmp_path / "run" / "state.pt")["step"] == 2
    succeed(capsys, *options, "--resume")


# ------------------------------------------------------------------------------------------------ adding styles


def test_adding_a_style_leaves_the_bank_and_its_styles_as_they_are(
    add: Callable[..., list[object]], bank: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = files_of(bank), tmp_path / "more"
    assert str(out) in succeed(capsys, *add("sunny", "foggy"), "--out", out)
    assert files_of(bank) == before
    after = files_of(out)
    for name, content in before.items():
        assert after[name] == content or name == "bank.json"
    files = {f"styles/{name}{suffix}" for name in ("sunny", "foggy") for suffix in SUFFIXES}
    assert after.keys() - before.keys() == files

    extended = load_bank(out)
    assert extended.model.names == ["old", "older", "sunny", "foggy"]
    assert extended.manifest.licence == "CC0-1.0"
    assert extended.records["sunny"].images == 3
    picture = to_tensor(Image.open(photos / "disc.jpg"))
    old, new = Stylizer.load(bank, "cpu", "float32"), Stylizer.load(out, "cpu", "float32")
    for style in ("old", "older", "identity"):
        assert torch.equal(old.stylize(picture, style), new.stylize(picture, style))
    infer = ("stylize", "--style", "all", "--input", photos / "disc.jpg", "--output", tmp_path / "pictures")
    succeed(capsys, *infer, "--bank", out)
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 4


def test_settings_of_the_bank_are_used_again(
    add: Callable[..., list[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("stylebank.training.added_style.ADDED_STYLE_STEPS", 2)
    monkeypatch.setattr("stylebank.training.added_style.KEPT_PIXELS", 3 * 2 * 32**2 + 1)  # batches of 2 crops of 32
    options = [option for option in add("sunny") if not str(option).startswith("train.steps")]
    succeed(capsys, *options, "--out", tmp_path / "more")
    used = load_config(tmp_path / "more-run" / "config.yaml")
    assert used.train.steps == 2
    assert used.train.small_crop_steps == 1
    assert used.train.kept_batches == 3
    assert used.style_settings() == config().style_settings()
    report = json.loads((tmp_path / "more-run" / "report.json").read_text())
    assert report["steps"] == 2
    assert "loss/identity" not in report["losses"]


@pytest.mark.parametrize(("steps", "small", "warmup"), [(1, 0, 0), (40, 20, 2), (4000, 2000, 50)])
def test_an_added_style_has_small_crops_and_warm_up_in_proportion_to_its_steps(
    bank: Path, tmp_path: Path, steps: int, small: int, warmup: int
) -> None:
    paintings = paint(tmp_path / "more", "sunny")
    overrides = {"train": {"steps": steps}, "data": {"content": tmp_path}}
    request = TrainRequest(tmp_path / "out", overrides=overrides, bank=bank, add_style=[paintings])
    train = plan_of(request).config.train
    assert (train.steps, train.small_crop_steps, train.warmup_steps) == (steps, small, warmup)
    for wrong in ("many", -1, 0):
        with pytest.raises(ConfigError, match=r"train\.steps: "):
            plan_of(replace(request, overrides={"train": {"steps": wrong}, "data": {"content": tmp_path}}))


def norms_of(bank: Path) -> dict[str, float]:
    model = load_bank(bank).model
    kernels = [next(module.parameters()).detach() for module in model.filters]
    return dict(zip(model.names, (float(kernel.norm()) for kernel in kernels), strict=True))


def test_an_added_kernel_has_the_norm_of_the_bank_s_own(
    add: Callable[..., list[object]], bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = norms_of(bank)
    typical = math.sqrt(own["old"] * own["older"])
    succeed(capsys, *add("sunny", "misty"), "--out", tmp_path / "more")
    more = norms_of(tmp_path / "more")
    assert {name: more[name] for name in own} == own
    assert more["sunny"] == pytest.approx(typical, rel=1e-5)
    assert more["misty"] == pytest.approx(typical, rel=1e-5)
    succeed(capsys, *add("old"), "--start", "own", "--out", tmp_path / "on")
    assert norms_of(tmp_path / "on")["old"] == pytest.approx(own["old"], rel=1e-5)
    succeed(capsys, *add("sunny"), "train.fixed_norm=false", "--out", tmp_path / "free")
    assert norms_of(tmp_path / "free")["sunny"] != pytest.approx(typical, rel=1e-2)


@pytest.mark.parametrize(("optimizer", "step"), [("muon", 0.2), ("adam", 1.0)])
def test_a_step_changes_an_added_kernel_by_a_twentieth(bank: Path, tmp_path: Path, optimizer: str, step: float) -> None:
    for file in (bank / "styles").glob("*.json"):
        record = json.loads(file.read_text())
        record["settings"]["train"] |= {"optimizer": optimizer}
        file.write_text(json.dumps(record))
    request = TrainRequest(tmp_path / "out", overrides={"data": {"content": tmp_path}}, bank=bank)
    train = plan_of(replace(request, add_style=[paint(tmp_path / "more", "sunny")])).config.train
    kernel = next(load_bank(bank).model.filters[0].parameters())
    root_mean_square = math.prod(norms_of(bank).values()) ** 0.5 / math.sqrt(kernel.numel())
    assert train.fixed_norm
    assert train.lr * step == pytest.approx(0.05 * root_mean_square, rel=0.05)


def test_where_norms_cannot_be_fixed(
    add: Callable[..., list[object]], bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    succeed(capsys, "bank", "remove", bank, "old", "older", "--out", tmp_path / "none")
    # No style tells how large its pictures and crops were.
    sizes = ("data.style_size=32", "data.content_size=40", "train.crop_size=32", "train.batch_size=2")
    wanted = [*add("sunny", to=tmp_path / "none"), *sizes]
    fail(capsys, *wanted, "train.fixed_norm=true", "--out", tmp_path / "more", mentions=["no style", "fixed_norm"])
    succeed(capsys, *wanted, "--out", tmp_path / "more")
    assert not load_config(tmp_path / "more-run" / "config.yaml").train.fixed_norm


def test_without_a_predictor_styles_begin_near_the_identity(bank: Path, tmp_path: Path) -> None:
    sunny, data = paint(tmp_path / "more", "sunny"), {"content": tmp_path}
    request = TrainRequest(tmp_path / "out", overrides={"data": data}, bank=bank, add_style=[sunny])
    assert plan_of(request).start == "identity"
    with_predictor(bank, tmp_path / "predicting")
    request = replace(request, bank=tmp_path / "predicting")
    assert plan_of(request).start == "predicted"
    other = {"data": data, "loss": {"network": "vgg16"}}  # of which the predictor has seen nothing
    assert plan_of(replace(request, overrides=other)).start == "identity"
    assert plan_of(replace(request, start="identity")).start == "identity"
    file = write_vgg(tmp_path / "vgg16.safetensors", "vgg16")  # takes the place of what the bank says
    assert plan_of(replace(request, loss_weights=file)).start == "identity"


def test_a_style_is_added_in_small_batches_to_a_bank_that_was_trained_in_large_ones(bank: Path, tmp_path: Path) -> None:
    large = Path(shutil.copytree(bank, tmp_path / "large"))
    for file in (large / "styles").glob("*.json"):
        record = json.loads(file.read_text())
        record["settings"]["train"] |= {"batch_size": 16, "crop_size": 256}
        file.write_text(json.dumps(record))
    request = TrainRequest(tmp_path / "out", overrides={"data": {"content": tmp_path}}, bank=large)
    train = plan_of(replace(request, add_style=[paint(tmp_path / "more", "sunny")])).config.train
    assert (train.batch_size, train.crop_size) == (2, 192)
    assert train.kept_batches == 1000 * 128**2 // (2 * 192**2)


def test_a_run_that_adds_styles_has_the_bank_s_network_in_its_configuration(
    add: Callable[..., list[object]], bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = load_bank(bank).manifest.architecture
    other = config_file(tmp_path / "other.yaml", "model.norm=instance", "bank.kernel_size=1")
    assert form.model.norm != "instance"
    succeed(capsys, *add("sunny"), "--config", other, "--out", tmp_path / "more")
    used = load_config(tmp_path / "more-run" / "config.yaml")
    assert (used.model, used.bank) == (form.model, form.bank)
    wrong = [*add("sunny"), "model.norm=instance", "--out", tmp_path / "wrong"]
    fail(capsys, *wrong, mentions=["model.norm is", str(bank), "leave it out"])
    assert not (tmp_path / "wrong").exists()
    succeed(capsys, *add("sunny"), f"model.norm={form.model.norm}", "--out", tmp_path / "same")


def test_added_styles_can_be_named(
    add: Callable[..., list[object]], bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(capsys, *add("old"), "--out", tmp_path / "more", mentions=["already has old", "--name"])
    fail(capsys, *add("old"), "--name", "a", "b", "--out", tmp_path / "more", mentions=["2 name(s) for 1 style(s)"])
    fail(capsys, *add("old"), "--name", "../x", "--out", tmp_path / "more", mentions=["'../x'"])
    fail(capsys, *add("old"), "--name", "all", "--out", tmp_path / "more", mentions=["'all'"])
    fail(capsys, *add("sunny"), "--name", "older", "--out", tmp_path / "more", mentions=["already has older"])
    fail(capsys, *add("old", "sunny"), "--name", "same", "same", "--out", tmp_path / "more", mentions=["same"])
    assert not (tmp_path / "more").exists()
    assert not (tmp_path / "more-run").exists()
    succeed(capsys, *add("old", steps=1), "--name", "newer", "--out", tmp_path / "more")
    assert load_bank(tmp_path / "more").model.names == ["old", "older", "newer"]


def test_a_style_s_own_filter_can_be_trained_on(
    add: Callable[..., list[object]], bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_bank(bank)
    succeed(capsys, *add("old"), "train.lr=1e-6", "--start", "own", "--out", tmp_path / "more")
    after, was, now = load_bank(tmp_path / "more"), files_of(bank), files_of(tmp_path / "more")
    assert after.model.names == before.model.names  # in their order, though it was not the last
    assert {str(file) for file in was if was[file] != now[file]} == {"styles/old.json", "styles/old.safetensors"}
    pairs = zip(before.model.filters[0].parameters(), after.model.filters[0].parameters(), strict=True)
    assert 0 < max(float((a - b).detach().abs().max()) for a, b in pairs) < 1e-3
    old, new = before.records["old"], after.records["old"]
    assert new.title == (old.title or "Old")
    assert new.images == old.images + 3 * 2  # steps, of two crops
    file = tmp_path / "more" / "styles" / "older.json"  # not the first one
    record = json.loads(file.read_text())
    record["settings"]["loss"] |= {"strengths": {"older": 1.5}}
    file.write_text(json.dumps(record))
    succeed(capsys, *add("older", to=tmp_path / "more"), "--start", "own", "--out", tmp_path / "again")
    assert load_config(tmp_path / "again-run" / "config.yaml").loss.strengths == {"older": 1.5}
    unknown = [*add("old", "sunny"), "--start", "own", "--out", tmp_path / "none"]
    fail(capsys, *unknown, mentions=["no style 'sunny'", "old, older"])
    assert not (tmp_path / "none").exists()


def test_a_filter_that_is_trained_on_can_be_stopped_and_resumed(
    add: Callable[..., list[object]],
    bank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [*add("old", steps=5), "--start", "own"]
    succeed(capsys, *options, "--out", tmp_path / "straight")
    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        signal_at(patch, 2, signal.SIGTERM)
        assert "--resume" in succeed(capsys, *options, "--out", stopped)
    weights = options[options.index("--loss-weights") :][:2]
    succeed(capsys, "train", "--resume", "--out", stopped, *weights)
    assert files_of(tmp_path / "straight") == files_of(stopped)
    (tmp_path / "stopped-run" / "state.pt").unlink()
    shutil.rmtree(stopped)  # as if it had been killed before its first checkpoint
    assert plan_of(TrainRequest(stopped, resume=True)).start == "own"
    succeed(capsys, *options, "--in-place")
    assert files_of(tmp_path / "straight") == files_of(bank)


def test_a_run_that_another_process_trains_is_left_alone(
    finished: Path, random_vgg_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    command = ("train", "--resume", "--out", run, "--loss-weights", random_vgg_weights)
    reader, writer = os.pipe()
    with in_use(run, "training", "wait for it", "on this machine"):
        child = os.fork()
        if not child:  # as one that decodes photographs, which lives on when its run is killed
            os.read(reader, 1)
            os._exit(0)
        before = files_of(run)
        fail(capsys, *command, mentions=[f"'{run}' is in use by another training", f"process {os.getpid()}", "--out"])
        assert files_of(run) == before
    try:
        assert "Done" in succeed(capsys, *command)
    finally:
        os.write(writer, b".")
        os.waitpid(child, 0)
    assert not (run / LOCK).exists()


def test_a_bank_is_never_written_over_by_accident(
    add: Callable[..., list[object]], bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, taken = files_of(bank), write_bank(tmp_path / "taken", "mine")
    fail(capsys, *add("sunny"), "--out", taken, mentions=[taken, "exists"])
    fail(capsys, *add("sunny"), "--out", bank, mentions=[bank, "--in-place"])
    fail(capsys, *add("sunny"), "--out", tmp_path / "more", "--in-place", mentions=["--in-place"])
    assert files_of(bank) == before
    assert load_bank(taken).model.names == ["mine"]


def test_an_added_style_can_be_stopped_and_resumed(
    add: Callable[..., list[object]],
    bank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = add("sunny", steps=5)
    succeed(capsys, *options, "--name", "bright", "--out", tmp_path / "straight")
    with monkeypatch.context() as patch:
        signal_at(patch, 2, signal.SIGTERM)
        assert "--resume" in succeed(capsys, *options, "--name", "bright", "--out", tmp_path / "stopped")
    assert load_bank(tmp_path / "stopped").model.names == ["old", "older", "bright"]
    weights = options[options.index("--loss-weights") :][:2]
    succeed(capsys, "train", "--resume", "--out", tmp_path / "stopped", *weights)  # all else is known
    assert_same_state(tmp_path / "straight-run", tmp_path / "stopped-run")
    assert files_of(tmp_path / "straight") == files_of(tmp_path / "stopped")
    assert "Done" in succeed(capsys, *options, "--out", tmp_path / "stopped", "--resume")
    assert files_of(tmp_path / "straight") == files_of(tmp_path / "stopped")


def test_in_place_replaces_the_bank_when_all_is_done(
    add: Callable[..., list[object]],
    bank: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (bank / "README.md").write_text("mine")
    before = files_of(bank)
    options = [*add("sunny", steps=4), "train.checkpoint_every=1", "--in-place"]
    with monkeypatch.context() as patch:
        signal_at(patch, 2)
        succeed(capsys, *options)
    assert files_of(bank) == before  # half a style is no style
    for _ in range(2):  # going on, and once more when nothing is left to do
        assert str(bank) in succeed(capsys, *options, "--resume")
        after = files_of(bank)
        assert load_bank(bank).model.names == ["old", "older", "sunny"]
        assert all(after[name] == content for name, content in before.items() if name != "bank.json")
    assert files_of(tmp_path / "bank-run" / "original") == before
    succeed(capsys, *add("foggy"), "--in-place")
    assert load_bank(bank).model.names == ["old", "older", "sunny", "foggy"]
    assert after.items() - files_of(bank).items() == {("bank.json", after["bank.json"])}


def test_a_style_can_be_added_to_a_packed_bank(
    add: Callable[..., list[object]], bank: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, out = tmp_path / "packed", tmp_path / "more"
    succeed(capsys, "bank", "pack", bank, "--out", packed)
    succeed(capsys, *add("sunny", to=packed), "--out", out)
    before, after = files_of(packed), files_of(out)
    assert all(after[name] == content for name, content in before.items() if name != "bank.json")
    assert {value.dtype for value in load_file(out / "styles" / "old.safetensors").values()} == {torch.float16}
    infer = ("stylize", "--bank", out, "--style", "old", "sunny", "--input", photos / "disc.jpg")
    succeed(capsys, *infer, "--output", tmp_path / "pictures")
    first, second = (pixels(tmp_path / "pictures" / style / "disc.png") for style in ("old", "sunny"))
    assert (first != second).any()


def test_a_style_is_added_to_the_bank_of_a_run(
    add: Callable[..., list[object]], finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(finished)
    succeed(capsys, *add("sunny", to=finished), "--out", tmp_path / "more")
    assert files_of(finished) == before
    assert load_bank(tmp_path / "more").model.names == [*STYLES, "sunny"]


def test_two_runs_with_like_names_are_not_confused(
    straight: Path, arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`a-run` is where the run of a bank `a` would lie; here both are runs of their own."""
    for name in ("a", "a-run"):
        shutil.copytree(straight, tmp_path / name)
    other = files_of(tmp_path / "a-run")
    weights = arguments[-2:]
    succeed(capsys, "train", "--resume", "--out", tmp_path / "a", *weights, "--set", "train.steps=9")
    assert load_training_state(tmp_path / "a" / "state.pt")["step"] == 9
    assert files_of(tmp_path / "a-run") == other


# ------------------------------------------------------------------------------------------------- the real thing


@pytest.mark.real_weights
def test_a_short_training_brings_unseen_photographs_closer_to_the_paintings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from skimage import data

    content = tmp_path / "content"
    content.mkdir()
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        picture = Image.fromarray(getattr(data, name)()).convert("RGB")
        for i, left in enumerate((0, picture.width // 3)):
            tile = picture.crop((left, 0, left + picture.width * 2 // 3, picture.height))
            tile.resize((160, 128)).save(content / f"{name}{i}.png")
    samples = ROOT / "data" / "samples" / "styles"
    file = config_file(
        tmp_path / "short.yaml",
        "model.channels=[16, 32, 64]",
        "loss.content_layers=[relu4_2]",
        "loss.style_layers=[relu1_2, relu2_2, relu3_2, relu4_2]",
        "loss.content_weight=0.2",
        "data.style_size=128",
        "data.content_size=112",
        "data.held_out=2",
        "train.crop_size=64",
        "train.batch_size=2",
        "train.lr=0.005",
        "train.warmup_steps=5",
        "train.identity_pretrain_steps=10",
        "train.log_every=20",
        "train.preview_every=1000",
        "train.checkpoint_every=1000",
        "train.precision=auto",
    )
    options: list[object] = ["train", "--config", file, "--content", content]
    options += ["--styles", samples / "petals.jpg", samples / "swirls.jpg"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 96)
        reports = {}
        for steps in (1, 80):
            out = tmp_path / str(steps)
            succeed(capsys, *options, "--out", out, "--set", f"train.steps={steps}")
            reports[steps] = json.loads((out / "report.json").read_text())["metrics"]
    untrained, trained = reports[1], reports[80]
    assert trained["identity_psnr"] > untrained["identity_psnr"] + 2
    for style in ("petals", "swirls"):
        before, after = (metrics["styles"][style]["style_gap_closed"] for metrics in (untrained, trained))
        assert after > 0.15  # from the photograph (0) to the painting (1)
        assert after > before + 0.1, (before, after)
        assert trained["styles"][style]["style_accuracy"] == 1
