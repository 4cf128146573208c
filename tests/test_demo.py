"""`stylebank demo` and the contact sheet it makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import fail, files_of, pixels, succeed, write_bank

from stylebank.cli.demo import PHOTOGRAPHS
from stylebank.images.contact_sheet import CAPTION, GAP, contact_sheet, folded_sheet

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_demo_writes_every_picture_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, out = write_bank(tmp_path / "bank", "calm", "storm"), tmp_path / "demo"
    for _ in range(2):  # the second time over the first
        text = succeed(capsys, "demo", "--bank", bank, "--out", out, "--size", 48)
        assert f"Stylized {2 * len(PHOTOGRAPHS)} pictures" in text
        assert str(out / "contact_sheet.png") in text
    files = {str(Path(style, f"{name}.png")) for style in ("calm", "storm") for name in PHOTOGRAPHS}
    assert set(files_of(out)) == {*files, "contact_sheet.png"}
    for file in files:
        assert min(pixels(out / file).shape[:2]) == 48
    sheet = pixels(out / "contact_sheet.png")
    assert sheet.shape == (CAPTION + GAP + 3 * (216 + GAP), GAP + 3 * (288 + GAP), 3)


def test_demo_without_a_bank_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fail(capsys, "demo", mentions=["stylebank-14", "does not exist"])
    fail(capsys, "demo", "--bank", write_bank(tmp_path / "bank", "calm"), "--size", 0, mentions=["0 pixels"])
    assert not (tmp_path / "outputs").exists()


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
