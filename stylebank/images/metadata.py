"""What a photograph's file says of it apart from its pixels: date, camera, place, author, resolution."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from stylebank.errors import StyleBankWarning
from stylebank.images import exif, xmp
from stylebank.images.sources import Source

_RAW_PROFILE = "Raw profile type exif"  # in PNG files of older programs
_DENSEST = 65535  # dots per inch, what JPEG can say


@dataclass(frozen=True)
class Metadata:
    """EXIF, XMP and resolution of a photograph, without what describes its old pixels.

    What is not there any more: orientation (pixels are upright), the thumbnail, sizes (written anew), the maker's note,
    how pixels were stored, and where in the picture things are. Colour profiles are no part of it: pixels are sRGB.
    """

    directories: Mapping[int, exif.Tags] = field(default_factory=dict)
    """Of EXIF: `exif.MAIN`, `IFD.Exif` and `IFD.GPSInfo`, each tag -> (type, value)."""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    """Dots per inch, across and down."""


NO_METADATA = Metadata()


def read_metadata(image: Image.Image, source: Source) -> Metadata:
    """The metadata of an opened picture whose pixels are decoded (PNG may have some behind them).

    What is damaged is left out, with a StyleBankWarning.
    """
    directories, dpi = _exif(image, source)
    return Metadata(directories, _xmp(image, source.said), _sensible(image.info.get("dpi")) or _sensible(dpi))


def _exif(image: Image.Image, source: Source) -> tuple[dict[int, exif.Tags], tuple[float, float] | None]:
    try:
        file = _exif_file(image, source)
        if file is None:
            return {}, None
        with closing(file):
            directories, dpi, damaged = exif.read_directories(file)
    except Exception:  # noqa: BLE001 - damaged metadata makes Pillow raise nearly anything
        _warn(f"{source.said}: its EXIF block is damaged and was left out.")
        return {}, None
    if damaged:
        _warn(f"{source.said}: its EXIF block is damaged; what cannot be read of it was left out.")
    return directories, dpi


def _exif_file(image: Image.Image, source: Source) -> BinaryIO | None:
    """Where directories of tags begin: the block, or a whole TIFF file; None if there are none."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return source.open()
    data = image.info.get("exif")
    if data is None and isinstance(profile := image.info.get(_RAW_PROFILE), str):
        data = bytes.fromhex("".join(profile.split("\n")[3:]))
    while isinstance(data, bytes) and data.startswith(exif.PREFIX):
        data = data.removeprefix(exif.PREFIX)
    return io.BytesIO(data) if data else None


def _xmp(image: Image.Image, said: str) -> bytes:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not packet:
        return b""
    try:
        return xmp.without_pixels(packet.encode() if isinstance(packet, str) else packet)
    except Exception:  # noqa: BLE001 - what is no XML may be anything
        _warn(f"{said}: its XMP packet is damaged and was left out.")
        return b""


def _sensible(dpi: object) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(value) and 1 <= value <= _DENSEST for value in (across, down)) else None


def _warn(text: str) -> None:
    warnings.warn(text, StyleBankWarning, stacklevel=2)
