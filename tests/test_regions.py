"""Regions: segmentation, label maps as pictures, and what each region becomes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from tiny import write_bank

from stylebank.errors import ConfigError, ImageError
from stylebank.images import to_tensor
from stylebank.inference.blending import Recipe, Region, region_masks
from stylebank.inference.stylizer import Stylizer
from stylebank.regions import (
    MAX_LABELS,
    PALETTE,
    RegionMethod,
    Treatment,
    key_picture,
    key_text,
    load_label_map,
    parse_assignment,
    parse_method,
    regions_from_labels,
    save_label_map,
    segment_kmeans,
    segment_slic,
    upsample_labels,
)

STYLES = ("starry_night", "great_wave", "the_scream")


def quarters(height: int = 40, width: int = 60) -> np.ndarray:
    """Labels 0 to 3: top left, top right, bottom left, bottom right."""
    y, x = np.indices((height, width))
    return ((y >= height // 2) * 2 + (x >= width // 2)).astype(np.uint8)


def blobs(count: int, height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    """Round-edged regions with the labels 0 to count - 1."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random((count, height, width)), (0, 10, 10))
    return np.argmax(field - field.mean((1, 2), keepdims=True), axis=0).astype(np.uint8)


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Share of places where two label maps agree."""
    assert a.shape == b.shape
    return float((a == b).mean())


def same_regions(a: np.ndarray, b: np.ndarray) -> float:
    """Share of places that agree once every label of `a` is renamed to the one of `b` that it mostly covers."""
    renamed = np.zeros_like(b)
    for label in np.unique(a):
        values, counts = np.unique(b[a == label], return_counts=True)
        renamed[a == label] = values[np.argmax(counts)]
    return agreement(renamed, b)


def touching(labels: np.ndarray) -> list[int]:
    """Of how many parts each region consists."""
    return [int(ndimage.label(labels == label)[1]) for label in np.unique(labels)]


# ------------------------------------------------------------------------------------- which method, how many


def test_methods_are_read() -> None:
    assert parse_method("kmeans:4") == RegionMethod("kmeans", 4)
    assert parse_method(" slic:64 ") == RegionMethod("slic", 64)


@pytest.mark.parametrize(
    "text", ["", "kmeans", "kmeans:", "kmeans:1", "slic:65", "slic:-3", "felz:4", "slic:4.5", "slic:4,"]
)
def test_other_methods_are_refused(text: str) -> None:
    with refused(ConfigError, f"'{text}'", "kmeans:N", "slic:N", f"2 to {MAX_LABELS}"):
        parse_method(text)


# --------------------------------------------------------------------------------------------------- K-means


def features_of(labels: np.ndarray, channels: int = 12, noise: float = 0.3, seed: int = 0) -> torch.Tensor:
    """Noisy features (C, h, w) that differ from region to region; one channel is a hundred times the others."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(int(labels.max()) + 1, channels))
    features = means[labels] + noise * rng.normal(size=(*labels.shape, channels))
    features[..., 0] = 100 * rng.normal(size=labels.shape)
    return torch.from_numpy(features).permute(2, 0, 1).float()


@pytest.mark.parametrize("shape", [(40, 60), (250, 180)])  # the second is clustered at a smaller size
def test_kmeans_finds_what_differs(shape: tuple[int, int]) -> None:
    truth = quarters(*shape)
    found = segment_kmeans(features_of(truth), 4)
    assert sorted(np.unique(found)) == [0, 1, 2, 3]
    assert same_regions(found, truth) > 0.97


def test_kmeans_is_the_same_every_time() -> None:
    features = features_of(blobs(5, 60, 80))
    assert np.array_equal(segment_kmeans(features, 5, seed=3), segment_kmeans(features, 5, seed=3))


def test_kmeans_leaves_random_state_and_features_alone() -> None:
    features = features_of(quarters())
    before = features.clone()
    states = np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    segment_kmeans(features, 3)
    assert torch.equal(features, before)
    assert np.random.get_state()[1].tolist() == states[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])


def test_kmeans_numbers_the_largest_region_first() -> None:
    truth = np.zeros((50, 50), np.uint8)
    truth[:, 30:] = 1
    truth[35:, :30] = 2
    found = segment_kmeans(features_of(truth), 3)
    sizes = np.bincount(found.ravel())
    assert list(sizes) == sorted(sizes, reverse=True)
    assert found[10, 10] == 0


def test_kmeans_regions_hang_together_in_spite_of_texture() -> None:
    found = segment_kmeans(features_of(quarters(), noise=2.0), 4)
    assert same_regions(found, quarters()) > 0.97
    assert max(touching(found)) <= 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 4)])
def test_kmeans_of_the_tiniest_pictures(shape: tuple[int, int]) -> None:
    found = segment_kmeans(torch.rand(6, *shape, generator=torch.Generator().manual_seed(0)), 8)
    assert found.shape == shape
    assert sorted(np.unique(found)) == list(range(len(np.unique(found))))


def test_kmeans_of_a_plain_picture(recwarn: pytest.WarningsRecorder) -> None:
    found = segment_kmeans(torch.full((6, 30, 40), 0.5), 3)
    assert found.shape == (30, 40)
    assert found.max() < 3
    assert not recwarn.list


# ------------------------------------------------------------------------------------------------ superpixels


def painted(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.array(PALETTE, np.uint8)[labels])


@pytest.mark.parametrize("n", [2, 5, 12, 40])
def test_slic_gives_so_many_superpixels(n: int, photos: Path) -> None:
    photograph = Image.open(photos / "dusk.jpg").resize((160, 120))
    found = segment_slic(photograph, n)
    assert found.shape == (120, 160)
    assert sorted(np.unique(found)) == list(range(n))
    assert np.array_equal(found, segment_slic(photograph, n))


def test_slic_follows_edges_and_reads_from_the_top() -> None:
    truth = quarters(80, 120)
    found = segment_slic(painted(truth), 4)
    assert same_regions(found, truth) > 0.97
    assert same_regions(truth, found) > 0.97
    firsts = [int(np.flatnonzero(found.ravel() == label)[0]) for label in range(4)]
    assert firsts == sorted(firsts)


def test_slic_of_large_and_of_tiny_pictures() -> None:
    truth = quarters(700, 900)
    found = segment_slic(painted(truth), 4)
    assert same_regions(found, truth) > 0.98
    tiny = segment_slic(painted(quarters(16, 16)), MAX_LABELS)
    assert tiny.shape == (16, 16)
    assert tiny.max() < MAX_LABELS


# -------------------------------------------------------------------------------------------------- resizing


@given(st.integers(1, 90), st.integers(1, 90))
def test_scaling_invents_no_labels(width: int, height: int) -> None:
    labels = np.array([3, 17, 60, 9], np.uint8)[quarters()]
    scaled = upsample_labels(labels, (width, height))
    assert scaled.shape == (height, width)
    assert set(np.unique(scaled)) <= {3, 17, 60, 9}


def test_scaling_up_and_down_again_stays_close() -> None:
    labels = blobs(4)
    large = upsample_labels(labels, (960, 720))
    assert agreement(upsample_labels(large, (160, 120)), labels) > 0.97
    assert upsample_labels(labels, (160, 120)) is labels


def test_scaled_edges_are_smooth() -> None:
    y, x = np.indices((40, 40))
    slope = (2 * y > x + 20).astype(np.uint8)  # stairs of one pixel
    edge = np.argmax(upsample_labels(slope, (320, 320))[:, 40:280], axis=0)  # where the edge is in every column
    columns = np.arange(len(edge))
    line = np.polyval(np.polyfit(columns, edge, 1), columns)
    assert np.abs(edge - line).max() < 1  # rounded stairs still deviate by more than 2


def test_scaling_strip_by_strip_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = blobs(5)
    whole = upsample_labels(labels, (333, 251))
    monkeypatch.setattr("stylebank.regions.resize.STRIP", 333 * 10)
    assert agreement(upsample_labels(labels, (333, 251)), whole) > 0.9999


# ------------------------------------------------------------------------------------------------ label maps


def test_palette_colours_are_far_apart() -> None:
    colors = np.array(PALETTE)
    apart = np.abs(colors[:, None] - colors[None]).max(-1) + 255 * np.eye(MAX_LABELS, dtype=int)
    assert len(PALETTE) == MAX_LABELS
    assert apart.min() >= 80
    few = np.abs(colors[:6, None] - colors[None, :6]).max(-1) + 255 * np.eye(6, dtype=int)
    assert few.min() >= 160


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**31))
def test_any_map_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, MAX_LABELS, (height, width))
    path = tmp_path_factory.mktemp("map") / "map.png"
    save_label_map(labels, path)
    assert np.array_equal(load_label_map(path), labels)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF"])
def test_every_lossless_format_keeps_it(tmp_path: Path, suffix: str) -> None:
    labels = blobs(9)
    written = save_label_map(labels, tmp_path / f"map{suffix}")
    assert [file.name for file in written] == [f"map{suffix}", "map.key.png", "map.key.txt"]
    assert np.array_equal(load_label_map(written[0]), labels)


@pytest.mark.parametrize("count", [3, 8, 20])
@pytest.mark.parametrize("quality", [60, 90])
def test_jpeg_leaves_the_regions_where_they_are(tmp_path: Path, count: int, quality: int) -> None:
    for seed in range(3):
        labels = blobs(count, 240, 320, seed)
        painted(labels).save(tmp_path / "map.jpg", quality=quality)  # with colours at half resolution
        loaded = load_label_map(tmp_path / "map.jpg")
        inner = ndimage.minimum_filter(labels, 3) == ndimage.maximum_filter(labels, 3)
        assert np.array_equal(loaded[far := ndimage.distance_transform_edt(inner) > 4], labels[far])
        assert agreement(loaded, labels) > 0.9
        assert set(np.unique(loaded)) == set(np.unique(labels))


def test_soft_edges_make_no_third_label(tmp_path: Path) -> None:
    for first in range(12):
        for second in range(first):
            labels = np.where(quarters() % 2, first, second)
            painted(labels).filter(ImageFilter.GaussianBlur(1)).save(tmp_path / "map.png")
            loaded = load_label_map(tmp_path / "map.png")
            assert set(np.unique(loaded)) == {first, second}
            assert agreement(loaded, labels) > 0.93


def test_scaled_in_a_paint_program(tmp_path: Path) -> None:
    labels = blobs(5)
    painted(labels).resize((400, 300), Image.Resampling.BICUBIC).save(tmp_path / "map.png")
    loaded = load_label_map(tmp_path / "map.png")
    assert agreement(upsample_labels(loaded, (160, 120)), labels) > 0.96
    assert set(np.unique(loaded)) <= set(np.unique(labels))


def test_painted_with_a_brush(tmp_path: Path) -> None:
    picture = painted(quarters(90, 120))
    ImageDraw.Draw(picture).ellipse((30, 20, 80, 60), fill=PALETTE[7])
    picture.save(tmp_path / "map.png")
    labels = load_label_map(tmp_path / "map.png")
    assert labels[40, 55] == 7
    assert np.array_equal(labels == 7, (np.asarray(picture) == PALETTE[7]).all(-1))


@pytest.mark.parametrize("size", [3, 20])
def test_unknown_colours_are_named(tmp_path: Path, size: int) -> None:
    picture = painted(quarters())
    picture.paste((128, 40, 200), (10, 5, 10 + size, 5 + size))
    picture.save(tmp_path / "map.png")
    with refused(ImageError, tmp_path / "map.png", "#8028c8", "x 11, y 6", "#ff0000 (0)", "#00ffff (1)"):
        load_label_map(tmp_path / "map.png")


def test_nearly_a_labels_colour_is_that_label(tmp_path: Path) -> None:
    picture = painted(np.zeros((20, 20), int))
    picture.paste((10, 240, 250), (5, 5, 15, 15))
    picture.save(tmp_path / "map.png")
    labels = load_label_map(tmp_path / "map.png")
    assert (labels[5:15, 5:15] == 1).all()
    assert labels.sum() == 100


def test_photographs_and_transparent_pictures_are_no_label_maps(tmp_path: Path, photos: Path) -> None:
    for name in ("waves", "noise", "dusk"):
        with refused(ImageError, photos / f"{name}.jpg", "#ff0000"):
            load_label_map(photos / f"{name}.jpg")
    clear = painted(quarters()).convert("RGBA")
    clear.putpixel((0, 0), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    with refused(ImageError, tmp_path / "clear.png", "transparent"):
        load_label_map(tmp_path / "clear.png")


def test_maps_that_cannot_be_saved_are_refused(tmp_path: Path) -> None:
    with refused(ImageError, tmp_path / "map.jpg", ".png"):
        save_label_map(quarters(), tmp_path / "map.jpg")
    with refused(ImageError, "0 to 63"):
        save_label_map(quarters() + MAX_LABELS, tmp_path / "map.png")
    with refused(ImageError, "float64"):
        save_label_map(quarters() / 2, tmp_path / "map.png")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "map.key.txt").write_text("mine")
    with refused(ImageError, tmp_path / "map.key.txt", "--overwrite"):
        save_label_map(quarters(), tmp_path / "map.png")
    assert [file.name for file in tmp_path.iterdir()] == ["map.key.txt"]
    save_label_map(quarters(), tmp_path / "map.png", overwrite=True)
    assert (tmp_path / "map.key.txt").read_text() == key_text(quarters())


def test_key_tells_colour_and_share() -> None:
    labels = np.zeros((10, 10), int)
    labels[:, 9] = 12
    lines = key_text(labels).splitlines()
    assert lines[1].split() == ["0", "#ff0000", "90.0%"]
    assert lines[2].split() == ["12", f"#{bytes(PALETTE[12]).hex()}", "10.0%"]
    colors = {color for _, color in key_picture(labels).getcolors(10**6) or []}
    assert {PALETTE[0], PALETTE[12]} <= colors
    assert PALETTE[1] not in colors


# ------------------------------------------------------------------------------------------------ assignment


def parse(text: str, labels: Sequence[int] = range(8)) -> dict[int, Treatment]:
    return parse_assignment(text, STYLES, labels)


def test_assignments_are_read() -> None:
    found = parse("0=starry_night, 1=great_wave:0.5,2 = identity,3=starry_night*0.7+great_wave*.3:0.8, 5-7=the_scream")
    assert found == {
        0: Treatment({"starry_night": 1.0}),
        1: Treatment({"great_wave": 1.0}, 0.5),
        2: Treatment({"identity": 1.0}),
        3: Treatment({"starry_night": 0.7, "great_wave": 0.3}, 0.8),
        **dict.fromkeys((5, 6, 7), Treatment({"the_scream": 1.0})),
    }


def test_plus_without_weights_is_equal_parts() -> None:
    (region,) = regions_from_labels(quarters(), parse("0=starry_night+great_wave"))
    assert region.weights == {"starry_night": 0.5, "great_wave": 0.5}


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("9=great_wave", ["9", "0, 1, 2, 3, 4, 5, 6, 7"]),
        ("6-9=great_wave", ["9", "0, 1, 2"]),
        ("5-3=great_wave", ["5", "3"]),
        ("0=monet", ["monet", *STYLES, "identity"]),
        ("0=great_wave+original", ["original", *STYLES]),
        ("0=great_wave,0=identity", ["Region 0", "twice"]),
        ("0-3=great_wave,2=identity", ["Region 2", "twice"]),
        ("0=great_wave+great_wave", ["great_wave", "twice"]),
        ("0=great_wave:1.5", ["1.5", "0 to 1"]),
        ("0=great_wave:-1", ["-1", "0 to 1"]),
        ("0=great_wave:", ["0 to 1"]),
        ("0=great_wave*0", ["above"]),
        ("0=great_wave*-1", ["LABEL=STYLE"]),
        ("0=great_wave*", ["LABEL=STYLE"]),
        ("0=", ["LABEL=STYLE"]),
        ("0", ["LABEL=STYLE"]),
        ("sky=great_wave", ["sky", "LABEL=STYLE"]),
        ("", ["LABEL=STYLE"]),
        (",", ["LABEL=STYLE"]),
        ("0=great wave", ["LABEL=STYLE"]),
    ],
)
def test_other_assignments_are_refused(text: str, mentions: list[str]) -> None:
    with refused(ConfigError, *mentions):
        parse(text)


@given(st.text("0123=+*:.,-a_ starynigh", max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = None
    with suppress(ConfigError):
        found = parse(text)
    if found is not None:
        assert found
        assert set(found) <= set(range(8))
        regions_from_labels(quarters(), found)


# ------------------------------------------------------------------------------------------- regions to masks


def masks(regions: Sequence[Region]) -> torch.Tensor:
    return torch.stack([region.mask for region in regions])


@pytest.mark.parametrize("feather", [0.0, 1.0, 9.0])
def test_masks_sum_to_one(feather: float) -> None:
    regions = regions_from_labels(blobs(4), parse("0=starry_night,1=great_wave,2=identity,3=great_wave:0.5"), feather)
    assert len(regions) == 4
    total = masks(regions).sum(0)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-5)
    base = region_masks(Recipe({"identity": 1.0}, regions), (30, 40))[-1]
    assert base.max() < 1e-5


def test_unassigned_labels_are_left_to_the_base() -> None:
    regions = regions_from_labels(quarters(), parse("0=starry_night,3=great_wave"))
    shares = region_masks(Recipe({"identity": 1.0}, regions), quarters().shape)
    for share, wanted in zip(shares, ([0], [3], [1, 2]), strict=True):
        assert torch.equal(share, torch.from_numpy(np.isin(quarters(), wanted)).float())


def test_labels_treated_alike_share_a_mask() -> None:
    regions = regions_from_labels(quarters(), parse("0=great_wave,1=identity,2-3=great_wave"))
    assert len(regions) == 2
    assert torch.equal(masks(regions).sum(0), torch.ones(40, 60))


def test_strengths_multiply() -> None:
    (region,) = regions_from_labels(quarters(), parse("0=great_wave:0.5"), alpha=0.5)
    assert region.weights == {"great_wave": 0.25, "identity": 0.75}


def test_edges_are_soft_only_near_edges() -> None:
    (region,) = regions_from_labels(quarters(), parse("0=great_wave,2=great_wave"), 4.0)
    assert bool((region.mask.diff(dim=1) <= 1e-6).all())
    assert 0.3 < region.mask[20, 29] < 0.7
    assert region.mask[:, :20].min() > 0.99
    assert region.mask[:, 40:].max() < 0.01


def test_bad_widths_and_strengths_are_refused() -> None:
    with refused(ConfigError, "-1"):
        regions_from_labels(quarters(), parse("0=great_wave"), -1.0)
    with refused(ConfigError, "alpha"):
        regions_from_labels(quarters(), parse("0=great_wave"), alpha=3.0)


def test_each_region_gets_its_style(tmp_path: Path, photos: Path) -> None:
    stylizer = Stylizer.load(write_bank(tmp_path / "bank", "calm", "storm"), "cpu", "float32")
    photograph = Image.open(photos / "waves.jpg").resize((160, 120))
    encoded = stylizer.encode(photograph)
    labels = quarters(120, 160)
    assignment = parse_assignment("0=calm,1=storm:0.5,2=calm*3+storm", stylizer.styles, np.unique(labels).tolist())
    mixed = encoded.decode(Recipe({"identity": 1.0}, regions_from_labels(labels, assignment, 2.0)))
    alone = [
        encoded.decode(stylizer.recipe("calm")),
        encoded.decode(stylizer.recipe("storm", alpha=0.5)),
        encoded.decode(stylizer.recipe({"calm": 0.75, "storm": 0.25})),
        encoded.decode(stylizer.recipe("identity")),
    ]
    for label, whole in enumerate(alone):
        # Far enough from the other regions that no kernel sees them.
        deep = torch.from_numpy(ndimage.distance_transform_edt(labels == label) > 26)
        assert int(deep.sum()) > 100
        assert torch.allclose(mixed[..., deep], whole[..., deep], atol=1e-4)
        others = [other for other in alone if other is not whole]
        assert all(not torch.allclose(other[..., deep], whole[..., deep], atol=1e-2) for other in others)


def test_from_photograph_to_regions(tmp_path: Path, photos: Path) -> None:
    stylizer = Stylizer.load(write_bank(tmp_path / "bank", "calm"), "cpu", "float32")
    photograph = Image.open(photos / "disc.jpg")
    encoded = stylizer.encode(photograph)
    labels = upsample_labels(segment_kmeans(encoded.features[0], 2), photograph.size)
    save_label_map(labels, tmp_path / "map.png")
    labels = load_label_map(tmp_path / "map.png")
    disc = to_tensor(photograph)[0].numpy() > 0.5  # red inside, none outside
    assert same_regions(labels, disc.astype(np.uint8)) > 0.9
