"""The limit of pictures: one number for photographs, masks, frames and what pictures are scaled to."""

from __future__ import annotations

import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from films import make_film
from hostile import claiming
from hostile_films import gif
from PIL import Image
from tiny import config_file, fail, paint, succeed, write_bank

from stylebank.errors import ConfigError, ImageError, StyleBankError
from stylebank.images import (
    DEFAULT_MEGAPIXELS,
    LIMIT_VARIABLE,
    limit_megapixels,
    load_picture,
    max_megapixels,
    probe,
    resize_short_side,
)
from stylebank.images.limit import as_large_as
from stylebank.inference.masks import load_mask
from stylebank.training.crops import Crops
from stylebank.training.loading import content_loader
from stylebank.training.photographs import find_photographs
from stylebank.video import open_reader

SMALL = 0.003  # megapixels: 64x48 are more, 48x40 less


@pytest.fixture(autouse=True)
def _no_other_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT_VARIABLE, raising=False)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return paint(tmp_path / "large", "large", size=(64, 48)) / "large.png"


# ----------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("read", [load_picture, probe, load_mask])
def test_a_picture_beyond_the_limit_is_refused_by_name_size_and_flag(read: object, large: Path) -> None:
    assert callable(read)
    with Image.open(large) as picture:
        picture.convert("L").save(large)  # of masks, colours are refused
    with limit_megapixels(SMALL):
        with refused(ImageError, large, "64x48", "0.003", "--max-megapixels 1"):
            read(large)
        with limit_megapixels(1):
            read(large)
        with refused(ImageError, "0.003"):
            read(large)
    read(large)
    assert max_megapixels() == DEFAULT_MEGAPIXELS
    assert LIMIT_VARIABLE not in os.environ


def test_it_stands_in_place_of_pillows_limit_which_stays_as_it_is(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always")
        assert load_picture(large).rgb.size == (64, 48)
        with limit_megapixels(SMALL), refused(ImageError, "64x48"):
            load_picture(large)
    assert noticed == []
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_picture_of_200_megapixels_is_read_without_asking(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "PNG")
    (tmp_path / "large.png").write_bytes(claiming("PNG", buffer.getvalue(), 20_000, 10_000))
    assert probe(tmp_path / "large.png") == (20_000, 10_000)
    with refused(ImageError, "damaged or cut short"):  # not: too large
        load_picture(tmp_path / "large.png")


def test_scaling_up_is_limited_too(tmp_path: Path) -> None:
    line = Image.new("RGB", (1, 60_000))
    with refused(ImageError, "1x60000", "512x30720000", "15,729 megapixels"):
        resize_short_side(line, 512)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "many", ""])
def test_limits_that_are_none_are_refused(value: str, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, value)
    with refused(ConfigError, f"'{value}'"):
        load_picture(large)


# ------------------------------------------------------------------------------------------------------- frames


def test_frames_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", 2)
    frames = [Image.new("RGB", (64, 48), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "animation.gif", save_all=True, append_images=frames[1:])
    for source in (film, tmp_path / "animation.gif"):
        assert len(list(open_reader(source))) == 2
        with limit_megapixels(SMALL), refused(ImageError, source, "64x48", "--max-megapixels"):
            open_reader(source)


def test_a_film_that_grows_beyond_the_limit_on_the_way_is_refused(tmp_path: Path) -> None:
    grays = [np.full((48, 48, 3), index, np.uint8) for index in range(200)]  # longer than what FFmpeg looks at first
    parts = [make_film(tmp_path / "48.ts", 200, size=(48, 48), pictures=grays)]
    parts += [make_film(tmp_path / "128.ts", 3, size=(128, 128))]
    film = tmp_path / "film.ts"
    film.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert {frame.size for frame in open_reader(film)} == {(48, 48)}  # scaled to the first one's
    with limit_megapixels(SMALL):
        reader = open_reader(film)
        with refused(StyleBankError, film):
            list(reader)


# ---------------------------------------------------------------------------------------- threads and processes


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_decode_photographs_know_the_limit(
    tmp_path: Path, large: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not {method}")
    monkeypatch.setattr(torch.multiprocessing, "get_context", lambda wanted=None: _context(wanted or method))
    small = paint(tmp_path / "small", "small") / "small.png"
    crops = Crops([large, small], 32, 40, (1.0, 1.0), False, 0)
    with limit_megapixels(SMALL):
        batches = list(content_loader(crops, 2, range(1), 1, pin_memory=False))
    assert [path.name for path in batches[0].paths] == ["small.png"] * 2
    assert "--max-megapixels" in batches[0].unreadable[0]


_context = torch.multiprocessing.get_context


def test_threads_know_the_limit(large: Path) -> None:
    paint(large.parent, "small")
    with limit_megapixels(SMALL):
        found = find_photographs(large.parent, 16, 0, 0)
    assert [path.name for path in found.train] == ["small.png"]
    assert "64x48" in found.skipped[0]
    seen: list[float] = []
    with limit_megapixels(7):
        thread = threading.Thread(target=lambda: seen.append(max_megapixels()))
        thread.start()
        thread.join()
    assert seen == [7]


# ----------------------------------------------------------------------------------------------------- commands


def test_every_command_takes_the_flag(
    tmp_path: Path, large: Path, random_vgg_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank, small = write_bank(tmp_path / "bank", "calm"), paint(tmp_path / "small", "small")
    calm = paint(tmp_path / "calm", "calm", size=(64, 48))
    tiny = config_file(tmp_path / "tiny.yaml", "train.steps=1", "data.held_out=0")
    stylize = ["stylize", "--bank", bank, "--style", "calm", "--input", large, "--output", tmp_path / "out.png"]
    stylize += ["--precision", "float32"]
    masked = [*stylize[:5], "--input", small / "small.png", *stylize[7:], "--mask", f"calm={large}"]
    train = ["train", "--config", tiny, "--content", small, "--styles", large, "--loss-weights", random_vgg_weights]
    optimize = ["optimize", "--content", large, "--style", small / "small.png", "--output", tmp_path / "o.png"]
    optimize += ["--preset", "gatys"]
    evaluate = ["evaluate", "--bank", bank, "--content", large, "--styles", calm, "--out", tmp_path / "report"]
    weights = ["--loss-weights", random_vgg_weights]
    for command in (stylize, masked, [*train, "--out", tmp_path / "run"], [*optimize, *weights], [*evaluate, *weights]):
        fail(capsys, *command, "--max-megapixels", SMALL, mentions=["64x48", "0.003", "--max-megapixels"])
    succeed(capsys, *stylize, "--max-megapixels", "0.004")


def test_a_flag_that_is_no_number_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        succeed(capsys, "stylize", "--list", "--max-megapixels", "many")
    assert left.value.code == 2
    assert "'many' is no limit for pictures" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["gif", "webp", "apng"])
def test_pillows_own_limit_holds_for_no_frame_of_an_animation(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{kind}"
    frames = [Image.fromarray(np.full((12, 16, 3), 40 * i, np.uint8)) for i in range(4)]
    frames[0].save(path, "PNG" if kind == "apng" else None, save_all=True, append_images=frames[1:], disposal=2)
    if kind == "gif":  # the last frames lie partly outside
        path.write_bytes(gif((2, 2), (0, 0, 1), (15, 11, 1), (3, 3, 1), (15, 2, 2)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16 * 12 // 8)
    shapes = {frame.rgb.shape for frame in open_reader(path)}
    assert shapes == {(12, 16, 3)}
    assert Image.MAX_IMAGE_PIXELS == 16 * 12 // 8


def test_pillows_own_limit_holds_for_no_tile_of_a_tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_picture(tmp_path / "a.tif").rgb.size == (64, 48)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_pillows_limit_comes_back_when_the_last_thread_is_through() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with as_large_as((10**6, 10**6)):
        assert Image.MAX_IMAGE_PIXELS is None
        with as_large_as((10**6, 10**6)):
            pass
        assert Image.MAX_IMAGE_PIXELS is None
    assert before == Image.MAX_IMAGE_PIXELS
    with as_large_as((10, 10)):
        assert before == Image.MAX_IMAGE_PIXELS
