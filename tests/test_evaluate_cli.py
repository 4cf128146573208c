"""`stylebank evaluate` on tiny banks and on folders of outputs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny import fail, files_of, paint, pixels, run, succeed, write_bank

from stylebank.cli import main
from stylebank.evaluation import evaluation, lbfgs_baseline
from stylebank.inference.stylizer import Stylizer

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def inputs(tmp_path: Path, photos: Path, random_vgg_weights: Path) -> list[object]:
    """Arguments for two photographs and two styles."""
    write_bank(tmp_path / "bank", "calm", "storm")
    paint(tmp_path / "paintings", "calm", "storm")
    content = [photos / "disc.jpg", photos / "waves.jpg"]
    arguments = ["--content", *content, "--styles", tmp_path / "paintings", "--loss-weights", random_vgg_weights]
    return [*arguments, "--precision", "float32", "--device", "cpu"]


@pytest.fixture(autouse=True)
def _quick_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done with plain cards takes long and is tested by itself."""
    row = {"card_style_gap_closed": 0.4321, "halo": 1.23}
    monkeypatch.setattr(evaluation, "measure_cards", lambda painter, style: row)


def report_of(folder: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    report: dict[str, Any] = json.loads((folder / "report.json").read_text(), parse_constant=refuse)
    return report


def evaluate(capsys: Capture, tmp_path: Path, inputs: list[object], *more: object) -> dict[str, Any]:
    """Evaluates the bank at 48 px and returns the report."""
    bank = ["--bank", tmp_path / "bank", "--sizes", 48, "--out", tmp_path / "out"]
    succeed(capsys, "evaluate", *inputs, *bank, "--iterations", 2, 5, *more)
    return report_of(tmp_path / "out")


# ------------------------------------------------------------------------------------------------ whole reports


def test_a_bank_is_measured_beside_its_baselines(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    report = evaluate(capsys, tmp_path, inputs)
    kinds = report["means"]["48"]["calm"]
    assert set(kinds) == {"output", "photograph", "painting", "L-BFGS 2", "L-BFGS 5"}
    assert all(row["photographs"] == 2 for row in kinds.values())
    assert kinds["photograph"]["style_gap_closed"] == pytest.approx(0, abs=1e-4)
    assert kinds["L-BFGS 5"]["objective"] < kinds["L-BFGS 2"]["objective"] < kinds["photograph"]["objective"]
    assert kinds["output"]["seconds"] > 0
    assert report["identity"]["48"]["psnr"] > 0
    assert report["about"]["styles"]["calm"]["style_size"] == 32  # as in the style's record
    pairs = {style: senses["objective"]["pairs"] for style, senses in report["equivalent_iterations"]["48"].items()}
    assert pairs == {"calm": 2, "storm": 2, "all": 4}
    assert all(senses["objective"]["limit"] == 5 for senses in report["equivalent_iterations"]["48"].values())
    assert {style: ratio["pairs"] for style, ratio in report["content_ratio"]["48"].items()} == pairs
    both = [report["means"]["48"][style]["output"]["style_gap_closed"] for style in ("calm", "storm")]
    assert report["means"]["48"]["all"]["output"]["style_gap_closed"] == pytest.approx(sum(both) / 2)
    pair = report["pairs"][0]
    assert (pair["photograph"], pair["style"]) == ("disc.jpg", "calm")
    assert [point["iteration"] for point in pair["course"]] == [0, 1, 2, 3, 4, 5]


def test_the_report_has_every_table_and_a_figure(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    evaluate(capsys, tmp_path, inputs)
    text = (tmp_path / "out" / "report.md").read_text()
    for wanted in ("# Evaluation of bank", "iterations to the same objective", "| calm | **bank** | 2 |", "L-BFGS 5"):
        assert wanted in text
    assert "| **all** | **bank** | 4 |" in text
    assert "LPIPS is left out" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.count("|") for line in tables}
    assert all(line.endswith("|") for line in tables)
    assert len(widths) == 4  # equivalent iterations, identity, cards, measures: every row as wide as its head
    assert "| calm | 0.432 | 1.23 |" in text
    assert min(pixels(tmp_path / "out" / "figure.png").shape[:2]) > 300


@pytest.mark.parametrize("option", ["--no-optimization", "--no-optimisation"])
def test_the_optimisation_can_be_left_out(option: str, tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    report = evaluate(capsys, tmp_path, inputs, option)
    assert not report["equivalent_iterations"]
    assert set(report["means"]["48"]["calm"]) == {"output", "photograph", "painting"}
    assert set(files_of(tmp_path / "out")) == {"report.md", "report.json", "outputs.csv", "means.csv"}
    with (tmp_path / "out" / "means.csv").open(newline="") as file:
        means = {(row["style"], row["picture"]): row for row in csv.DictReader(file)}
    expected = report["means"]["48"]["calm"]["output"]["style_gap_closed"]
    assert float(means["calm", "output"]["style_gap_closed"]) == expected
    with (tmp_path / "out" / "outputs.csv").open(newline="") as file:
        outputs = [float(row["style_gap_closed"]) for row in csv.DictReader(file) if row["style"] == "calm"]
    assert len(outputs) == 2
    assert sum(outputs) / 2 == pytest.approx(expected)


def test_part_of_the_pairs_can_be_optimised_and_few_of_them_long(
    tmp_path: Path, inputs: list[object], capsys: Capture
) -> None:
    report = evaluate(capsys, tmp_path, inputs, "--pairs-per-photograph", 1, "--long-pairs", 1)
    lengths = {
        (pair["photograph"], pair["style"]): pair["course"][-1]["iteration"]
        for pair in report["pairs"]
        if pair["course"]
    }
    assert lengths == {("disc.jpg", "calm"): 5, ("waves.jpg", "storm"): 2}
    assert "L-BFGS 5" not in report["means"]["48"]["storm"]


def test_every_size_has_its_own_number_of_photographs(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    report = evaluate(capsys, tmp_path, inputs, "--sizes", "48:1", "64", "--no-optimization")
    counts = {size: styles["calm"]["output"]["photographs"] for size, styles in report["means"].items()}
    assert counts == {"48": 1, "64": 2}


# ------------------------------------------------------------------------------------------------ other outputs


def test_outputs_of_any_program_are_measured_like_a_banks(
    tmp_path: Path, inputs: list[object], photos: Path, capsys: Capture
) -> None:
    stylizer = Stylizer.load(tmp_path / "bank", "cpu", "float32")
    for name in ("disc", "waves"):
        with Image.open(photos / f"{name}.jpg") as photo:
            for style in stylizer.styles:
                target = tmp_path / "outputs" / style / f"{name}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                stylizer.stylize(photo.convert("RGB"), style).save(target)
    ways = {"--bank": tmp_path / "bank", "--outputs": tmp_path / "outputs"}
    reports = {}
    for option, folder in ways.items():
        size = ["--sizes", 80] if option == "--bank" else ["--network", "vgg19", "--style-size", 32]
        out = tmp_path / option.strip("-")
        succeed(capsys, "evaluate", option, folder, *inputs, *size, "--no-optimization", "--out", out)
        reports[option] = report_of(out)
    bank, outputs = (reports[option]["means"]["80"]["storm"]["output"] for option in ways)
    for measure in ("style_gap_closed", "content_distance", "ssim", "vif", "total_variation", "style_accuracy"):
        assert outputs[measure] == pytest.approx(bank[measure], abs=0.02)  # they were rounded to 256 levels
    assert "seconds" not in outputs
    assert not reports["--outputs"]["identity"]


def test_outputs_that_do_not_fit_are_refused(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    outputs, more = tmp_path / "outputs", ["--network", "vgg19", "--no-optimization", "--out", tmp_path / "out"]
    fail(capsys, "evaluate", "--outputs", outputs, *inputs, *more, mentions=["calm", "does not exist"])
    for style in ("calm", "storm"):
        paint(outputs / style, "disc")
    fail(capsys, "evaluate", "--outputs", outputs, *inputs, *more, mentions=["no output for waves.jpg", "waves.png"])
    for style in ("calm", "storm"):
        paint(outputs / style, "disc", "waves", size=(40, 80))
    fail(capsys, "evaluate", "--outputs", outputs, *inputs, *more, mentions=["40x80", "disc.jpg", "96x80"])
    fail(capsys, "evaluate", "--outputs", outputs, *inputs, *more, "--sizes", 64, mentions=["--sizes is for banks"])
    assert not (tmp_path / "out").exists()


def test_a_film_is_measured_frame_by_frame_and_stabilised(
    tmp_path: Path, inputs: list[object], capsys: Capture
) -> None:
    pytest.importorskip("cv2")
    frames = tmp_path / "film"
    frames.mkdir()
    with Image.open(paint(tmp_path, "scene", size=(80, 64)) / "scene.png") as scene:
        for i in range(9):  # a camera that pans over it
            scene.crop((i, 0, i + 64, 64)).save(frames / f"{i}.png")
    command = ["evaluate", "--bank", tmp_path / "bank", "--video", frames, *inputs[3:]]
    text = succeed(capsys, *command)
    assert "9 frames at 64x64" in text
    for row in ("| calm | frame by frame |", "| storm | blend |", "| storm | flow |"):
        assert row in text
    assert "8 frames at 48x48" in succeed(capsys, *command, "--limit", 8, "--sizes", 48)
    fail(capsys, *command, "--limit", 3, mentions=["more than 6 frames"])
    fail(capsys, *command, "--sizes", 48, 64, mentions=["one size"])
    fail(capsys, *command[:1], "--outputs", tmp_path, *command[3:], mentions=["--video is for banks"])


# ------------------------------------------------------------------------------------------------ going on


def test_an_interrupted_evaluation_goes_on_where_it_was(
    tmp_path: Path, inputs: list[object], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimize, done = lbfgs_baseline.minimize, []

    def third_time_unlucky(*arguments: Any, **rest: Any) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return minimize(*arguments, **rest)

    monkeypatch.setattr(lbfgs_baseline, "minimize", third_time_unlucky)
    command = ["evaluate", "--bank", tmp_path / "bank", *inputs, "--sizes", 48, "--iterations", 2]
    out = tmp_path / "out"
    assert run(*command, "--out", out) == 130
    assert not (out / "report.md").exists()
    assert len(list(out.rglob("*.json"))) == 2

    computed = []
    monkeypatch.setattr(lbfgs_baseline, "minimize", lambda *a, **k: [computed.append(1), minimize(*a, **k)][1])
    succeed(capsys, *command, "--out", out)
    assert len(computed) == 2
    assert len(report_of(out)["pairs"]) == 4


def test_a_report_is_not_overwritten_unasked(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    evaluate(capsys, tmp_path, inputs, "--no-optimization")
    before = files_of(tmp_path / "out")
    command = ["evaluate", "--bank", tmp_path / "bank", *inputs, "--sizes", 48, "--no-optimization"]
    fail(capsys, *command, "--out", tmp_path / "out", mentions=["report.md exists", "--overwrite"])
    assert files_of(tmp_path / "out") == before
    evaluate(capsys, tmp_path, inputs, "--no-optimization", "--overwrite", "--limit", 1)
    assert report_of(tmp_path / "out")["means"]["48"]["calm"]["output"]["photographs"] == 1


# ------------------------------------------------------------------------------------------------ inputs


def test_only_styles_with_a_painting_are_measured(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    (tmp_path / "paintings" / "calm.png").unlink()
    report = evaluate(capsys, tmp_path, inputs, "--no-optimization")
    assert set(report["means"]["48"]) == {"storm"}
    assert "style_accuracy" not in report["means"]["48"]["storm"]["output"]  # there is nothing to tell it from
    (tmp_path / "paintings" / "storm.png").rename(tmp_path / "paintings" / "dusk.png")
    error = ["None of the paintings given (dusk)", "calm, storm"]
    fail(capsys, "evaluate", "--bank", tmp_path / "bank", *inputs, "--out", tmp_path / "new", mentions=error)


def test_photographs_held_out_of_a_run(tmp_path: Path, inputs: list[object], photos: Path, capsys: Capture) -> None:
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    rest = [*inputs[3:], "--bank", tmp_path / "bank", "--sizes", 48, "--no-optimization", "--out", tmp_path / "out"]
    fail(capsys, "evaluate", "--held-out-of", run_folder, *rest, mentions=[run_folder / "report.json"])
    (run_folder / "report.json").write_text(json.dumps({"held_out": []}))
    fail(capsys, "evaluate", "--held-out-of", run_folder, *rest, mentions=["no held-out photographs"])
    (run_folder / "report.json").write_text(json.dumps({"held_out": [str(photos / "dusk.jpg")]}))
    succeed(capsys, "evaluate", "--held-out-of", run_folder, *rest)
    assert report_of(tmp_path / "out")["about"]["photographs"] == ["dusk.jpg"]


def test_photographs_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, inputs: list[object], photos: Path, capsys: Capture
) -> None:
    (tmp_path / "more").mkdir()
    (photos / "disc.jpg").rename(tmp_path / "more" / "disc.jpg")
    paint(photos, "disc")
    rest = [*inputs[3:], "--bank", tmp_path / "bank", "--out", tmp_path / "out"]
    fail(capsys, "evaluate", "--content", photos, tmp_path / "more", *rest, mentions=["disc.jpg", "same name"])


def test_a_report_needs_a_folder(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    fail(capsys, "evaluate", "--bank", tmp_path / "bank", *inputs, mentions=["--out is missing"], code=2)


def test_other_paintings_than_those_trained_on_are_noted(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    record = tmp_path / "bank" / "styles" / "storm.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "source_sha256": "0" * 64}))
    report = evaluate(capsys, tmp_path, inputs, "--no-optimization")
    assert any("other files" in note and "storm" in note and "calm" not in note for note in report["about"]["notes"])


def test_settings_that_make_no_objective_are_refused(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    record = tmp_path / "bank" / "styles" / "storm.json"
    content = json.loads(record.read_text())
    content["settings"]["loss"]["style_weight"] = -1
    record.write_text(json.dumps(content))
    arguments = ["evaluate", "--bank", tmp_path / "bank", *inputs, "--out", tmp_path / "out"]
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert "storm" in error
    assert "style_weight" in error
    content["settings"]["loss"].update(style_weight=1, network="vgg16")
    record.write_text(json.dumps(content))
    fail(capsys, *arguments, mentions=["different loss networks", "vgg16 max", "vgg19 max"])


@pytest.mark.parametrize("sizes", ["0", "15", "64:0", "64:", "a", "64:2:3"])
def test_sizes_that_are_none_are_wrong_usage(sizes: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "--content", "x", "--styles", "y", "--out", str(tmp_path), "--sizes", sizes])
    assert caught.value.code == 2
