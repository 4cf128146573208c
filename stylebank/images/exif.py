"""EXIF as directories of tags: what describes the photograph is taken over, what describes its old pixels is not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import ExifTags
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Directory
from PIL.TiffTags import LONG, RATIONAL, SHORT

Tags = Mapping[int, tuple[int, Any]]
"""Tag -> (type, value), as Pillow numbers types."""

PREFIX = b"Exif\0\0"
MAIN = 0
"""Key of the main directory among `IFD.Exif` and `IFD.GPSInfo`."""

_HEADS = {"little": b"II*\0\x08\0\0\0", "big": b"MM\0*\0\0\0\x08"}
_RESOLUTION = (Base.XResolution, Base.YResolution, Base.ResolutionUnit)
_SUBJECT_AREA = 0x9214  # which Pillow has no name for
# In a TIFF's main directory most tags say how pixels are stored, so what is kept is named.
_KEPT = frozenset(
    {
        *(Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist, Base.HostComputer),
        *(Base.DocumentName, Base.Copyright, Base.Rating, Base.RatingPercent),
        *(Base.XPTitle, Base.XPComment, Base.XPAuthor, Base.XPKeywords, Base.XPSubject),
    }
)
# MakerNote: its offsets count from where it lay, and it holds previews.
_DROPPED = frozenset(
    {
        *(Base.MakerNote, IFD.Interop, Base.ExifImageWidth, Base.ExifImageHeight, Base.ColorSpace, Base.Gamma),
        *(Base.ComponentsConfiguration, Base.CompressedBitsPerPixel, Base.CFAPattern, Base.SpatialFrequencyResponse),
        *(_SUBJECT_AREA, Base.SubjectLocation),
        *(Base.FocalPlaneXResolution, Base.FocalPlaneYResolution, Base.FocalPlaneResolutionUnit),
    }
)
_SRGB = 1  # of ColorSpace


def read_directories(file: BinaryIO) -> tuple[dict[int, Tags], tuple[float, float] | None, bool]:
    """What is kept of an EXIF block, or of a TIFF file, its dots per inch, and whether something in it is damaged.

    Raises:
        Exception: of nearly any kind, if there is no directory at all.
    """
    head = file.read(8)
    if head[2:3] == b"+":  # BigTIFF
        head += file.read(8)
    main = Directory(head)
    found, damaged = dict[int, Tags](), False
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always")
        file.seek(main.next)
        main.load(file)
        tags, broken = _sound(main)
        damaged |= broken
        found[MAIN] = {tag: value for tag, value in tags.items() if tag in _KEPT}
        for key in (IFD.Exif, IFD.GPSInfo):
            if key not in tags:
                continue
            part = Directory(head, group=key)
            try:
                file.seek(tags[key][1])
                part.load(file)
            except Exception:  # noqa: BLE001 - a pointer to anywhere makes Pillow raise nearly anything
                damaged = True
                continue
            inner, broken = _sound(part)
            damaged |= broken
            found[key] = {tag: value for tag, value in inner.items() if key != IFD.Exif or tag not in _DROPPED}
    return {key: tags for key, tags in found.items() if tags}, _resolution(tags), damaged or bool(noticed)


def _sound(directory: Directory) -> tuple[dict[int, tuple[int, Any]], bool]:
    """The tags that can be read and written again, and whether there are others."""
    tags, damaged = dict[int, tuple[int, Any]](), False
    for tag in sorted(directory):
        try:
            kind, value = directory.tagtype[tag], _as_stored(directory[tag])
            _filled({tag: (kind, value)}, "little").tobytes(8)
        except Exception:  # noqa: BLE001 - as above
            damaged = True
        else:
            tags[tag] = (kind, value)
    return tags, damaged


def _as_stored(value: Any) -> Any:
    """Texts as their bytes: Pillow reads any as Latin-1, and would write ASCII only."""
    if isinstance(value, tuple):
        return tuple(_as_stored(each) for each in value)
    return value.encode("latin-1") if isinstance(value, str) else value


def _filled(tags: Tags, order: str) -> Directory:
    directory = Directory(_HEADS[order])
    for tag, (kind, value) in tags.items():
        directory.tagtype[tag] = kind
        directory[tag] = value
    return directory


def _resolution(tags: Tags) -> tuple[float, float] | None:
    try:
        across, down = (float(tags[tag][1]) for tag in _RESOLUTION[:2])
        unit = tags.get(Base.ResolutionUnit, (SHORT, 2))[1]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    scale = {2: 1.0, 3: 2.54}.get(unit)
    return (across * scale, down * scale) if scale and math.isfinite(across * down) else None


def of_picture(
    directories: Mapping[int, Tags], size: tuple[int, int], dpi: tuple[float, float] | None
) -> dict[int, Tags]:
    """The directories that a picture of `size` (W, H) carries: what was kept, and what is true of its own pixels."""
    made = {key: dict(tags) for key, tags in directories.items()}
    if dpi:
        values = ((RATIONAL, dpi[0]), (RATIONAL, dpi[1]), (SHORT, 2))
        made.setdefault(MAIN, {}).update(zip(map(int, _RESOLUTION), values, strict=True))
    if made:
        own = {Base.ExifImageWidth: (LONG, size[0]), Base.ExifImageHeight: (LONG, size[1])}
        made.setdefault(IFD.Exif, {}).update({int(tag): value for tag, value in own.items()})
        made[IFD.Exif][int(Base.ColorSpace)] = (SHORT, _SRGB)
    return {**made}


def main_directory(directories: Mapping[int, Tags], order: str = "big") -> Directory:
    """The main directory; where the others will lie, it has zeros."""
    pointers = {key: (LONG, 0) for key in directories if key != MAIN}
    return _filled({**directories.get(MAIN, {}), **pointers}, order)


def part(directories: Mapping[int, Tags], key: int, offset: int, order: str = "big") -> bytes:
    """One of the other directories, to lie at `offset` (even) of the block or file."""
    data: bytes = _filled(directories[key], order).tobytes(offset)
    return data + bytes(len(data) % 2)


def block(directories: Mapping[int, Tags]) -> bytes:
    """All directories as the EXIF block of a JPEG, with its prefix; nothing if there are none."""
    if not directories:
        return b""
    main = main_directory(directories)
    start = len(_HEADS["big"])
    offset, parts = start + len(main.tobytes(start)), []
    offset += offset % 2
    padding = offset - start
    for key in directories:
        if key != MAIN:
            main[key] = offset
            parts.append(part(directories, key, offset))
            offset += len(parts[-1])
    return PREFIX + _HEADS["big"] + main.tobytes(start).ljust(padding, b"\0") + b"".join(parts)


def name_of(tag: int) -> str:
    """What a tag is called."""
    return ExifTags.TAGS.get(tag, f"tag {tag}")
