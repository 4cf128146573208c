"""`stylebank demo`: every part, what it leaves behind, and what an interruption does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import fail, files_of, pixels, run, signal_at, succeed, write_bank

from stylebank.cli.demo import film, new_style
from stylebank.cli.demo.show import PARTS
from stylebank.cli.demo.stage import SHOWN, Stage
from stylebank.films.stylize import FilmStylizer
from stylebank.images.contact_sheet import CAPTION, GAP, HEADING, Section, contact_sheet, folded_sheet, stacked_sheet
from stylebank.images.samples import PHOTOGRAPHS, sample_photograph
from stylebank.inference.stylizer import Stylizer
from stylebank.video import open_reader

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
STEPS = 6
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The command on a small bank, with a short film, a short training and small measurements."""
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
    monkeypatch.setattr(film, "FRAMES", 6)
    settings = copy.deepcopy(new_style.SETTINGS)
    settings["train"] |= {"steps": STEPS, "crop_size": 32, "small_crop_steps": 0, "kept_batches": 2}  # type: ignore[index]
    monkeypatch.setattr(new_style, "SETTINGS", settings)
    bank = write_bank(tmp_path / "bank", "calm", "storm")
    return ["demo", "--bank", bank, "--out", tmp_path / "demo", "--size", 48]


def test_it_shows_everything_and_says_where(demo: list[object], tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "demo"
    text = succeed(capsys, *demo)
    assert f"about {sum(part.seconds for part in PARTS)} seconds" in text
    assert "--quick" in text
    for number, part in enumerate(PARTS, 1):
        assert f"{number}. {part.what}" in text
        assert f"{number}/5" in text
    assert "Distance to the style of mosaic.jpg" in text
    assert "style gap closed" in text
    names = files_of(out)
    pictures = {str(Path("styles", style, f"{name}.png")) for style in ("calm", "storm", "mosaic") for name in SHOWN}
    assert pictures <= set(names)
    for file in pictures:
        assert min(pixels(out / file).shape[:2]) == 48
    assert Stylizer.load(out / "bank_with_mosaic").styles == ("calm", "storm", "mosaic")
    assert {f"photographs/{name}.png" for name in PHOTOGRAPHS} <= set(names)
    for file in ("film/plain.mp4", "film/calm.mp4"):
        assert open_reader(out / file).info.frames == 6
    assert (pixels(out / "regions" / "two_styles.png") != pixels(out / "regions" / "around.png")).any()
    assert len({names[f"mixtures/{percent:03}.png"] for percent in (0, 25, 50, 75, 100)}) == 5
    for mention in (out / "contact_sheet.png", out / "film" / "calm.mp4", out / "bank_with_mosaic", out / "regions"):
        assert str(mention) in text
    assert not [name for name in names if name.endswith(".tmp") or "partial" in name]
    assert pixels(out / "contact_sheet.png").shape[1] == GAP + 5 * (288 + GAP)


def test_quick_leaves_out_the_training(demo: list[object], tmp_path: Path, capsys: Capture) -> None:
    for _ in range(2):  # the second time over the first
        text = succeed(capsys, *demo, "--quick")
        assert "learned" not in text
        assert "4/4" in text
    names = files_of(tmp_path / "demo")
    assert "contact_sheet.png" in names
    assert not [name for name in names if "mosaic" in name or name.startswith("photographs")]


def test_an_interrupted_training_is_gone_on_with(
    demo: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    out = tmp_path / "demo"
    with monkeypatch.context() as patch:
        signal_at(patch, 2)
        assert run(*demo) == 130
    assert f"Stopped after step 3 of {STEPS}; the same command goes on" in capsys.readouterr().out
    names = files_of(out)
    assert "contact_sheet.png" not in names
    assert not [name for name in names if name.endswith(".tmp")]
    steps: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr("stylebank.training.hooks.Hooks.step_ends", lambda self, training: steps.append(training.step))
        text = succeed(capsys, *demo)
        assert steps == [4, 5, 6]
        assert "style gap closed" in text
        bank = files_of(out / "bank_with_mosaic")
        succeed(capsys, *demo)  # it has learned it by now
        assert steps == [4, 5, 6]
    assert files_of(out / "bank_with_mosaic")["styles/mosaic.safetensors"] == bank["styles/mosaic.safetensors"]


def test_an_interrupted_film_leaves_nothing_behind(
    demo: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    calls = []
    finish = FilmStylizer._finish

    def interrupted(self: FilmStylizer, *frame: Any) -> Any:
        calls.append(frame)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return finish(self, *frame)

    with monkeypatch.context() as patch:
        patch.setattr(FilmStylizer, "_finish", interrupted)
        assert run(*demo, "--quick") == 130
    assert "Interrupted." in capsys.readouterr().err
    names = files_of(tmp_path / "demo")
    assert "mixtures/050.png" in names
    assert not [name for name in names if name.startswith("film")]
    succeed(capsys, *demo, "--quick")
    films = {name for name in files_of(tmp_path / "demo") if name.startswith("film")}
    assert films == {"film/plain.mp4", "film/calm.mp4"}


def test_a_bank_that_is_not_there_and_sizes_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    fail(capsys, "demo", "--bank", "nowhere", mentions=["nowhere", "does not exist", tmp_path, "stylebank-14"])
    with pytest.raises(SystemExit) as caught:
        run("demo", "--size", 0)
    assert caught.value.code == 2
    assert not list(tmp_path.iterdir())


def test_a_bank_of_one_style_can_be_shown(demo: list[object], tmp_path: Path, capsys: Capture) -> None:
    bank = write_bank(tmp_path / "lonely", "calm")
    succeed(capsys, *demo[:1], "--bank", bank, *demo[3:], "--quick")
    assert Stage(bank, tmp_path, 48).style("the_scream", but="calm") == "calm"


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_sample_photographs_need_no_download(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection"))
    picture = sample_photograph(name)
    assert picture.mode == "RGB"
    assert min(picture.size) >= 300


# --------------------------------------------------------------------------------------------------- the sheet


def test_a_sheet_has_a_cell_for_every_picture() -> None:
    rows = [[Image.new("RGB", (30, 20), RED), Image.new("L", (8, 80), 255)], [Image.new("RGB", (5, 5), BLUE)]]
    sheet = np.asarray(contact_sheet(rows, ["photograph", "the_scream"], cell=(40, 20)))
    assert sheet.shape == (CAPTION + GAP + 2 * (20 + GAP), GAP + 2 * (40 + GAP), 3)
    top, left = CAPTION + GAP, GAP
    assert (sheet[top : top + 20, left : left + 40] == RED).all()
    below = top + 20 + GAP
    assert (sheet[below : below + 20, left : left + 40] == BLUE).all()
    assert (sheet[below:, left + 40 :] == 255).all()  # the row is shorter
    assert (sheet[top:, :left] == 255).all()


def test_a_wide_sheet_is_folded() -> None:
    row = [Image.new("RGB", (9, 9), color) for color in (RED, GREEN, BLUE)]
    sheet = np.asarray(folded_sheet([row, row[::-1]], ["", "", ""], 2, cell=(40, 20)))
    height = CAPTION + GAP + 2 * (20 + GAP)
    assert sheet.shape == (2 * height, GAP + 2 * (40 + GAP), 3)
    top = CAPTION + GAP
    assert (sheet[top : top + 20, GAP : GAP + 40] == RED).all()
    assert (sheet[height + top : height + top + 20, GAP : GAP + 40] == BLUE).all()
    assert (sheet[height:, GAP + 40 + GAP :] == 255).all()  # nothing is beside the last column
    wide = np.asarray(folded_sheet([row], ["a", "b", "c"], 3, cell=(40, 20)))
    assert (wide == np.asarray(contact_sheet([row], ["a", "b", "c"], cell=(40, 20)))).all()


def test_captions_stand_above_their_columns() -> None:
    row = [Image.new("RGB", (9, 9), GREEN)] * 3
    sheet = np.asarray(contact_sheet([row], ["", "name", ""], cell=(60, 20)))
    dark = (sheet[:CAPTION] < 128).all(2).any(0)  # columns with ink
    assert dark.any()
    assert not dark[: 60 + GAP].any()
    assert not dark[2 * (60 + GAP) :].any()
    empty = np.asarray(contact_sheet([row], ["", "", ""], cell=(60, 20)))
    assert (sheet[CAPTION:] == empty[CAPTION:]).all()


@pytest.mark.parametrize("width", [20, 60, 200])
def test_a_caption_stays_above_its_own_picture(width: int) -> None:
    row = [Image.new("RGB", (width, 20), "gray")] * 2
    sheets = [
        np.asarray(contact_sheet([row], [caption, ""], cell=(width, 20))).astype(int)
        for caption in ("", "a_very_long_name_of_a_style")
    ]
    differs = np.abs(sheets[0] - sheets[1]).any(axis=2)
    assert differs.any()
    assert not differs[:, GAP + width + GAP // 2 :].any()
    assert not differs[CAPTION + GAP :].any()


def test_sections_stand_under_their_headings() -> None:
    wide = Section("wide", [[Image.new("RGB", (9, 9), RED)] * 3], ["", "", ""])
    narrow = Section("narrow", [[Image.new("RGB", (9, 9), BLUE)]], [""])
    sheet = np.asarray(stacked_sheet([wide, narrow], columns=2))
    part = CAPTION + GAP + 216 + GAP
    assert sheet.shape == (2 * HEADING + 3 * part, GAP + 2 * (288 + GAP), 3)
    assert (sheet[HEADING + CAPTION + GAP, GAP] == RED).all()
    assert (sheet[2 * HEADING + 2 * part + CAPTION + GAP, GAP] == BLUE).all()
    for top in (0, HEADING + 2 * part):  # ink of the headings
        assert (sheet[top + 2 : top + HEADING - 2] < 128).any()
