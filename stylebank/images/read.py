"""Reading picture files: upright 8-bit sRGB whatever is in them, or one clear error."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from stylebank.errors import ImageError, StyleBankError
from stylebank.images.convert import split_alpha, to_srgb
from stylebank.images.formats import RAW_SUFFIXES, READ_FORMATS, why_unread
from stylebank.images.limit import as_large_as, open_limited
from stylebank.images.metadata import NO_METADATA, Metadata, read_metadata
from stylebank.images.sources import PictureSource, Source

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_XMP_KEYWORD = b"XML:com.adobe.xmp"


@dataclass(frozen=True)
class Picture:
    """A picture as read: `rgb` (mode RGB) is upright sRGB, `alpha` (mode L, same size) as in the file."""

    rgb: Image.Image
    alpha: Image.Image | None = None
    path: Path | None = None
    metadata: Metadata = NO_METADATA
    """As `load_picture` was asked for it."""


def probe(path: PictureSource) -> tuple[int, int]:
    """Upright (width, height) from the file's header, without decoding pixels. Raises ImageError."""
    source = Source.of(path)
    with _opened(source) as image:
        width, height = image.size
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # its `size` is already turned, its EXIF is not
            width, height = image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
        return (height, width) if _orientation(image, source) >= 5 else (width, height)


def load_picture(path: PictureSource, draft_short_side: int | None = None, *, with_metadata: bool = False) -> Picture:
    """Read a picture as upright 8-bit sRGB, with its alpha kept aside; of an animation, the first frame.

    From a path, from a file's bytes, or from a file open for reading bytes, which is read from where it stands to its
    end and left open.

    16-bit grey is scaled, not clipped. 32-bit integers and floats have no agreed white: it is the smallest
    of 255, 65535, full range (integers) or of 1, 255 (floats) that holds the brightest pixel. A broken colour
    profile is ignored; colours under transparent pixels stay as stored. `draft_short_side` lets JPEG decode
    at 1/2, 1/4 or 1/8 scale, never to a short side below it (pixels). `with_metadata` reads EXIF, XMP and resolution
    too; what is damaged of these is left out, with a StyleBankWarning. Raises ImageError.
    """
    source = Source.of(path)
    with _opened(source) as image:
        if draft_short_side is not None:
            image.draft(None, (max(1, draft_short_side),) * 2)
        with as_large_as(image.size):
            image.load()
        color, alpha = split_alpha(image)
        rgb = to_srgb(color, image.info.get("icc_profile"))
        metadata = read_metadata(image, source) if with_metadata else NO_METADATA
        turn = _TURNS.get(_orientation(image, source))
        if turn is not None:
            rgb, alpha = rgb.transpose(turn), alpha.transpose(turn) if alpha else None
    rgb.info = {}
    if alpha:
        alpha.info = {}
    return Picture(rgb, alpha, source.path, metadata)


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """The opened file; every failure inside the `with` becomes an ImageError of one sentence."""
    said = source.said
    if source.path is not None and source.path.suffix.lower() in RAW_SUFFIXES:
        raise ImageError(f"{said} is a camera's raw file, which is not read: develop it to JPEG, PNG or TIFF first")
    with warnings.catch_warnings():
        # Narrow on purpose: in threads a filter may outlive its block, and must then hide nothing else.
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        try:
            with closing(source.open()) as file, open_limited(file, said, READ_FORMATS) as image:
                yield image
        except StyleBankError:  # the limit's
            raise
        except UnidentifiedImageError as error:
            raise ImageError(f"{said} is {why_unread(_header(source))}") from error
        except MemoryError as error:
            raise ImageError(f"{said} does not fit into memory") from error
        except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
            if isinstance(error, OSError) and error.strerror:
                raise ImageError(f"{said} cannot be read: {error.strerror}") from error
            reason = " ".join(str(error).split())  # libheif's end in a new line
            raise ImageError(f"{said} is damaged or cut short: {reason}") from error


def _header(source: Source) -> bytes:
    with suppress(OSError), closing(source.open()) as file:
        return file.read(32)
    return b""


def _orientation(image: Image.Image, source: Source) -> int:
    """Orientation 1 to 8, of EXIF, else XMP; damaged ones count as upright. TIFF turns itself on load, then says 1."""
    if image.format == "JXL" and not getattr(image, "jpeg", False):  # its decoder turned it; EXIF's is of no account
        return 1
    try:
        if isinstance(image, PngImagePlugin.PngImageFile):
            if _png_has_metadata(source):  # maybe behind the pixels, which are decoded only then
                image.load()
            exif = Image.Image.getexif(image)
        else:
            exif = image.getexif()
        value = exif.get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged metadata, too, makes Pillow raise nearly anything
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_has_metadata(source: Source) -> bool:
    with source.open() as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return True
            read = file.read(min(length, len(_XMP_KEYWORD))) if kind == b"iTXt" else b""
            if read == _XMP_KEYWORD:
                return True
            file.seek(length - len(read) + 4, os.SEEK_CUR)
    return False
