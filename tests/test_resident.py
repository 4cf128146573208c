"""Photographs kept in a device's memory: the crops that decoding them anew would make, at every position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import refused
from PIL import Image
from test_data import crops_of
from tiny import assert_same_state, paint, signal_at, trainer
from torch.overrides import TorchFunctionMode

from stylebank.errors import ConfigError, TrainingError
from stylebank.training import resident
from stylebank.training.resident import ResidentCrops, bytes_of, wants_resident
from stylebank.training.trainer import Trainer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def smooth(folder: Path, count: int = 5) -> list[Path]:
    """Photographs without fine detail, of different sizes: (100 + 10 n) x 90."""
    folder.mkdir(exist_ok=True)
    files = []
    for n in range(count):
        x, y = np.meshgrid(np.linspace(0, 1, 100 + 10 * n), np.linspace(0, 1, 90))
        pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(5 * x + 3 * y + n)], -1)
        files.append(folder / f"{n}.png")
        Image.fromarray((pixels * 255).astype(np.uint8)).save(files[-1])
    return files


@pytest.mark.parametrize("cards", [0.0, 0.5])
def test_crops_are_those_of_the_files(tmp_path: Path, cards: float) -> None:
    """Up to rounding to whole pixels; from the same photographs, mirrored alike, and cards to the bit."""
    crops = crops_of(smooth(tmp_path / "photos"), crop_size=24, content_size=60, scale=(0.5, 1.2), cards=cards)
    kept = ResidentCrops(crops, CPU)
    drawn = 0
    for position in range(40):
        expected, path, _ = crops[position]
        found, own = kept.at(crops, position, crops.card(position))
        assert (own, found.shape, found.dtype) == (path, expected.shape, torch.uint8)
        if crops.card(position) is not None:
            assert torch.equal(found, expected)
            drawn += 1
        assert (found.float() - expected.float()).abs().mean() < 3  # of 255; a pixel is up to 4.5 at this slope
    assert (drawn > 5) == bool(cards)


def test_fine_detail_is_averaged_when_a_crop_is_made_smaller(tmp_path: Path) -> None:
    board = (np.indices((96, 96)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).convert("RGB").save(tmp_path / "board.png")
    crops = crops_of([tmp_path / "board.png"], crop_size=20, content_size=96, scale=(0.4, 1.0))
    kept = ResidentCrops(crops, CPU)
    deviations = {True: list[float](), False: list[float]()}
    for position in range(60):
        (left, _, right, _), _ = crops.place(position, (96, 96))
        deviations[right - left > 36].append(kept.at(crops, position, crops.card(position))[0].float().std().item())
    assert max(deviations[True]) < 60  # of 127.5, which half of the pixels have
    assert max(deviations[False]) > 60


def test_batches_are_a_pure_function_of_the_position(tmp_path: Path) -> None:
    crops = crops_of(smooth(tmp_path / "photos"), cards=0.3)
    kept = ResidentCrops(crops, CPU)
    whole = [*kept.batches(crops, 4, range(6), 0, range(4))]
    later = [*ResidentCrops(crops, CPU).batches(crops, 4, [4, 2], 2, range(1, 3))]
    for batch, number in zip(later, (4, 2), strict=True):
        assert torch.equal(batch.images, whole[number].images[1:3])
        assert batch.paths == whole[number].paths[1:3]
    assert whole[0].to(CPU).dtype == torch.float32
    assert whole[0].to(CPU).is_contiguous(memory_format=torch.channels_last)


def test_damaged_photographs_are_passed_over_as_in_files(tmp_path: Path) -> None:
    files = smooth(tmp_path / "photos")
    files[1].write_bytes(b"nothing")
    files[2].unlink()
    crops = crops_of(files)
    kept = ResidentCrops(crops, CPU)
    assert len(kept.unreadable) == 2
    assert [kept.at(crops, i, crops.card(i))[1] for i in range(20)] == [crops[i][1] for i in range(20)]
    for file in files:
        file.unlink(missing_ok=True)
    with refused(TrainingError, "None of the 5 photographs"):
        ResidentCrops(crops, CPU)


def test_no_more_is_kept_than_crops_need(tmp_path: Path) -> None:
    crops = crops_of(smooth(tmp_path / "photos"), crop_size=24, content_size=30, scale=(0.5, 1.0))
    kept = ResidentCrops(crops, CPU)
    assert [min(photograph.shape[1:]) for photograph in kept.photographs if photograph is not None] == [30] * 5
    assert kept.bytes == pytest.approx(bytes_of(crops), rel=0.02)


def test_a_gpu_keeps_them_where_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crops = crops_of(smooth(tmp_path / "photos"))
    free = 4 * bytes_of(crops)
    monkeypatch.setattr(resident, "available_memory", lambda device: free)
    assert [wants_resident("auto", crops, device) for device in (CUDA, CPU)] == [True, False]
    assert [wants_resident(wish, crops, CPU) for wish in (True, False)] == [True, False]
    free -= 4
    assert not wants_resident("auto", crops, CUDA)
    assert wants_resident(True, crops, CUDA)
    free //= 5
    with refused(ConfigError, "data.in_memory", "5 photographs", "GB are free"):
        wants_resident(True, crops, CUDA)
    wide = crops_of(smooth(tmp_path / "photos"), scale=(0.01, 1.0))
    assert not wants_resident("auto", wide, CUDA)
    with refused(ConfigError, "data.in_memory", "data.scale", "0.01"):
        wants_resident(True, wide, CPU)


# ----------------------------------------------------------------------------------------------------- training


@pytest.fixture
def make(photos: Path, random_vgg_weights: Path, tmp_path: Path) -> Callable[..., Trainer]:
    styles = paint(tmp_path / "styles", "calm", "storm")

    def _make(name: str, *overrides: str, **options: Any) -> Trainer:
        few = ("data.held_out=0", "train.preview_every=0", "data.in_memory=true")
        return trainer(photos, styles, random_vgg_weights, tmp_path / name, *few, *overrides, **options)

    return _make


def test_runs_go_on_bit_by_bit_and_need_no_file_any_more(
    make: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: Path
) -> None:
    keys = ("train.crop_size=48", "train.small_crop_steps=3", "data.cards=0.2")
    assert make("straight", *keys).fit()
    with monkeypatch.context() as patch:
        signal_at(patch, 4)
        assert not make("stopped", *keys).fit()
    resumed = make("stopped", *keys)
    resumed.run.resume()

    def step_ends(*_: object) -> None:
        for file in photos.iterdir():
            file.unlink()

    resumed.hooks.step_ends = step_ends  # type: ignore[method-assign]
    assert resumed.fit()
    assert_same_state(tmp_path / "straight", tmp_path / "stopped")


def test_making_a_batch_reads_nothing_back(tmp_path: Path) -> None:
    crops = crops_of(smooth(tmp_path / "photos"))
    kept = ResidentCrops(crops, CPU)

    class Reading(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            assert getattr(func, "__name__", "") not in ("item", "tolist", "cpu", "numpy", "__bool__", "__int__")
            return func(*args, **(kwargs or {}))

    with Reading():
        [*kept.batches(crops, 4, range(3), 0, range(4))]
