"""Masks: what of a picture counts as mask, sizes, soft edges."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stylebank.errors import ConfigError, ImageError
from stylebank.inference.choices import WIDEST_FEATHER
from stylebank.inference.masks import feather, load_mask
from stylebank.inference.recipes import mask_tensor


def half(width: int = 40, height: int = 30) -> torch.Tensor:
    """White on the left, black on the right."""
    mask = torch.zeros(height, width)
    mask[:, : width // 2] = 1
    return mask


def written(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def gray(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8))


# -------------------------------------------------------------------------------------------------- reading


def test_grey_is_the_mask(tmp_path: Path) -> None:
    levels = np.arange(256).reshape(16, 16)
    mask = load_mask(written(tmp_path / "mask.png", gray(levels)))
    assert mask.dtype == torch.float32
    assert torch.equal(mask, torch.from_numpy(levels / 255).float())


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    mask = load_mask(written(tmp_path / "mask.png", Image.fromarray(levels)))
    assert torch.allclose(mask, torch.from_numpy(levels / 65535).float(), atol=1 / 255)


@pytest.mark.parametrize("ground", ["black", "white", None])
def test_colours_are_refused(tmp_path: Path, ground: str | None) -> None:
    """Nothing says what red is: much of a style, or little."""
    picture = Image.new("RGB" if ground else "RGBA", (40, 30), ground or (0, 0, 0, 0))
    picture.paste((255, 0, 0), (0, 0, 20, 20))
    picture.paste((0, 0, 255), (20, 0, 40, 20))
    path = written(tmp_path / "mask.png", picture)
    with refused(ImageError, path, "in colour", "grey", "--label-map"):
        load_mask(path)
    with refused(ImageError, "in colour"):
        mask_tensor(picture)


def test_arrays_are_masks_as_pictures_and_tensors_are() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wanted = mask_tensor(Image.fromarray(levels))
    for array in (levels, levels / 255, (levels / 255).astype(np.float32), levels.astype(np.uint16) * 257):
        assert torch.allclose(mask_tensor(array), wanted)
    assert mask_tensor(levels > 127).unique().tolist() == [0, 1]
    with refused(ImageError, "not ndarray of int64"):
        mask_tensor(levels.astype(np.int64))
    with refused(ImageError, "not str"):
        mask_tensor("sky.png")  # type: ignore[arg-type]
    with refused(ImageError, "(2, 3, 4)"):
        mask_tensor(np.zeros((2, 3, 4)))


def test_a_grey_mask_may_have_been_compressed_or_tinted(tmp_path: Path) -> None:
    warm = Image.merge("RGB", [gray(half().numpy() * level) for level in (250, 240, 225)])
    mask = load_mask(written(tmp_path / "mask.jpg", warm))
    assert torch.allclose(mask, half() * 240 / 255, atol=0.05)


@pytest.mark.parametrize("color", ["black", "white", "red"])
def test_shape_on_transparent_ground_is_the_shape(tmp_path: Path, color: str) -> None:
    shape = gray(half().numpy() * 255)
    picture = Image.new("RGB", shape.size, color)
    picture.putalpha(shape)
    assert torch.equal(load_mask(written(tmp_path / "mask.png", picture)), half())


def test_soft_edges_of_a_shape_may_have_other_colours(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (200, 10, 10, 255)
    pixels[:, 4] = (180, 20, 20, 90)
    mask = load_mask(written(tmp_path / "mask.png", Image.fromarray(pixels)))
    assert torch.equal(mask, torch.from_numpy(pixels[..., 3] / 255).float())


def test_transparent_parts_of_a_grey_mask_are_black(tmp_path: Path) -> None:
    ramp = gray(np.tile(np.arange(40) * 6, (30, 1)))
    picture = ramp.convert("LA")
    picture.putalpha(gray(half().numpy() * 255))
    mask = load_mask(written(tmp_path / "mask.png", picture))
    assert torch.allclose(mask, half() * torch.arange(40) * 6 / 255)


@pytest.mark.parametrize("alpha", [0, 255])
def test_uniform_alpha_hides_all_or_nothing(tmp_path: Path, alpha: int) -> None:
    picture = Image.new("RGB", (20, 20), (51, 51, 51))
    picture.putalpha(alpha)
    mask = load_mask(written(tmp_path / "mask.png", picture))
    assert torch.allclose(mask, torch.full((20, 20), 0.2 * alpha / 255))


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    with refused(ImageError, path):
        load_mask(path)
    path.write_text("no picture")
    with refused(ImageError, path):
        load_mask(path)


# ------------------------------------------------------------------------------------------------ soft edges


@given(st.floats(0.1, 20), st.integers(0, 2**31))
def test_masks_that_sum_to_one_still_do(pixels: float, seed: int) -> None:
    labels = torch.randint(4, (24, 31), generator=torch.Generator().manual_seed(seed))
    soft = [feather((labels == label).float(), pixels) for label in range(4)]
    assert torch.allclose(torch.stack(soft).sum(0), torch.ones(24, 31), atol=1e-5)
    assert min(mask.min().item() for mask in soft) >= 0
    assert max(mask.max().item() for mask in soft) <= 1


@pytest.mark.parametrize("pixels", [2.0, 6.0])
def test_edge_becomes_a_slope_of_that_width(pixels: float) -> None:
    row = feather(half(200, 5), pixels)[2]
    assert bool((row.diff() <= 1e-6).all())
    # Between 16 % and 84 % a Gaussian's slope is two standard deviations wide, which is `pixels`.
    assert int(((row > 0.16) & (row < 0.84)).sum()) == pytest.approx(pixels, abs=1)
    assert row[:80].min() > 0.99
    assert row[-80:].max() < 0.01


def test_no_feather_is_the_mask_itself() -> None:
    mask = half()
    assert feather(mask, 0) is mask


def test_feather_leaves_its_input_alone() -> None:
    mask = half()
    feather(mask, 5)
    assert torch.equal(mask, half())


@pytest.mark.parametrize("scale", [0.25, 1, 2.5])
@pytest.mark.parametrize("pixels", [8.0, 60.0])
def test_soft_edges_are_as_wide_in_a_picture_whatever_the_size_of_its_mask(scale: float, pixels: float) -> None:
    picture = (400, 300)
    mask = half(round(400 * scale), round(300 * scale))
    soft = feather(mask, pixels, picture)
    assert soft.shape == mask.shape
    row = soft[soft.shape[0] // 2]
    assert bool((row.diff() <= 1e-6).all())
    slope = ((row > 0.16) & (row < 0.84)).sum().item() / scale
    assert slope == pytest.approx(pixels, abs=1 / scale + 0.1 * pixels)
    if scale == 1:
        assert torch.equal(soft, feather(mask, pixels))


def test_the_widest_edges_of_a_large_mask_take_no_longer_than_narrow_ones() -> None:
    began = time.monotonic()
    soft = feather(half(4000, 3000), WIDEST_FEATHER, (40, 30))
    assert time.monotonic() - began < 20  # blurred at its own size it would be days
    assert soft.std() < 0.01
    assert soft.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("value", "mention"), [(255.0, "divide by 255"), (float("nan"), "nan"), (-0.5, "-0.5")])
def test_values_that_are_no_shares_are_refused(value: float, mention: str) -> None:
    for mask in (np.full((3, 4), value), torch.full((3, 4), value)):
        with refused(ImageError, "from 0 to 1", mention):
            mask_tensor(mask)


@pytest.mark.parametrize("pixels", [-1.0, float("nan"), float("inf")])
def test_impossible_widths_are_refused(pixels: float) -> None:
    with refused(ConfigError, f"{pixels:g}", "0 to 10000"):
        feather(half(), pixels)
