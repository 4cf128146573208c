"""Strokes: working sizes, and what comes back at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from films import make_film
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import paint, succeed, write_bank
from tiny import pixels as pixels_of

from stylebank.errors import ConfigError, ImageError
from stylebank.evaluation.painters import BankPainter
from stylebank.images import to_tensor
from stylebank.inference import strokes
from stylebank.inference.choices import parse_stroke
from stylebank.inference.strokes import resize_to_work, restore_detail, stroke_for, work_size
from stylebank.inference.stylizer import Stylizer
from stylebank.video import open_reader

SIZE = (120, 90)


def edge(size: tuple[int, int] = SIZE, left: int = 30, right: int = 220, at: float = 0.5) -> Image.Image:
    """A sharp vertical edge between two greys."""
    pixels = np.full((size[1], size[0], 3), left, np.uint8)
    pixels[:, round(size[0] * at) :] = right
    return Image.fromarray(pixels)


def noise(size: tuple[int, int], low: int = 0, high: int = 256, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(low, high, (size[1], size[0], 3)).astype(np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


# ---------------------------------------------------------------------------------------------------- sizes


@given(st.integers(64, 4000), st.integers(64, 4000), st.floats(0.5, 4))
def test_work_is_that_many_times_smaller(width: int, height: int, stroke: float) -> None:
    found = work_size((width, height), stroke)
    assert found == pytest.approx((width / stroke, height / stroke), abs=0.5)


def test_stroke_1_changes_nothing() -> None:
    photograph = noise(SIZE)
    assert work_size(SIZE, 1) == SIZE
    assert resize_to_work(photograph, 1) is photograph
    stylized = noise(SIZE, seed=1)
    assert restore_detail(stylized, photograph) is stylized


def test_photograph_gets_the_working_size() -> None:
    assert resize_to_work(noise(SIZE), 2).size == (60, 45)
    assert resize_to_work(noise(SIZE), 0.5).size == (240, 180)


@pytest.mark.parametrize("stroke", [0, 0.49, 16.01, -1, float("nan"), float("inf")])
def test_strokes_out_of_range_are_refused(stroke: float) -> None:
    with refused(ConfigError, f"{stroke:g}", "0.5 to 16"):
        work_size(SIZE, stroke)


@pytest.mark.parametrize("size", [(16, 16), (512, 640), (1000, 1000), (1333, 750), (16, 60_000)])
def test_auto_leaves_pictures_of_up_to_a_megapixel_alone(size: tuple[int, int]) -> None:
    assert stroke_for(size, "auto") == 1
    assert work_size(size, "auto") == size


@pytest.mark.parametrize(
    ("size", "stroke", "expected"),
    [((2000, 2000), 2, (1000, 1000)), ((4000, 3000), 3.464, (1155, 866)), ((8000, 6000), 6.928, (1155, 866))],
)
def test_auto_paints_larger_pictures_at_a_megapixel(
    size: tuple[int, int], stroke: float, expected: tuple[int, int]
) -> None:
    assert stroke_for(size, "auto") == pytest.approx(stroke, abs=1e-3)
    assert work_size(size, "auto") == expected


@given(st.integers(16, 100_000), st.integers(16, 100_000))
def test_auto_fits_every_picture(width: int, height: int) -> None:
    work = work_size((width, height), "auto")
    assert min(work) >= 16
    if width * height > 1_000_000 and min(work) > 16:  # unless it is narrow
        assert work[0] * work[1] == pytest.approx(1_000_000, rel=0.04)


@given(st.floats(0.5, 16))
def test_a_number_is_the_same_in_every_picture(stroke: float) -> None:
    assert stroke_for((300, 200), stroke) == stroke_for((8000, 6000), stroke) == stroke


def test_strokes_are_read_from_text() -> None:
    assert parse_stroke("auto") == "auto"
    assert parse_stroke("1.5") == 1.5
    for text in ("wide", "", "17"):
        with refused(ConfigError, text, "16" if text == "17" else "auto"):
            parse_stroke(text)


def test_pictures_too_small_for_the_stroke_are_refused() -> None:
    assert work_size((64, 100), 4) == (16, 25)
    with refused(ImageError, "60x100", "at least 64"):
        work_size((60, 100), 4)


# ------------------------------------------------------------------------------------------------ by default


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write_bank(tmp_path / "bank", "calm", "storm")


def large(monkeypatch: pytest.MonkeyPatch, stroke: float) -> None:
    """Pictures of SIZE are now so large that `auto` gives them strokes of this width."""
    monkeypatch.setattr(strokes, "AUTO_PIXELS", SIZE[0] * SIZE[1] / stroke**2)


def test_small_pictures_are_by_default_as_with_stroke_1(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    command = ("stylize", "--bank", bank, "--style", "calm", "--precision", "float32", "--input", photo, "--output")
    for name, options in {"default": (), "own": ("--stroke", "1"), "wide": ("--stroke", "2")}.items():
        succeed(capsys, *command, tmp_path / f"{name}.png", *options)
    default, own, wide = ((tmp_path / f"{name}.png").read_bytes() for name in ("default", "own", "wide"))
    assert default == own != wide
    stylizer, picture = Stylizer.load(bank, "cpu", "float32"), Image.open(photo).convert("RGB")
    assert stylizer.stylize(picture, "calm").tobytes() == pixels_of(tmp_path / "default.png").tobytes()
    assert stylizer.stylize(picture, "calm", stroke=1).tobytes() == stylizer.stylize(picture, "calm").tobytes()


def test_every_way_to_a_large_picture_widens_its_strokes(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    picture = Image.open(photo).convert("RGB")
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, SIZE[0] // 2, SIZE[1]))
    mask.save(tmp_path / "mask.png")
    stylizer = Stylizer.load(bank, "cpu", "float32")
    wanted = stylizer.stylize(picture, "calm", masks={"storm": mask}, stroke=1.5)
    tensor, encoded = stylizer.stylize(to_tensor(picture), "calm"), stylizer.encode(picture).stylize("calm")
    large(monkeypatch, 1.5)
    assert stylizer.stylize(picture, "calm", masks={"storm": mask}).tobytes() == wanted.tobytes()
    assert np.array_equal(stylizer.stylize(np.asarray(picture), "calm", masks={"storm": mask}), np.asarray(wanted))
    command = ["stylize", "--bank", bank, "--precision", "float32", "--mask", f"storm={tmp_path / 'mask.png'}"]
    succeed(capsys, *command, "--style", "calm", "--input", photo, "--output", tmp_path / "out.png")
    assert pixels_of(tmp_path / "out.png").tobytes() == wanted.tobytes()
    tiled = pixels(stylizer.stylize(picture, "calm", masks={"storm": mask}, tile=32))
    assert np.abs(tiled - pixels(wanted)).max() <= 1
    # What is measured, and what is encoded once for many styles, keeps the network's own scale.
    assert torch.equal(stylizer.stylize(to_tensor(picture), "calm"), tensor)
    assert torch.equal(BankPainter(stylizer).paint(to_tensor(picture)[None], photo, "calm")[0], tensor)
    assert stylizer.encode(picture).stylize("calm").tobytes() == encoded.tobytes()


def test_all_frames_of_a_film_have_strokes_of_one_width(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [pixels(noise((64, 48), 60 + 10 * i, 90 + 40 * i, seed=i)).astype(np.uint8) for i in range(3)]
    film = make_film(tmp_path / "film.mkv", 3, size=(64, 48), pictures=frames)
    command = ("stylize", "--bank", bank, "--style", "calm", "--precision", "float32", "--codec", "ffv1")
    monkeypatch.setattr(strokes, "AUTO_PIXELS", 64 * 48 / 2)
    stroke = stroke_for((64, 48), "auto")
    succeed(capsys, *command, "--input", film, "--output", tmp_path / "auto.mkv")
    succeed(capsys, *command, "--stroke", stroke, "--input", film, "--output", tmp_path / "given.mkv")
    auto, given_ = ([frame.rgb for frame in open_reader(tmp_path / f"{name}.mkv")] for name in ("auto", "given"))
    assert len(auto) == len(given_) == 3
    assert all(np.array_equal(one, other) for one, other in zip(auto, given_, strict=True))


# -------------------------------------------------------------------------------------------- bringing back


@pytest.mark.parametrize("size", [(60, 45), (41, 31), (30, 22), (240, 180), (121, 91)])
def test_comes_back_at_the_photographs_size(size: tuple[int, int]) -> None:
    result = restore_detail(noise(size), noise(SIZE, seed=1))
    assert (result.size, result.mode) == (SIZE, "RGB")


def test_flat_pictures_stay_flat() -> None:
    for size in ((30, 22), (200, 150)):
        result = restore_detail(Image.new("RGB", size, (10, 120, 240)), Image.new("RGB", SIZE, (200, 30, 90)))
        assert result.getcolors() == [(SIZE[0] * SIZE[1], (10, 120, 240))]


def test_the_photographs_edges_come_back() -> None:
    photograph = edge()
    small = resize_to_work(photograph, 4)  # a style that changes nothing
    plain = pixels(small.resize(SIZE, Image.Resampling.BICUBIC))
    restored, wanted = pixels(restore_detail(small, photograph)), pixels(photograph)
    assert np.abs(restored - wanted).mean() < 0.5 * np.abs(plain - wanted).mean()
    assert np.diff(restored[45, :, 0]).max() > 2 * np.diff(plain[45, :, 0]).max()


def test_edges_come_back_where_the_style_lost_them() -> None:
    result = pixels(restore_detail(Image.new("RGB", (30, 22), (128, 128, 128)), edge()))[45, :, 0]
    assert abs(int(np.argmax(np.diff(result))) - 59) <= 1
    assert np.diff(result).max() > 60
    assert result[:40] == pytest.approx(128, abs=2)  # far from the edge nothing happens
    assert result[-40:] == pytest.approx(128, abs=2)


def test_faint_texture_stays_away() -> None:
    grain = noise(SIZE, 124, 133)  # a sensor's noise
    result = pixels(restore_detail(Image.new("RGB", (30, 22), (128, 128, 128)), grain))
    assert result.std() < 0.1 * pixels(grain.convert("L")).std()


def test_finer_strokes_are_averaged_not_sampled() -> None:
    lines = np.zeros((180, 240, 3), np.uint8)
    lines[:, ::2] = 255
    result = pixels(restore_detail(Image.fromarray(lines), noise(SIZE)))[:, 3:-3]
    assert result == pytest.approx(np.full(result.shape, 127.5), abs=3)


@pytest.mark.parametrize("small", [(60, 45), (41, 31), (30, 22)])
def test_strips_do_not_show(small: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    stylized, photograph = noise(small), noise(SIZE, seed=1)
    whole = pixels(restore_detail(stylized, photograph))
    monkeypatch.setattr(strokes, "STRIP", SIZE[0] * 7)
    assert np.abs(pixels(restore_detail(stylized, photograph)) - whole).max() <= 1
