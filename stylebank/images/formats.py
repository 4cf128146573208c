"""Which formats of picture are read and written, and their suffixes."""

from __future__ import annotations

from contextlib import suppress

from PIL import Image

from stylebank.images.jxl import is_jxl

# Only these are ever opened: Pillow would otherwise start Ghostscript for whatever looks like PostScript. A plugin that
# decodes before it tells the size, as JPEG XL's, needs one that tells it first, or no limit would hold: see `limit`.
_WANTED = (
    *("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000", "HEIF", "JXL"),
    *("PSD", "TGA", "PCX", "ICO", "SGI", "DDS", "QOI"),
)
_HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)  # ISO 23008-12, annex B
_HEADER = 32  # bytes that tell the kind of a file
_DRAWINGS = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"<svg": "SVG",
}

with suppress(ImportError):  # the extra `heif`; its absence is told when a file needs it
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)

with suppress(ImportError):  # the extra `jxl`, likewise; importing it is enough
    import pillow_jxl  # noqa: F401

_SUFFIX_FORMATS = Image.registered_extensions()  # also loads every plugin, so that Image.OPEN is complete
READ_FORMATS: tuple[str, ...] = tuple(name for name in _WANTED if name in Image.OPEN)
"""Pillow's names of the formats that are read."""

IMAGE_SUFFIXES: frozenset[str] = (
    _HEIF_SUFFIXES | {".jxl"} | {s for s, name in _SUFFIX_FORMATS.items() if name in READ_FORMATS}
)
"""Suffixes (lower case, with dot) of the pictures taken from folders and globs."""

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"}
)
"""Suffixes of cameras' raw files. Most are TIFF to Pillow, which would read the thumbnail in them."""

UNREAD_SUFFIXES: frozenset[str] = (
    RAW_SUFFIXES
    | {s for s, name in _SUFFIX_FORMATS.items() if name in _WANTED}
    | {".avif", ".jp2", ".webp", ".jxr", ".svg", ".svgz", ".eps", ".wmf", ".xcf", ".kra", ".exr", ".hdr"}
) - IMAGE_SUFFIXES
"""Suffixes of pictures that are not read here; in a folder they are told, not passed over."""

SAVE_FORMATS: dict[str, str] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""Suffixes that `save_picture` writes, with Pillow's name of the format."""


def why_unread(header: bytes) -> str:
    """What to say of a file that none of `READ_FORMATS` fits, by its first bytes; follows "FILE is "."""
    header = header[:_HEADER]
    if header[4:8] == b"ftyp" and header[8:12] in _HEIF_BRANDS and "HEIF" not in READ_FORMATS:
        return "a HEIC picture; to read those, install pillow-heif: pip install 'stylebank[heif]'"
    if is_jxl(header) and "JXL" not in READ_FORMATS:
        return "a JPEG XL picture; to read those, install pillow-jxl-plugin: pip install 'stylebank[jxl]'"
    for start, name in _DRAWINGS.items():
        if header.startswith(start):
            return f"{name}, a drawing and no picture: export it as PNG"
    return f"no picture; valid formats are {', '.join(READ_FORMATS)}"
