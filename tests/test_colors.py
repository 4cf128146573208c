"""Preserving colours: what each mode keeps of the photograph and what of the style."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import refused
from PIL import Image
from skimage.color import rgb2lab
from skimage.exposure import match_histograms

from stylebank.errors import ConfigError, ImageError
from stylebank.inference import colors
from stylebank.inference.choices import COLOR_MODES
from stylebank.inference.colors import preserve_colors

SIZE = (60, 45)


def picture(seed: int, low: int = 40, high: int = 210, size: tuple[int, int] = SIZE) -> Image.Image:
    """Soft random colours: the same everywhere in distribution, well inside what a screen can show."""
    rng = np.random.default_rng(seed)
    small = rng.integers(low, high, (size[1] // 5, size[0] // 5, 3)).astype(np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BILINEAR)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def grayed(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def furthest(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(pixels(a) - pixels(b)).max())


# ---------------------------------------------------------------------------------------------- every mode


@pytest.mark.parametrize("mode", COLOR_MODES)
def test_a_photograph_in_its_own_colours_stays(mode: str) -> None:
    photograph = picture(0, 0, 256)
    assert furthest(preserve_colors(photograph, photograph, mode), photograph) <= 1


@pytest.mark.parametrize("mode", COLOR_MODES)
def test_size_mode_and_inputs_stay(mode: str) -> None:
    stylized, photograph = picture(0), picture(1)
    before = stylized.tobytes(), photograph.tobytes()
    first, second = (preserve_colors(stylized, photograph, mode) for _ in range(2))
    assert (first.size, first.mode) == (SIZE, "RGB")
    assert first.tobytes() == second.tobytes()
    assert (stylized.tobytes(), photograph.tobytes()) == before


@pytest.mark.parametrize("mode", COLOR_MODES)
def test_strips_do_not_show(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stylized, photograph = picture(0), picture(1)
    whole = preserve_colors(stylized, photograph, mode)
    for strip in (1, SIZE[0] * 7 + 3):  # single rows; seven rows, and three left at the end
        monkeypatch.setattr(colors, "STRIP", strip)
        assert preserve_colors(stylized, photograph, mode).tobytes() == whole.tobytes()


def test_none_is_the_stylized_picture_itself() -> None:
    stylized = picture(0)
    assert preserve_colors(stylized, picture(1), "none") is stylized


def test_unknown_mode_is_refused() -> None:
    with refused(ConfigError, "hue", "none, luma, histogram"):
        preserve_colors(picture(0), picture(1), "hue")


def test_pictures_that_do_not_fit_are_refused() -> None:
    with refused(ImageError, "60x45", "30x20"):
        preserve_colors(picture(0), picture(1, size=(30, 20)), "luma")
    with refused(ImageError, "not RGB 60x45 and L 60x45"):
        preserve_colors(picture(0), picture(1).convert("L"), "histogram")


# ---------------------------------------------------------------------------------------------------- luma


def test_luma_of_a_grey_photograph_is_grey() -> None:
    result = pixels(preserve_colors(picture(0), grayed(picture(1)), "luma"))
    assert np.ptp(result, axis=-1).max() <= 1


def test_luma_keeps_the_styles_lightness_and_the_photographs_hue() -> None:
    stylized, photograph = picture(0, 90, 150), picture(1, 100, 140)
    result, style, photo = (
        rgb2lab(np.asarray(image)) for image in (preserve_colors(stylized, photograph, "luma"), stylized, photograph)
    )
    assert np.abs(result[..., 0] - style[..., 0]).max() < 0.6
    chroma, wanted = result[..., 1:], photo[..., 1:]
    across = chroma[..., 0] * wanted[..., 1] - chroma[..., 1] * wanted[..., 0]  # 0 where both point the same way
    assert np.abs(across / np.hypot(*np.moveaxis(wanted, -1, 0)).clip(1)).max() < 1.2  # steps of 1/255
    lighter = style[..., 0] >= photo[..., 0]
    assert np.abs(chroma - wanted)[lighter].max() < 1.2
    darker = style[..., 0] < photo[..., 0] - 5
    assert np.hypot(*chroma[darker].T).mean() < np.hypot(*wanted[darker].T).mean()


def test_luma_leaves_black_lines_black() -> None:
    blue, black = Image.new("RGB", SIZE, "blue"), Image.new("RGB", SIZE, "black")
    assert furthest(preserve_colors(black, blue, "luma"), black) <= 1


def test_luma_copes_with_colours_no_screen_has(recwarn: pytest.WarningsRecorder) -> None:
    blue, dark = Image.new("RGB", SIZE, "blue"), Image.new("RGB", SIZE, (9, 9, 9))
    red, green, there = np.moveaxis(pixels(preserve_colors(dark, blue, "luma")), -1, 0)
    assert max(red.max(), green.max()) < there.min() < 100
    assert not recwarn.list


# ----------------------------------------------------------------------------------------------- histogram


def test_histogram_takes_the_photographs_means_and_spreads() -> None:
    stylized, photograph = picture(0, 0, 120), picture(1, 60, 200)
    result = pixels(preserve_colors(stylized, photograph, "histogram"))
    assert result.mean((0, 1)) == pytest.approx(pixels(photograph).mean((0, 1)), abs=3)
    assert rgb2lab(result.astype(np.uint8)).std((0, 1)) == pytest.approx(
        rgb2lab(np.asarray(photograph)).std((0, 1)), rel=0.06
    )


def test_histogram_agrees_with_the_library_on_whole_pictures() -> None:
    stylized, photograph = picture(0, 90, 160), picture(1, 90, 180)
    theirs = match_histograms(rgb2lab(np.asarray(stylized)), rgb2lab(np.asarray(photograph)), channel_axis=-1)
    ours = rgb2lab(np.asarray(preserve_colors(stylized, photograph, "histogram")))
    assert np.abs(ours - theirs).mean() < 0.5


def test_histogram_keeps_what_is_lighter_than_what() -> None:
    ramp = Image.fromarray(np.tile(np.linspace(20, 120, 60).astype(np.uint8), (45, 1))).convert("RGB")
    result = np.asarray(preserve_colors(ramp, grayed(picture(1)), "histogram").convert("L")).astype(int)
    assert (np.diff(result, axis=1) >= -1).all()
    assert np.ptp(result) > 60


def test_histogram_of_flat_pictures() -> None:
    flat, other = Image.new("RGB", SIZE, (10, 200, 30)), Image.new("RGB", SIZE, (120, 100, 90))
    assert furthest(preserve_colors(flat, other, "histogram"), other) <= 1
