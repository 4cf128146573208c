"""Training data: fair, reproducible at any position, and undisturbed by broken files."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from stylebank.errors import ImageError, TrainingError
from stylebank.training import crops as crops_module
from stylebank.training.crops import ContentBatch, Crops
from stylebank.training.draws import styles_for_batch
from stylebank.training.loading import content_loader
from stylebank.training.photographs import find_photographs


def crops_of(
    files: list[Path],
    crop_size: int = 32,
    content_size: int = 48,
    scale: tuple[float, float] = (0.6, 1.0),
    flip: bool = True,
    seed: int = 0,
    cards: float = 0.0,
) -> Crops:
    return Crops(files, crop_size, content_size, scale, flip, seed, cards)


def batches(crops: Crops, first: int, last: int, workers: int = 0, size: int = 3) -> list[ContentBatch]:
    return list(content_loader(crops, size, range(first, last), workers, pin_memory=False))


def draw(path: Path, width: int, height: int, color: int | None = None) -> Path:
    """A picture of one grey, or a ramp in x (red) and y (green), each from 0 to 255."""
    pixels = np.full((height, width, 3), color or 0, np.uint8)
    if color is None:
        pixels[..., 0] = np.linspace(0, 255, width)[None]
        pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    Image.fromarray(pixels).save(path)
    return path


def truncate(path: Path, kept: float = 0.6) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])


# --------------------------------------------------------------------------------------------------- styles


@given(st.integers(1, 9), st.integers(1, 7), st.integers(0, 1000))
def test_every_style_is_drawn_equally_often(batch_size: int, styles: int, seed: int) -> None:
    """Whatever the batch size: after any number of batches the counts differ by one at most."""
    counts: Counter[int] = Counter(dict.fromkeys(range(styles), 0))
    for batch in range(2 * styles):
        drawn = styles_for_batch(batch, batch_size, styles, seed)
        assert len(drawn) == batch_size
        counts.update(drawn)
        assert set(counts) == set(range(styles))
        assert max(counts.values()) - min(counts.values()) <= 1
    assert set(counts.values()) == {2 * batch_size}


def test_styles_come_in_an_order_that_only_the_seed_decides() -> None:
    def order(seed: int) -> list[int]:
        return [style for batch in range(30) for style in styles_for_batch(batch, 4, 5, seed)]

    assert order(3) == order(3)
    assert order(3) != order(4)
    assert len({tuple(order(3)[i : i + 5]) for i in range(0, 120, 5)}) > 5  # a new order in every cycle


# -------------------------------------------------------------------------------------------------- finding


def test_usable_photographs_are_found_and_some_held_out(photos: Path) -> None:
    found = find_photographs(photos, min_side=16, held_out=3, seed=0)
    assert len(found.held_out) == 3
    assert not set(found.train) & set(found.held_out)
    assert {*found.train, *found.held_out} == set(photos.iterdir())
    assert found.skipped == ()


def test_only_the_seed_decides_what_is_held_out(photos: Path) -> None:
    choices = [find_photographs(photos, 16, 2, seed).held_out for seed in (0, 0, 1, 2, 3, 4)]
    assert choices[0] == choices[1]
    assert len(set(choices)) > 1
    assert find_photographs(photos, 16, 0, 0).held_out == ()


def test_broken_and_tiny_files_are_skipped_and_named(photos: Path) -> None:
    (photos / "text.jpg").write_text("not a picture")
    (photos / "empty.png").touch()
    draw(photos / "tiny.png", 200, 20)
    (photos / "notes.txt").write_text("no suffix of a picture: not looked at")
    (photos / "deep").mkdir()
    draw(photos / "deep" / "good.png", 64, 64)
    found = find_photographs(photos, min_side=32, held_out=2, seed=0)
    assert len(found.train) + len(found.held_out) == 9
    assert len(found.skipped) == 3
    for name in ("text.jpg", "empty.png", "tiny.png"):
        (reason,) = [text for text in found.skipped if name in text]
        assert "\n" not in reason
    assert any("200x20" in text and "min_side" in text for text in found.skipped)


def test_truncated_photographs_are_never_held_out(photos: Path) -> None:
    """Their headers are whole, so only decoding shows it; previews and measurements must not stumble over them."""
    broken = ["noise.jpg", "waves.jpg", "patches.jpg"]
    for name in broken:
        truncate(photos / name)
    for seed in range(6):
        found = find_photographs(photos, 16, held_out=4, seed=seed)
        assert len(found.held_out) == 4
        assert not {path.name for path in found.held_out} & set(broken)
        assert not set(found.train) & set(found.held_out)
        assert len(found.train) + len(found.held_out) + len(found.skipped) == 8


@pytest.mark.parametrize("held_out", [0, 8])
def test_folders_without_enough_photographs_are_refused(held_out: int, photos: Path, tmp_path: Path) -> None:
    with refused(ImageError, tmp_path / "none", "--content"):
        find_photographs(tmp_path / "none", 16, held_out, 0)
    (tmp_path / "empty").mkdir()
    with refused(ImageError, tmp_path / "empty"):
        find_photographs(tmp_path / "empty", 16, held_out, 0)
    with refused(ImageError, photos, "8 pictures", "8 were skipped", "data.min_side=1000"):
        find_photographs(photos, 1000, held_out, 0)


@pytest.mark.parametrize(("there", "asked", "kept"), [(8, 8, 4), (8, 5, 4), (8, 3, 3), (5, 8, 2), (2, 8, 1), (1, 8, 0)])
def test_never_more_are_held_out_than_are_left_to_train_on(there: int, asked: int, kept: int, photos: Path) -> None:
    for file in sorted(photos.iterdir())[there:]:
        file.unlink()
    found = find_photographs(photos, 16, asked, 0)
    assert (len(found.held_out), len(found.train)) == (kept, there - kept)


# ---------------------------------------------------------------------------------------------------- crops


@pytest.mark.parametrize("crop_size", [16, 40])
@pytest.mark.parametrize("size", [(16, 16), (17, 900), (900, 17), (1600, 1203), (64, 65), (33, 47), (40, 40)])
def test_crops_of_any_photograph_have_their_size_and_stay_inside(
    size: tuple[int, int], crop_size: int, tmp_path: Path
) -> None:
    flat = draw(tmp_path / "flat.png", *size, color=137)
    crops = crops_of([flat], crop_size, content_size=32, scale=(0.3, 2.0))
    for position in range(6):
        crop, path, unreadable = crops[position]
        assert crop.dtype == torch.uint8
        assert crop.shape == (3, crop_size, crop_size)
        assert (crop == 137).all()  # nothing from beyond the border
        assert (path, unreadable) == (flat, [])


def test_a_crop_shows_as_much_of_the_photograph_as_the_sizes_say(tmp_path: Path) -> None:
    """Short side 256 scaled to 64: a crop of 32 is half of it, and every crop is somewhere else."""
    ramp = draw(tmp_path / "ramp.png", 256, 256)
    crops = crops_of([ramp], crop_size=32, content_size=64, scale=(1.0, 1.0), flip=False)
    starts = []
    for position in range(20):
        red, green, _ = crops[position][0].float()
        for span in (red[0, -1] - red[0, 0], green[-1, 0] - green[0, 0]):
            assert span == pytest.approx(127 * 31 / 32, abs=4)
        starts.append((float(red[0, 0]), float(green[0, 0])))
    assert len(set(starts)) > 15
    assert min(starts)[0] < 40 < 90 < max(starts)[0]  # from one edge to the other


def test_the_scale_varies_within_its_bounds(tmp_path: Path) -> None:
    ramp = draw(tmp_path / "ramp.png", 256, 256)
    crops = crops_of([ramp], crop_size=32, content_size=64, scale=(1.0, 2.0), flip=False)
    spans = [float(red[0, -1] - red[0, 0]) for red in (crops[i][0][0].float() for i in range(30))]
    assert min(spans) == pytest.approx(64, abs=8)
    assert max(spans) == pytest.approx(127, abs=8)


def test_a_photograph_smaller_than_the_crop_is_shown_whole(tmp_path: Path) -> None:
    ramp = draw(tmp_path / "ramp.png", 20, 20)
    crop = crops_of([ramp], crop_size=48, content_size=32, flip=False)[0][0]
    assert [crop[0, 0, 0], crop[0, 0, -1], crop[1, -1, 0]] == [0, 255, 255]


@pytest.mark.parametrize("flip", [True, False])
def test_half_of_the_crops_are_mirrored_if_asked_for(flip: bool, tmp_path: Path) -> None:
    ramp = draw(tmp_path / "ramp.png", 64, 64)
    crops = crops_of([ramp], crop_size=16, flip=flip)
    mirrored = sum(int(crop[0, 0, 0] > crop[0, 0, -1]) for crop in (crops[i][0] for i in range(80)))
    assert 24 < mirrored < 56 if flip else mirrored == 0
    assert all(crop[1, 0, 0] < crop[1, -1, 0] for crop in (crops[i][0] for i in range(10)))  # never upside down


def test_batches_become_floats_in_unit_range() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(2, 3, 16, 16)
    floats = ContentBatch(images, [], []).to(torch.device("cpu"))
    assert floats.dtype == torch.float32
    assert floats.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal((floats * 255).round().to(torch.uint8), images)
    assert [floats.min(), floats.max()] == [0, 1]


# ------------------------------------------------------------------------- a pure function of seed and position


def assert_same(left: list[ContentBatch], right: list[ContentBatch]) -> None:
    assert len(left) == len(right) > 0
    for one, other in zip(left, right, strict=True):
        assert torch.equal(one.images, other.images)
        assert one.paths == other.paths


def test_workers_change_nothing(photos: Path) -> None:
    crops = crops_of(sorted(photos.iterdir()))
    assert_same(batches(crops, 0, 5), batches(crops, 0, 5, workers=2))


class Cyclic:
    itself: Cyclic


def test_workers_inherit_no_garbage(photos: Path) -> None:
    """A forked process that cleared it up might wait for threads that only its parent has."""
    gc.collect()
    gc.disable()
    try:
        cycle = Cyclic()
        cycle.itself = cycle
        left = weakref.ref(cycle)
        del cycle
        assert left() is not None
        batches(crops_of(sorted(photos.glob("*.jpg"))), 0, 1, workers=1)
        assert left() is None
    finally:
        gc.enable()


def test_large_crops_are_cut_from_as_many_pixels_as_they_have(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding for a smaller content size than the crops' would only be enlarged again."""
    asked: list[int | None] = []
    load = crops_module.load_picture

    def _load(path: Path, draft_short_side: int | None = None) -> object:
        asked.append(draft_short_side)
        return load(path, draft_short_side=draft_short_side)

    monkeypatch.setattr(crops_module, "load_picture", _load)
    crops = Crops(sorted(photos.iterdir()), 64, 24, (0.5, 1.5), False, 0)
    assert crops[0][0].shape == (3, 64, 64)
    assert asked == [64]


# ----------------------------------------------------------------------------------------------------- cards


def test_the_share_of_cards_is_the_one_asked_for_and_leaves_the_other_crops_as_they_are(photos: Path) -> None:
    files = sorted(photos.iterdir())
    plain, some = crops_of(files), crops_of(files, cards=0.25)
    drawn = [i for i in range(400) if some[i][1] not in files]
    assert 70 < len(drawn) < 130
    rest = [i for i in range(40) if i not in drawn]
    assert all(torch.equal(plain[i][0], some[i][0]) for i in rest)
    assert torch.equal(some[drawn[0]][0], crops_of(files, cards=0.25)[drawn[0]][0])


def test_cards_are_plain_as_photographs_are_not(photos: Path) -> None:
    cards = [crops_of(sorted(photos.iterdir()), 64, cards=1.0)[i][0].float() for i in range(60)]
    steps = [float((card[:, 1:] - card[:, :-1]).abs().mean()) for card in cards]
    assert max(steps) < 12  # grain and an edge
    assert min(steps) == 0
    assert len({tuple(card.mean((1, 2)).tolist()) for card in cards}) == 60
    colours = torch.stack([card.mean((1, 2)) for card in cards])
    assert colours.min() < 30
    assert colours.max() > 225


def test_starting_at_a_step_equals_skipping_to_it(photos: Path) -> None:
    crops = crops_of(sorted(photos.iterdir()))
    assert_same(batches(crops, 0, 8)[5:], batches(crops, 5, 8))


def test_global_random_state_is_neither_used_nor_touched(photos: Path) -> None:
    crops = crops_of(sorted(photos.iterdir()))
    torch.manual_seed(1)
    first = batches(crops, 0, 2)
    state = torch.get_rng_state()
    assert torch.equal(crops[5][0], crops[5][0])
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert_same(first, batches(crops, 0, 2))


def test_another_seed_gives_other_crops_and_another_order(photos: Path) -> None:
    files = sorted(photos.iterdir())
    one, other = (batches(crops_of(files, seed=seed), 0, 3) for seed in (0, 1))
    assert [batch.paths for batch in one] != [batch.paths for batch in other]
    single = [crops_of(files[:1], seed=seed)[0][0] for seed in (0, 1)]
    assert not torch.equal(*single)


def test_every_photograph_comes_once_an_epoch_cropped_anew(photos: Path) -> None:
    files = sorted(photos.iterdir())
    crops = crops_of(files)
    epochs = [[crops[8 * epoch + i] for i in range(8)] for epoch in range(3)]
    seen: dict[Path, list[Tensor]] = {file: [] for file in files}
    for epoch in epochs:
        assert sorted(path for _, path, _ in epoch) == files
        for crop, path, _ in epoch:
            seen[path].append(crop)
    assert len({tuple(path for _, path, _ in epoch) for epoch in epochs}) > 1
    assert all(not torch.equal(first, second) for first, second, _ in seen.values())


# -------------------------------------------------------------------------------------- broken on the way


@pytest.mark.parametrize("workers", [0, 2])
def test_another_photograph_stands_in_for_a_broken_one(workers: int, photos: Path) -> None:
    files = sorted(photos.iterdir())
    truncate(photos / "noise.jpg")
    (photos / "waves.jpg").unlink()  # gone since the folder was looked at
    found = batches(crops_of(files), 0, 4, workers, size=2)
    assert all(batch.images.shape == (2, 3, 32, 32) for batch in found)
    assert not {path.name for batch in found for path in batch.paths} & {"noise.jpg", "waves.jpg"}
    reasons = [text for batch in found for text in batch.unreadable]
    assert all("\n" not in text for text in reasons)
    assert {name for name in ("noise.jpg", "waves.jpg") if any(name in text for text in reasons)} == {
        "noise.jpg",
        "waves.jpg",
    }


def test_a_folder_gone_bad_ends_training(photos: Path) -> None:
    files = sorted(photos.iterdir())
    for file in files:
        truncate(file, 0.3)
    with refused(TrainingError, photos, "8"):
        crops_of(files)[0]
