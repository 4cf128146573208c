"""Writing picture files: all of a file or nothing, with the metadata that is given and no other."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from stylebank.errors import ImageError, StyleBankError
from stylebank.files import new_file
from stylebank.images.carry import complete_tiff, save_options
from stylebank.images.convert import srgb_profile
from stylebank.images.formats import SAVE_FORMATS
from stylebank.images.metadata import Metadata


def save_picture(
    image: Image.Image,
    path: str | Path | BinaryIO,
    *,
    alpha: Image.Image | None = None,
    overwrite: bool = False,
    quality: int = 95,
    suffix: str | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Write `image` (mode RGB or L, sRGB) in the format of the suffix (`SAVE_FORMATS`), all of it or nothing.

    `path` may be a file open for writing bytes, which stays open; then `suffix` (`.png`) says the format.
    `alpha` (mode L, same size) goes into PNG, WebP and TIFF; for JPEG and BMP the picture is laid on white.
    `quality`, 1 to 100, is that of JPEG (4:4:4) and WebP. `metadata` is a photograph's (`Picture.metadata`), as far as
    the format can hold it; what does not fit is left out, with a StyleBankWarning. Missing folders are made.
    Raises ImageError for an unknown suffix, an existing file without `overwrite` or a picture the format cannot hold,
    StyleBankError for a disk that fails or is full.
    """
    if not isinstance(path, str | Path):
        said = f"'{name}'" if isinstance(name := getattr(path, "name", None), str) else "the open file"
        _check(image, alpha, quality, said)
        data = _encode(image, alpha, suffix or "", quality, metadata, said)
        try:
            path.write(data)
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StyleBankError(f"{said} could not be written ({reason}).") from error
        return
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    _check(image, alpha, quality, f"'{path}'")
    # In memory: the disk is touched only once encoding has succeeded.
    data = _encode(image, alpha, path.suffix, quality, metadata, f"'{path}'")
    with new_file(path) as temporary:
        temporary.write_bytes(data)


def _check(image: Image.Image, alpha: Image.Image | None, quality: int, said: str) -> None:
    if image.mode not in ("RGB", "L"):
        raise ImageError(f"{said} cannot hold an image of mode {image.mode}; valid modes are RGB and L")
    if alpha is not None and (alpha.mode != "L" or alpha.size != image.size):
        raise ImageError(f"{said}: alpha is {alpha.mode} {alpha.size}, valid is L {image.size}")
    if not 1 <= quality <= 100:
        raise ImageError(f"{said}: quality {quality} is out of range; valid is 1 to 100")


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Raise ImageError, before any work is done, if `save_picture` would refuse this path."""
    path = Path(path)
    _format_of(path.suffix, f"'{path}'")
    try:
        if path.is_dir():
            raise ImageError(f"'{path}' is a folder; name a picture file to write")
        if path.exists() and not overwrite:
            raise ImageError(f"'{path}' exists; pass --overwrite to replace it")
        nearest = next((parent for parent in path.parents if parent.exists()), None)
        if nearest is not None and not nearest.is_dir():
            raise ImageError(f"'{path}' cannot be written: '{nearest}' is not a folder")
    except OSError as error:  # a name too long, a folder that may not be entered
        raise ImageError(f"'{path}' cannot be written: {error.strerror or error}") from error


def _format_of(suffix: str, said: str) -> str:
    """Pillow's name of the format with this suffix. Raises ImageError."""
    if suffix.lower() not in SAVE_FORMATS:
        raise ImageError(f"{said} has no suffix that can be written; valid are {' '.join(SAVE_FORMATS)}")
    return SAVE_FORMATS[suffix.lower()]


def _encode(
    image: Image.Image,
    alpha: Image.Image | None,
    suffix: str,
    quality: int,
    metadata: Metadata | None,
    said: str,
) -> bytes:
    """The whole file as bytes."""
    kind = _format_of(suffix, said)
    by_kind: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality, "exact": True},  # exact: keep the colours under transparent pixels
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }
    options = by_kind.get(kind, {}) | (save_options(kind, metadata, image.size, said) if metadata else {})
    if image.mode == "RGB" and kind != "BMP":
        options["icc_profile"] = srgb_profile()
    plain = image.copy()
    plain.info = {}  # Pillow would write what it finds there (transparency, text, resolution)
    if alpha is not None and kind in ("JPEG", "BMP"):
        plain = Image.composite(plain, Image.new(plain.mode, plain.size, "white"), alpha)
    elif alpha is not None:
        plain.putalpha(alpha)
    buffer = io.BytesIO()
    try:
        plain.save(buffer, format=kind, **options)
    except (OSError, ValueError, RuntimeError, MemoryError, struct.error) as error:
        size = f"{image.width}x{image.height}"
        raise ImageError(f"{said} ({size} pixels) cannot be encoded as {kind}: {error}") from error
    data = buffer.getvalue()
    return complete_tiff(data, metadata, image.size) if metadata and kind == "TIFF" else data
