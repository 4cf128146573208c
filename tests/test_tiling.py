"""Tiles: the same picture as in one piece, whatever the network, the sizes and the mixture; and when they are used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_model import NORMS, network
from torch import Tensor

from stylebank.bank.io import Bank
from stylebank.config import Norm
from stylebank.errors import ConfigError
from stylebank.images import to_image, to_tensor
from stylebank.inference import allocator, memory, tiling
from stylebank.inference.blending import Recipe
from stylebank.inference.stylizer import Stylizer
from stylebank.inference.tile_grid import cut, resized_part, stretches
from stylebank.inference.tiling import TiledPicture
from stylebank.inference.whole import WholePicture
from stylebank.network.layers import InstanceNorm
from stylebank.network.model import StyleBank

SAME = 2e-5  # of pixels in [0, 1]: what float32 leaves


def with_styles(dtype: torch.dtype = torch.float32, **arch: object) -> Stylizer:
    """A small random bank of three styles whose outputs are pictures: of all brightnesses, rarely black or white."""
    model = network(styles=3, **arch)
    with torch.no_grad():
        for parameter in model.decoder.layers[-1].parameters():
            parameter.mul_(0.3)
    return Stylizer(Bank(model, None, {}), torch.device("cpu"), dtype)  # type: ignore[arg-type]


def photograph(width: int, height: int) -> Image.Image:
    """Something different everywhere, coarse and fine."""
    generator = torch.Generator().manual_seed(0)
    octaves = [torch.rand(1, 3, size, size, generator=generator) for size in (3, 9, 40)]
    return to_image(sum(F.interpolate(octave, (height, width), mode="bicubic") for octave in octaves)[0] / 3)


def mask(width: int, height: int) -> Tensor:
    """A soft slope from corner to corner, with a hole of 0 and a block of 1."""
    slope = torch.linspace(0, 1, width)[None] * torch.linspace(0.2, 1, height)[:, None]
    slope[: height // 4, : width // 2] = 0
    slope[-height // 4 :, -width // 3 :] = 1
    return slope


def in_tiles(with_: Stylizer, image: Image.Image, tile: int) -> TiledPicture:
    return TiledPicture(with_.model, with_.recipes, image, tile, with_.device)


def both(with_: Stylizer, image: Image.Image, recipe: Recipe, tile: int) -> tuple[Tensor, Tensor]:
    """The picture in tiles and as a whole: (1, 3, H, W) each."""
    whole = with_.encode(image)
    assert isinstance(whole, WholePicture)
    out = whole.decode(recipe)
    assert ((out > 0) & (out < 1)).float().mean() > 0.5  # else clamping would make anything equal
    assert out.std() > 0.02
    return in_tiles(with_, image, tile).decode(recipe), out


def difference(with_: Stylizer, image: Image.Image, recipe: Recipe, tile: int) -> Tensor:
    tiled, whole = both(with_, image, recipe, tile)
    return (tiled - whole).abs().amax((0, 1))


# ------------------------------------------------------------------------------------ as in one piece


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("normalize", [True, False])
def test_tiles_make_the_same_picture(norm: Norm, depth: int, normalize: bool) -> None:
    with_ = with_styles(norm=norm, depth=depth, filter_norm=norm, normalize_features=normalize)
    for (width, height), tile in {(43, 35): 16, (64, 77): 32, (91, 45): 53}.items():
        recipe = with_.recipe("style1")
        assert difference(with_, photograph(width, height), recipe, tile).max() < SAME


@pytest.mark.parametrize("kernel", [1, 5, 7])
def test_other_kernels(kernel: int) -> None:
    with_ = with_styles(kernel_size=kernel, depth=3, filter_norm="pixel")
    assert difference(with_, photograph(101, 66), with_.recipe("style0"), 20).max() < SAME


@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_residual_blocks(norm: Norm) -> None:
    with_ = with_styles(norm=norm, residual_blocks=2)
    assert difference(with_, photograph(101, 66), with_.recipe("style0"), 20).max() < SAME


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("base", ["style0", "identity", "original", {"style0": 0.3, "style2": 0.7}])
def test_mixtures_and_regions(norm: Norm, depth: int, base: str | Mapping[str, float]) -> None:
    """Masks are larger and smaller than the picture; some tiles see nothing of a region."""
    with_ = with_styles(norm=norm, depth=depth, filter_norm=norm)
    masks = {"style1": mask(33, 150), "style2": mask(30, 20).flip(1)}
    recipe = with_.recipe(base, alpha=0.7, masks=masks)
    assert recipe.keep_original == (base == "original")
    assert difference(with_, photograph(90, 71), recipe, 24).max() < SAME


def test_outside_all_masks_the_photograph_stays() -> None:
    with_, image = with_styles(), photograph(70, 50)
    out = in_tiles(with_, image, 16).stylize("original", masks={"style1": mask(70, 50)})
    assert (np.asarray(out)[:12, :35] == np.asarray(image)[:12, :35]).all()
    assert (np.asarray(out)[-12:, -23:] != np.asarray(image)[-12:, -23:]).mean() > 0.5


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("width", "height"), [(16, 16), (17, 16), (19, 23), (16, 41)])
def test_tiny_pictures(norm: Norm, width: int, height: int) -> None:
    with_ = with_styles(norm=norm)
    for tile in (16, 1000):
        assert difference(with_, photograph(width, height), with_.recipe("style0"), tile).max() < SAME


@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_no_seams_in_half_precision(norm: Norm) -> None:
    """Rounding may differ, but no more at the tiles' edges than inside them."""
    with_ = with_styles(torch.bfloat16, norm=norm)
    tile = 32
    errors = difference(with_, photograph(160, 128), with_.recipe("style2"), tile)
    near = torch.zeros_like(errors, dtype=torch.bool)
    for edge in range(tile, 160, tile):
        near[edge - 2 : edge + 2] = True
        near[:, edge - 2 : edge + 2] = True
    assert errors.mean() < 0.004
    assert errors[near].mean() <= 1.5 * errors[~near].mean() + 1e-6


def test_a_smaller_margin_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The margin is what the kernels need and no more; with less there are seams, which the measure above finds."""
    with_, image = with_styles(normalize_features=False), photograph(120, 100)
    monkeypatch.setattr(with_.model, "margin", with_.model.margin - 4)
    errors = difference(with_, image, with_.recipe("style0"), 40)
    assert errors.max() > 10 * SAME
    assert errors[10:30, 10:30].max() < SAME


def test_a_batch_of_tensors() -> None:
    with_ = with_styles(norm="instance")
    batch = torch.stack([to_tensor(photograph(50, 70)), 1 - to_tensor(photograph(50, 70))])
    out = with_.stylize(batch, "style1", tile=20)
    assert torch.allclose(out, with_.stylize(batch, "style1"), atol=SAME)
    assert torch.allclose(with_.stylize(batch[0], "style1", tile=20), out[0], atol=SAME)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "RGB"])
def test_pictures_and_arrays(mode: str) -> None:
    with_, image = with_styles(), photograph(50, 42).convert(mode)
    out = with_.stylize(image, {"style0": 0.5, "style1": 0.5}, tile=16)
    assert (out.mode, out.size) == ("RGBA" if mode == "RGBA" else "RGB", (50, 42))
    whole = np.asarray(with_.stylize(image, {"style0": 0.5, "style1": 0.5})).astype(int)
    assert np.abs(np.asarray(out).astype(int) - whole).max() <= 1
    array = with_.stylize(np.array(image.convert("RGB")), {"style0": 0.5, "style1": 0.5}, tile=16)
    assert (array == np.asarray(out.convert("RGB"))).all()


# -------------------------------------------------------------------------------------------- behaviour


@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_several_styles_of_one_picture(norm: Norm) -> None:
    """What was gathered for one style serves the next, and is right for it."""
    with_ = with_styles(norm=norm, depth=2, filter_norm=norm)
    image, calls = photograph(60, 44), list[tuple[int, int]]()
    encoded = with_.encode(image, tile=24, progress=lambda *counts: calls.append(counts))
    assert isinstance(encoded, TiledPicture)
    passes = []
    for style in ("style0", {"style1": 0.4, "style0": 0.6}, "identity", "style0"):
        calls.clear()
        fresh = in_tiles(with_, image, 24).stylize(style)
        assert encoded.stylize(style).tobytes() == fresh.tobytes()
        assert calls == [(i + 1, len(calls)) for i in range(len(calls))]
        passes.append(len(calls) // (3 * 2))
    # pixel: the features' statistics, then the picture. instance: encoder 3, features, filter 1 each, decoder 2.
    assert passes == ([2, 1, 1, 1] if norm == "pixel" else [3 + 1 + 1 + 2 + 1, 1 + 2 + 1, 2 + 1, 2 + 1])


def test_the_stylizer_stays_as_it_was() -> None:
    with_, image = with_styles(norm="instance"), photograph(40, 36)
    norms = [module for module in with_.model.modules() if isinstance(module, InstanceNorm)]
    before, moments = with_.stylize(image, "style0").tobytes(), [norm.moments for norm in norms]
    with_.stylize(photograph(64, 64), "style0", tile=16)
    assert with_.stylize(image, "style0").tobytes() == before
    assert len(norms) > 1
    assert [norm.moments for norm in norms] == moments


def test_the_network_only_ever_sees_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    with_, seen = with_styles(norm="instance"), list[tuple[int, ...]]()
    encode = StyleBank.encode

    def _encode(self: StyleBank, images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[2:]))
        return encode(self, images)

    monkeypatch.setattr(StyleBank, "encode", _encode)
    with_.stylize(photograph(150, 100), "style0", tile=40)
    assert max(max(shape) for shape in seen) == 40 + 2 * with_.model.margin
    assert len(seen) == 4 * 3 * (3 + 1 + 2 + 1)


@pytest.mark.parametrize("tile", [-4, 1, 15])
def test_too_small_tiles_are_refused(tile: int) -> None:
    with refused(ConfigError, "16", tile):
        with_styles().stylize(photograph(40, 40), "style0", tile=tile)


# ---------------------------------------------------------------------------------------- out of memory


@pytest.mark.parametrize("part", ["encode", "decode"])
@pytest.mark.parametrize("kind", ["picture", "array", "tensor"])
def test_a_picture_too_large_for_the_device_is_done_in_tiles(
    part: str, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_, image = with_styles(), photograph(100, 90)
    source = {"picture": image, "array": np.asarray(image), "tensor": to_tensor(image)}[kind]
    expected = with_.stylize(source, "style1")
    assert not caplog.records
    original = getattr(StyleBank, part)

    def limited(self: StyleBank, x: Tensor, *rest: tuple[int, int]) -> Tensor:
        if x.shape[2] * x.shape[3] >= 100 * 90 / (1 if part == "encode" else 16):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(self, x, *rest)

    monkeypatch.setattr(tiling, "FALLBACK_TILE", 32)
    monkeypatch.setattr(StyleBank, part, limited)
    out = with_.stylize(source, "style1")
    assert type(out) is type(expected)
    assert np.abs(np.asarray(out, dtype=float) - np.asarray(expected, dtype=float)).max() <= (
        SAME if kind == "tensor" else 1
    )
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "tiles of 32 pixels" in record.getMessage()


def test_tiles_are_used_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    with_ = with_styles()
    assert isinstance(with_.encode(photograph(64, 48)), WholePicture)
    monkeypatch.setattr(memory, "available_memory", lambda _: 10**6)
    assert isinstance(with_.encode(photograph(64, 48)), WholePicture)
    encoded = with_.encode(photograph(400, 300))
    assert isinstance(encoded, TiledPicture)
    assert len(encoded.tiles) > 1


def test_more_memory_larger_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    arch, cpu = network().architecture, torch.device("cpu")
    sides = []
    for free in (10**5, 10**7, 10**8, 10**12):
        monkeypatch.setattr(memory, "available_memory", lambda _, free=free: free)
        sides.append(memory.tile_for(1, (10**6, 10**6), arch, torch.float32, cpu))
    assert sides == sorted(sides)
    assert sides[0] == 64
    assert sides[-1] == memory.LARGEST_TILE
    assert memory.tile_for(1, (1000, 1000), arch, torch.float32, cpu) is None


def test_available_memory_is_that_of_this_machine() -> None:
    assert 2**20 < memory.available_memory(torch.device("cpu")) < 2**45


# --------------------------------------------------------------------------------------------- geometry


@given(st.integers(16, 300), st.integers(16, 100), st.integers(0, 10))
def test_cores_cover_an_axis_once(length: int, tile: int, steps: int) -> None:
    cut_up = stretches(length, tile, 4 * steps, 4)
    starts, stops = [each.core.start for each in cut_up], [each.core.stop for each in cut_up]
    assert starts[0] == 0
    assert starts[1:] == stops[:-1]
    assert length <= stops[-1] < length + 4
    assert all(edge % 4 == 0 for edge in [*starts, *stops])
    for core, seen in cut_up:
        assert seen.start == max(0, core.start - 4 * steps)
        assert seen.stop == min(length, core.stop + 4 * steps)


def test_tiles_are_the_product_of_both_axes() -> None:
    assert len(cut((100, 61), 32, 20, 4)) == 4 * 2


@given(st.data(), st.integers(1, 40), st.integers(1, 40), st.integers(16, 60), st.integers(16, 60))
def test_a_part_of_a_resized_mask(data: st.DataObject, h: int, w: int, height: int, width: int) -> None:
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    values = torch.rand(h, w, generator=torch.Generator().manual_seed(h * w))
    whole = F.interpolate(values[None, None], (height, width), mode="bilinear", antialias=True)[0, 0]
    part = resized_part(values, (height, width), slice(top, bottom), slice(left, right))
    assert torch.allclose(part, whole[top:bottom, left:right], atol=1e-5)
    assert resized_part(values, (h, w), slice(0, h), slice(0, w)).equal(values)


# ----------------------------------------------------------------------------------------------- memory


def test_a_container_leaves_less(tmp_path: Path) -> None:
    assert memory._free_in_container(tmp_path) == math.inf  # no such files
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 50\n")
    assert memory._free_in_container(tmp_path) == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._free_in_container(tmp_path) == math.inf


def test_a_limit_of_addresses_leaves_less(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    assert memory._free_in_addresses() == math.inf or memory._free_in_addresses() < 2**60
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**45, 2**45))
    assert 2**44 < memory._free_in_addresses() <= 2**45
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**20, 2**20))
    if Path("/proc/self/statm").exists():
        assert memory._free_in_addresses() == 0
        assert memory.available_memory(torch.device("cpu")) == 0


@pytest.mark.parametrize(("works", "expected"), [(1, True), (0, False), (None, False)])
def test_keeping_freed_memory(works: int | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a C library that can, cannot, or knows nothing of it."""
    calls = []

    def mallopt(number: int, value: int) -> int:
        calls.append((number, value))
        return works or 0

    library = SimpleNamespace() if works is None else SimpleNamespace(mallopt=mallopt)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: library)
    assert allocator.keep_freed_memory() is expected
    assert len(calls) == {1: 2, 0: 1, None: 0}[works]
