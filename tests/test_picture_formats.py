"""Every format that photographs come in is read; what is no photograph is refused with the reason."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, pixels, smooth
from PIL import Image

from stylebank.errors import ImageError
from stylebank.images import find_images, formats, load_picture, probe

LOSSLESS = ("BMP", "DDS", "ICO", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF")
ANIMATED = ("AVIF", "GIF", "MPO", "TIFF", "WEBP", "PNG")
HEIC_HEADER = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photoshop(image: Image.Image) -> bytes:
    """A PSD file without layers: header, three empty sections, planes uncompressed."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, image.height, image.width, 8, 3)
    return header + bytes(12) + struct.pack(">H", 0) + pixels(image).astype(np.uint8).transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize("kind", LOSSLESS)
def test_formats_without_loss_are_read_exactly(kind: str, tmp_path: Path) -> None:
    image = noise(16, 16)
    path = tmp_path / "photograph"
    path.write_bytes(saved(image, kind))
    assert probe(path) == (16, 16)
    np.testing.assert_array_equal(pixels(load_picture(path).rgb), pixels(image))


def test_the_flattened_picture_of_a_photoshop_file_is_read() -> None:
    image = noise(14, 10)
    np.testing.assert_array_equal(pixels(load_picture(photoshop(image)).rgb), pixels(image))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_photograph_is_read_upright(orientation: int, tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    stored = smooth(64, 48)
    turn = turned[orientation]
    upright = stored if turn is None else stored.transpose(turn)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(saved(stored, "HEIF", exif=exif.tobytes(), quality=95))
    assert find_images([tmp_path]) == [path]
    assert probe(path) == upright.size
    assert np.abs(pixels(load_picture(path).rgb) - pixels(upright)).mean() < 4


def test_without_its_plugin_a_heic_photograph_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readable = tuple(name for name in formats.READ_FORMATS if name != "HEIF")
    monkeypatch.setattr(formats, "READ_FORMATS", readable)
    monkeypatch.setattr("stylebank.images.read.READ_FORMATS", readable)
    (tmp_path / "IMG_0001.heic").write_bytes(HEIC_HEADER)
    with pytest.raises(ImageError, match=r"IMG_0001\.heic' is a HEIC picture; .*pip install 'stylebank\[heif\]'"):
        load_picture(tmp_path / "IMG_0001.heic")


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd7\xcd\xc6\x9a" + bytes(60), "WMF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"plain text, long enough to be anything", "no picture"),
    ],
)
def test_what_is_no_photograph_is_refused_with_the_reason(start: bytes, name: str) -> None:
    for read in (probe, load_picture):
        with pytest.raises(ImageError, match=name):
            read(start)


@pytest.mark.parametrize("kind", sorted({*LOSSLESS, *ANIMATED, "HEIF", "PSD"}))
def test_a_picture_cut_anywhere_is_read_or_named(kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    frames = [noise(9, 7), noise(9, 7), smooth(9, 7)]
    more = {"save_all": True, "append_images": frames[1:]} if kind in ANIMATED else {}
    whole = photoshop(frames[0]) if kind == "PSD" else saved(frames[0], kind, **more)
    refusals = []
    for end in range(len(whole)):
        try:
            load_picture(whole[:end])
        except ImageError as error:
            refusals.append(str(error))
    assert refusals
    assert not any("\n" in text for text in refusals)
    load_picture(whole)
