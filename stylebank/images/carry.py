"""How each format that is written carries metadata, and how much of it."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import PngImagePlugin
from PIL.TiffTags import BYTE

from stylebank.errors import StyleBankWarning
from stylebank.images import exif
from stylebank.images.metadata import Metadata

_JPEG_SEGMENT = 65533  # bytes of an APP1 segment, less its length
_JPEG_XMP = _JPEG_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0")
_TIFF_XMP = 700


def save_options(kind: str, metadata: Metadata, size: tuple[int, int], said: str) -> dict[str, Any]:
    """Options of Pillow's `save` for a format by Pillow's name and a picture of `size` (W, H).

    BMP holds a resolution only. What does not fit into a JPEG is left out, with a StyleBankWarning. A TIFF still has
    to be completed by `complete_tiff`.
    """
    options: dict[str, Any] = {}
    if metadata.dpi and kind in ("JPEG", "PNG", "TIFF", "BMP"):
        options["dpi"] = metadata.dpi if kind != "JPEG" else tuple(map(round, metadata.dpi))
    directories = exif.of_picture(metadata.directories, size, metadata.dpi)
    packet = metadata.xmp
    if kind == "TIFF":
        main = exif.main_directory(directories)
        if packet:
            main.tagtype[_TIFF_XMP] = BYTE
            main[_TIFF_XMP] = packet
        return {**options, "tiffinfo": main}
    if kind == "JPEG":
        directories = _fitting(directories, said)
        if len(packet) > _JPEG_XMP:
            _warn(f"{said}: its XMP packet of {len(packet):,} bytes is too large for a JPEG and was left out.")
            packet = b""
    if kind in ("JPEG", "PNG", "WEBP") and directories:
        options["exif"] = exif.block(directories)
    if packet and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())
    elif packet and kind in ("JPEG", "WEBP"):
        options["xmp"] = packet
    return options


def complete_tiff(data: bytes, metadata: Metadata, size: tuple[int, int]) -> bytes:
    """Puts the inner EXIF directories behind a TIFF file, where its encoder left zeros for where they lie."""
    directories = exif.of_picture(metadata.directories, size, metadata.dpi)
    inner = [key for key in directories if key != exif.MAIN]
    if not inner:
        return data
    order, mark = ("little", "<") if data[:2] == b"II" else ("big", ">")
    whole = bytearray(data)
    (first,) = struct.unpack_from(f"{mark}L", whole, 4)
    (count,) = struct.unpack_from(f"{mark}H", whole, first)
    for entry in range(first + 2, first + 2 + 12 * count, 12):
        (key,) = struct.unpack_from(f"{mark}H", whole, entry)
        if key in inner:
            whole += bytes(len(whole) % 2)
            struct.pack_into(f"{mark}L", whole, entry + 8, len(whole))
            whole += exif.part(directories, key, len(whole), order)
    return bytes(whole)


def _fitting(directories: dict[int, exif.Tags], said: str) -> dict[int, exif.Tags]:
    """What fits into a JPEG: without the largest tags, if need be."""
    left_out = []
    while len(exif.block(directories)) > _JPEG_SEGMENT:
        key, tag = max(((k, t) for k in directories for t in directories[k]), key=lambda at: _weight(directories, *at))
        directories[key] = {name: value for name, value in directories[key].items() if name != tag}
        left_out.append(exif.name_of(tag))
    if left_out:
        _warn(f"{said}: its EXIF block is too large for a JPEG; left out: {', '.join(left_out[:5])}.")
    return directories


def _weight(directories: Mapping[int, exif.Tags], key: int, tag: int) -> int:
    value = directories[key][tag][1]
    return len(value) if isinstance(value, bytes | tuple) else 1


def _warn(text: str) -> None:
    warnings.warn(text, StyleBankWarning, stacklevel=2)
