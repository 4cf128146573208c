"""Strokes: working sizes, and what comes back at full size."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stylebank.errors import ConfigError, ImageError
from stylebank.inference import strokes
from stylebank.inference.choices import parse_stroke
from stylebank.inference.strokes import resize_to_work, restore_detail, work_size

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


@pytest.mark.parametrize("stroke", [0, 0.49, 4.01, -1, float("nan"), float("inf")])
def test_strokes_out_of_range_are_refused(stroke: float) -> None:
    with refused(ConfigError, f"{stroke:g}", "0.5 to 4"):
        work_size(SIZE, stroke)


@pytest.mark.parametrize(
    ("size", "expected"), [((512, 640), (512, 640)), ((3072, 2048), (768, 512)), ((256, 300), (512, 600))]
)
def test_auto_works_at_a_short_side_of_512_pixels(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert work_size(size, "auto") == expected
    assert work_size((8 * size[0], 8 * size[1]), "auto") == work_size((8 * size[0], 8 * size[1]), 4)  # no coarser
    assert work_size((40, 60), "auto") == (80, 120)  # no finer


def test_strokes_are_read_from_text() -> None:
    assert parse_stroke("auto") == "auto"
    assert parse_stroke("1.5") == 1.5
    for text in ("wide", "", "5"):
        with refused(ConfigError, text, "4" if text == "5" else "auto"):
            parse_stroke(text)


def test_pictures_too_small_for_the_stroke_are_refused() -> None:
    assert work_size((64, 100), 4) == (16, 25)
    with refused(ImageError, "60x100", "at least 64"):
        work_size((60, 100), 4)


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
