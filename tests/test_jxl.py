"""JPEG XL: the size is known before anything is decoded, and what is no whole file is refused in one sentence."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, pixels, smooth
from PIL import Image

from stylebank.errors import ImageError
from stylebank.images import find_images, formats, limit_megapixels, load_picture, probe
from stylebank.images.jxl import CONTAINER, size_of

SIZES = [(1, 1), (8, 8), (64, 48), (256, 256), (40, 30), (17, 1), (1, 600), (1000, 9000), (300, 200)]


def bits(*numbers: tuple[int, int]) -> bytes:
    """(number, how many bits) in order, the lowest bits first, behind the codestream's signature."""
    value = place = 0
    for number, count in numbers:
        value |= number << place
        place += count
    return b"\xff\x0a" + value.to_bytes(20, "little")


def box(kind: bytes, data: bytes) -> bytes:
    return (8 + len(data)).to_bytes(4, "big") + kind + data


def encoded(image: Image.Image, **options: object) -> bytes:
    pytest.importorskip("pillow_jxl", reason="the extra jxl is not installed")
    file = io.BytesIO()
    image.save(file, "JXL", lossless=True, effort=1, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (bits((1, 1), (5, 5), (0, 3), (7, 5)), (64, 48)),
        (bits((1, 1), (5, 5), (3, 3)), (64, 48)),
        (bits((0, 1), (0, 2), (99, 9), (0, 3), (1, 2), (4999, 13)), (5000, 100)),
        (bits((0, 1), (3, 2), (2**30 - 1, 30), (7, 3)), (2**31, 2**30)),
        (bits((0, 1), (2, 2), (99_999, 18), (2, 3)), (120_000, 100_000)),
    ],
)
def test_the_size_is_read_from_the_header(header: bytes, size: tuple[int, int]) -> None:
    assert size_of(io.BytesIO(header)) == size
    for boxes in (box(b"jxlc", header), box(b"Exif", bytes(99)) + box(b"jxlp", b"\0\0\0\0" + header)):
        assert size_of(io.BytesIO(CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ") + boxes)) == size
    large = (1).to_bytes(4, "big") + b"jxlc" + (16 + len(header)).to_bytes(8, "big") + header
    assert size_of(io.BytesIO(CONTAINER + large)) == size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("container", [False, True])
def test_it_is_that_of_real_files(size: tuple[int, int], container: bool) -> None:
    data = encoded(Image.new("RGB", size), use_container=container)
    assert data.startswith(CONTAINER if container else b"\xff\x0a")
    assert size_of(io.BytesIO(data)) == size


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_pictures_are_read_exactly(mode: str, tmp_path: Path) -> None:
    image = noise(33, 21, 4).convert(mode)
    path = tmp_path / "a.jxl"
    path.write_bytes(encoded(image))
    assert find_images([tmp_path]) == [path]
    picture = load_picture(path)
    assert probe(path) == picture.rgb.size == (33, 21)
    np.testing.assert_array_equal(pixels(picture.rgb), pixels(image.convert("RGBA").convert("RGB")))
    assert (picture.alpha is not None) is ("A" in mode)


def test_exif_is_kept_but_turns_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    data = encoded(smooth(64, 48), exif=exif.tobytes())
    picture = load_picture(data, with_metadata=True)
    assert picture.rgb.size == probe(data) == (64, 48)  # a decoder turns by the codestream's own, and has done so
    assert 0x010F in picture.metadata.directories[0]


def test_the_limit_holds_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    jxl = pytest.importorskip("pillow_jxl.JpegXLImagePlugin", reason="the extra jxl is not installed")

    def decoder(**_: object) -> None:
        raise AssertionError("decoded")

    data = encoded(Image.new("RGB", (300, 200)), use_container=True)
    monkeypatch.setattr(jxl, "Decoder", decoder)
    with limit_megapixels(0.05):
        for read in (probe, load_picture):
            with pytest.raises(ImageError, match=r"300x200 pixels.*--max-megapixels 1"):
                read(data)
    with pytest.raises(ImageError, match="megapixels"):
        load_picture(bits((0, 1), (3, 2), (2**30 - 1, 30), (7, 3)))


@pytest.mark.parametrize("container", [False, True])
def test_a_file_cut_or_changed_anywhere_is_read_or_refused_in_one_sentence(container: bool) -> None:
    data = encoded(smooth(24, 17), use_container=container)
    rng = np.random.default_rng(0)
    cases = [data[:length] for length in range(1, len(data))]
    for _ in range(100):
        changed = bytearray(data)
        for at in rng.integers(2, len(data), 3):
            changed[at] = rng.integers(256)
        cases.append(bytes(changed))
    refused = []
    with limit_megapixels(1):
        for case in cases:
            try:
                load_picture(case)
            except ImageError as error:
                refused.append(str(error))
    assert refused
    assert not any("\n" in text for text in refused)


@pytest.mark.parametrize("start", [b"\xff\x0a" + bytes(30), CONTAINER + bytes(30)])
def test_without_the_plugin_it_is_named(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    readable = tuple(name for name in formats.READ_FORMATS if name != "JXL")
    monkeypatch.setattr(formats, "READ_FORMATS", readable)
    monkeypatch.setattr("stylebank.images.read.READ_FORMATS", readable)
    with pytest.raises(ImageError, match=r"a JPEG XL picture; .*pip install 'stylebank\[jxl\]'"):
        load_picture(start)
