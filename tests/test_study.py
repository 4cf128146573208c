"""`stylebank study`: the grid, what a study leaves behind, going on with it, and runs that fail."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import assert_same_state, config_file, fail, files_of, paint, pixels, run, signal_at, succeed

from stylebank.config_files import load_config, parse_overrides
from stylebank.errors import ConfigError, TrainingError
from stylebank.images.contact_sheet import CAPTION, GAP
from stylebank.sweeps import make_grid
from stylebank.sweeps.picture import CELL
from stylebank.training.trainer import Trainer

VARY = ("train.steps_per_cycle=1,2", "bank.kernel_size=3")
NAMES = ["steps_per_cycle=1,kernel_size=3,seed=0", "steps_per_cycle=2,kernel_size=3,seed=0"]
STEPS = 5


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory, _photos: Path, random_vgg_weights: Path) -> list[object]:
    """A study in arguments, but for --vary and --out."""
    place = tmp_path_factory.mktemp("study")
    file = config_file(place / "tiny.yaml", f"train.steps={STEPS}", "train.checkpoint_every=2")
    styles = paint(place / "styles", "calm", "storm")
    return ["study", "--config", file, "--content", _photos, "--styles", styles, "--loss-weights", random_vgg_weights]


@pytest.fixture(scope="module", autouse=True)
def small_measurements() -> Iterator[None]:
    """Held-out photographs at 32 pixels instead of 256: seconds less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
        patch.setattr("stylebank.sweeps.picture.MEASURE_SIDE", 32)
        yield


@pytest.fixture(scope="module")
def _study(tmp_path_factory: pytest.TempPathFactory, arguments: list[object]) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "study"
    assert run(*arguments, "--vary", *VARY, "--out", folder) == 0
    return folder


@pytest.fixture
def study(_study: Path, tmp_path: Path) -> Path:
    """A study of two runs that is done; a copy, so that a test may go on with it."""
    return Path(shutil.copytree(_study, tmp_path / "study"))


def table_of(folder: Path, heading: str = "# Study") -> list[dict[str, str]]:
    """The rows of a section's table, by column."""
    section = (folder / "study.md").read_text().split(heading, 1)[1]
    lines = [line for line in section.split("\n#")[0].splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def states_of(folder: Path) -> dict[str, str]:
    return {entry["name"]: entry["state"] for entry in json.loads((folder / "study.json").read_text())["runs"]}


def fail_in(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    """Makes the run of that name fail at its first step."""
    fit = Trainer.fit

    def _fit(self: Trainer) -> bool:
        if self.run.folder.path.name == name:
            raise error
        return fit(self)

    monkeypatch.setattr(Trainer, "fit", _fit)


# ---------------------------------------------------------------------------------------------------- the grid


def test_the_grid_is_every_combination_with_the_last_key_fastest() -> None:
    cells = make_grid(
        None, parse_overrides(["train.steps=9"]), ["train.steps_per_cycle=1,2", "bank.depth=1, 3"], [4, 5]
    )
    keys = ["train.steps_per_cycle", "bank.depth", "train.seed"]
    assert [list(cell.values) for cell in cells] == [keys] * 8
    expected = [(t, depth, seed) for t in (1, 2) for depth in (1, 3) for seed in (4, 5)]
    assert [tuple(cell.values.values()) for cell in cells] == expected
    for cell, (t, depth, seed) in zip(cells, expected, strict=True):
        overrides = ["train.steps=9", f"train.steps_per_cycle={t}", f"bank.depth={depth}", f"train.seed={seed}"]
        assert cell.config == load_config(None, parse_overrides(overrides))


@given(st.permutations(["train.lr=1e-3,0.1", "model.norm=none,pixel", "bank.norm=none,pixel", "data.flip=true,false"]))
def test_every_run_has_a_name_of_its_own(vary: list[str]) -> None:
    cells = make_grid(None, {}, vary, [0, 1])
    assert len({cell.name for cell in cells}) == 32
    assert all("model.norm=" in cell.name and "bank.norm=" in cell.name for cell in cells)


def test_values_may_be_lists_and_texts_with_commas() -> None:
    cells = make_grid(None, {}, ["data.scale=[0.6, 1],[1, 1]", "loss.style_layers=[relu1_2],[relu1_2, relu2_2]"])
    scales, layers = ([cell.values[key] for cell in cells] for key in ("data.scale", "loss.style_layers"))
    assert scales == [[0.6, 1.0]] * 2 + [[1.0, 1.0]] * 2
    assert layers == [["relu1_2"], ["relu1_2", "relu2_2"]] * 2
    (cell,) = make_grid(None, {}, ["data.content='a, b/c'"])
    assert cell.config.data.content == Path("a, b/c")
    assert "/" not in cell.name


def test_the_same_value_written_twice_is_one_run() -> None:
    (cell,) = make_grid(None, {}, ["train.lr=0.001,1e-3,1.0e-3"])
    assert cell.config.train.lr == 0.001


def test_what_does_not_vary_is_the_base() -> None:
    one, other = make_grid(None, {}, ["train.lr=0.1,0.2"])
    assert one.base == other.base
    assert "lr" not in one.base["train"]
    assert "seed" not in one.base["train"]


def test_all_refused_combinations_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        make_grid(None, {}, ["bank.kernel_size=3,4", "bank.depth=1,9,2", "train.stesp=1"])
    first, *lines = str(caught.value).split("\n")
    assert "cannot be trained" in first
    assert [line.strip().split(":")[0] for line in lines] == ["train.stesp", "bank.depth", "bank.kernel_size"]
    assert "and 5 more" in lines[0]
    assert "bank.kernel_size=3 bank.depth=9" in lines[1]


@pytest.mark.parametrize(
    "text", ["", "train.lr", "train.lr=", "lr=1", "=1", "a.b.c=1", "train.lr= ,1", "train.lr=0.1, "]
)
def test_keys_and_values_of_the_wrong_form_are_quoted(text: str) -> None:
    with refused(ConfigError, f"--vary {text}", "section.key=value"):
        make_grid(None, {}, [text])


def test_values_that_are_no_yaml_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--vary train\.lr=\[: the value is not valid YAML"):
        make_grid(None, {}, ["train.lr=["])


def test_a_key_is_given_once() -> None:
    with refused(ConfigError, "train.lr", "twice"):
        make_grid(None, {}, ["train.lr=0.1", "train.lr=0.2"])
    with refused(ConfigError, "train.seed", "--seeds"):
        make_grid(None, {}, ["train.seed=1,2"], [3])


# ------------------------------------------------------------------------------------------- what a study leaves


def test_its_table_has_the_numbers_of_every_run(study: Path) -> None:
    rows = table_of(study)
    assert [(row["steps_per_cycle"], row["kernel_size"], row["seed"]) for row in rows] == [
        ("1", "3", "0"),
        ("2", "3", "0"),
    ]
    for name, row in zip(NAMES, rows, strict=True):
        report = json.loads((study / "runs" / name / "report.json").read_text())
        styles = report["metrics"]["styles"].values()
        gaps = [style["style_gap_closed"] for style in styles]
        shown = {key: text.strip("*") for key, text in row.items()}
        assert shown["identity PSNR, dB"] == f"{report['metrics']['identity_psnr']:.1f}"
        assert shown["style gap closed, mean"] == f"{sum(gaps) / 2:.3f}"
        assert shown["style gap closed, lowest style"] == f"{min(gaps):.3f}"
        assert shown["content distance"] == f"{sum(style['content_distance'] for style in styles) / 2:.3f}"
        assert shown["seconds"] == f"{report['seconds']:.0f}"


def test_the_best_value_of_a_column_is_bold(study: Path) -> None:
    entries = json.loads((study / "study.json").read_text())["runs"]
    distances = [sum(style["content_distance"] for style in entry["metrics"]["styles"].values()) for entry in entries]
    psnrs = [entry["metrics"]["identity_psnr"] for entry in entries]
    assert len(set(distances)) == len(set(psnrs)) == 2
    rows = table_of(study)
    assert [row["content distance"].startswith("**") for row in rows] == [d == min(distances) for d in distances]
    assert [row["identity PSNR, dB"].startswith("**") for row in rows] == [p == max(psnrs) for p in psnrs]
    assert not any(row["seconds"].startswith("**") for row in rows)


def test_its_numbers_are_there_for_spreadsheets(study: Path) -> None:
    with (study / "study.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    entries = json.loads((study / "study.json").read_text())["runs"]
    assert [row["run"] for row in rows] == NAMES
    for row, entry in zip(rows, entries, strict=True):
        assert float(row["identity_psnr"]) == entry["metrics"]["identity_psnr"]
        assert row["train.steps_per_cycle"] == str(entry["values"]["train.steps_per_cycle"])


def test_its_file_says_what_varied_and_what_did_not(study: Path) -> None:
    file = json.loads((study / "study.json").read_text())
    assert file["keys"] == ["train.steps_per_cycle", "bank.kernel_size", "train.seed"]
    assert file["base"]["train"]["steps"] == STEPS
    assert [entry["name"] for entry in file["runs"]] == NAMES
    for entry in file["runs"]:
        config = load_config(study / "runs" / entry["name"] / "config.yaml")
        assert config.train.steps_per_cycle == entry["values"]["train.steps_per_cycle"]
        assert (entry["state"], entry["steps"]) == ("done", STEPS)


def test_its_picture_has_a_row_per_run(study: Path) -> None:
    width, height = CELL
    columns = 1 + 2 + 2  # what was varied; photograph and reconstruction; two styles
    assert pixels(study / "grid.jpg").shape == (CAPTION + GAP + 2 * (height + GAP), GAP + columns * (width + GAP), 3)


def test_its_log_has_the_hyperparameters_of_every_run(study: Path) -> None:
    assert sorted(path.name for path in (study / "tensorboard").iterdir()) == NAMES
    for entry in json.loads((study / "study.json").read_text())["runs"]:
        log = EventAccumulator(str(study / "tensorboard" / entry["name"]))
        log.Reload()
        start = log.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        assert b"train.steps_per_cycle" in start
        (psnr,) = log.Scalars("study/identity_psnr")
        assert psnr.value == pytest.approx(entry["metrics"]["identity_psnr"])


def test_several_seeds_give_a_second_table(
    arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    succeed(capsys, *arguments, "--seeds", 0, 1, "--out", tmp_path / "study")
    values = [float(row["identity PSNR, dB"].strip("*")) for row in table_of(tmp_path / "study")]
    (row,) = table_of(tmp_path / "study", "## Over seeds")
    assert row["seeds"] == "2"
    mean, spread = row["identity PSNR, dB"].split(" ", 1)
    assert float(mean) == pytest.approx(sum(values) / 2, abs=0.11)
    assert spread == f"({min(values):.1f} to {max(values):.1f})"


# ---------------------------------------------------------------------------------------------------- going on


def test_what_is_done_is_not_done_again(
    study: Path, arguments: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def _fit(self: Trainer) -> bool:
        raise AssertionError("trained again")

    monkeypatch.setattr(Trainer, "fit", _fit)
    before = files_of(study)
    assert "2 of them done already" in succeed(capsys, *arguments, "--vary", *VARY, "--out", study)
    assert files_of(study) == before


def test_a_stopped_study_goes_on_where_it_was(
    study: Path,
    arguments: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything = [*arguments, "--vary", *VARY, "--out", tmp_path / "again"]
    with monkeypatch.context() as patch:
        signal_at(patch, 2)
        assert "Stopped; the same command goes on" in succeed(capsys, *everything)
    assert states_of(tmp_path / "again") == dict(zip(NAMES, ["stopped", "waiting"], strict=True))
    unfinished = table_of(tmp_path / "again")
    assert [row["identity PSNR, dB"] for row in unfinished] == ["stopped after step 3", "waiting"]
    succeed(capsys, *everything)
    assert set(states_of(tmp_path / "again").values()) == {"done"}
    for name in NAMES:
        assert_same_state(study / "runs" / name, tmp_path / "again" / "runs" / name)


def test_a_run_killed_before_it_was_measured_is_measured(
    study: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    report = study / "runs" / NAMES[0] / "report.json"
    whole = json.loads(report.read_text())
    report.write_text(json.dumps({**whole, "metrics": {}}))
    shutil.rmtree(study / "tensorboard" / NAMES[0])
    shutil.rmtree(study / "tensorboard" / NAMES[1])
    assert "1 of them done already" in succeed(capsys, *arguments, "--vary", *VARY, "--out", study)
    assert json.loads(report.read_text())["metrics"] == whole["metrics"]
    assert sorted(path.name for path in (study / "tensorboard").iterdir()) == NAMES


def test_other_values_of_the_same_keys_are_added(
    study: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--vary", "train.steps_per_cycle=1", "bank.kernel_size=1", "--out", study]
    assert "1 of 1 runs" in succeed(capsys, *arguments, *more)
    rows = table_of(study)
    assert [(row["steps_per_cycle"], row["kernel_size"]) for row in rows] == [("1", "1"), ("1", "3"), ("2", "3")]
    assert all(row["seconds"] for row in rows)


def test_a_study_of_a_version_with_fewer_keys_goes_on(
    study: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    file = json.loads((study / "study.json").read_text())
    del file["base"]["data"]["flip"]
    (study / "study.json").write_text(json.dumps(file))
    assert "2 of them done already" in succeed(capsys, *arguments, "--vary", *VARY, "--out", study)


def test_another_study_is_not_mixed_in(
    study: Path, arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(study)
    fail(capsys, *arguments, "--vary", "train.lr=0.1", "--out", study, mentions=(study, "bank.kernel_size", "train.lr"))
    other = [*arguments, "--vary", *VARY, "--set", "train.batch_size=3", "--out", study]
    fail(capsys, *other, mentions=(study, "train.batch_size is 2 there and 3 here"))
    assert files_of(study) == before
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("precious")
    fail(capsys, *arguments, "--vary", *VARY, "--out", tmp_path / "notes", mentions=("notes", "no study"))
    (study / "study.json").write_text("{")
    fail(capsys, *arguments, "--vary", *VARY, "--out", study, mentions=(study / "study.json", "damaged"))


# ----------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TrainingError("Step 3: style is not finite."), "Step 3: style is not finite."),
        (RuntimeError("shape mismatch\n  in a kernel"), "RuntimeError: shape mismatch in a kernel"),
        (MemoryError(), "MemoryError: no more is known."),
    ],
)
def test_a_failed_run_does_not_stop_the_rest(
    arguments: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    reason: str,
) -> None:
    everything = [*arguments, "--vary", *VARY, "--out", tmp_path / "study"]
    with monkeypatch.context() as patch:
        fail_in(patch, NAMES[0], error)
        assert run(*everything) == 1
    captured = capsys.readouterr()
    assert f"Failed: {reason}" in captured.out
    assert "1 failed" in captured.err
    assert states_of(tmp_path / "study") == dict(zip(NAMES, ["failed", "done"], strict=True))
    assert table_of(tmp_path / "study")[0]["identity PSNR, dB"] == "failed"
    assert f"- `{NAMES[0]}`: {reason}" in (tmp_path / "study" / "study.md").read_text()
    succeed(capsys, *everything)  # tries it again
    assert set(states_of(tmp_path / "study").values()) == {"done"}
    assert "Failed" not in (tmp_path / "study" / "study.md").read_text()


@pytest.mark.parametrize(
    ("more", "mentions"),
    [
        (["--vary", "data.styles=[nowhere.png]"], ["nowhere.png"]),
        (["--vary", "loss.style_layers=[relu1_2],[relu9_9]"], ["relu9_9"]),
        (["--vary", "data.held_out=1,0"], ["data.held_out"]),
        (["--vary", "data.min_side=16,500"], ["no photograph to train on"]),
        (["--vary", "train.lr=0.1", "--loss-weights", "nowhere.pth"], ["nowhere.pth"]),
        (["--vary", "train.lr=0.1", "--photograph", "nowhere.jpg"], ["nowhere.jpg"]),
        (["--vary", "train.lr=0.1", "--device", "abacus"], ["abacus"]),
        ([], ["--vary"]),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(
    arguments: list[object], more: list[Any], mentions: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(capsys, *arguments, *more, "--out", tmp_path / "study", mentions=mentions)
    assert not (tmp_path / "study").exists()


def test_a_refused_combination_is_said_before_anything_runs(
    arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--vary", "bank.depth=1,9", "--out", tmp_path / "study") == 1
    error = capsys.readouterr().err
    assert "bank.depth=9" in error
    assert "Traceback" not in error
    assert not (tmp_path / "study").exists()


def test_a_signal_between_steps_ends_well(
    arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = [*arguments, "--vary", *VARY, "--out", tmp_path / "study"]
    with monkeypatch.context() as patch:
        patch.setattr("stylebank.training.run.measure", lambda run: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit) as caught:
            run(*everything)
    assert caught.value.code == 0
    assert "the same command goes on" in capsys.readouterr().err
    succeed(capsys, *everything)
    assert set(states_of(tmp_path / "study").values()) == {"done"}
