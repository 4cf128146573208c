"""Which formats of picture are read and written, and their suffixes."""

from __future__ import annotations

from PIL import Image

# Only these are ever opened: Pillow would otherwise start Ghostscript for whatever looks like PostScript.
_WANTED = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")
_SUFFIX_FORMATS = Image.registered_extensions()  # also loads every plugin, so that Image.OPEN is complete
READ_FORMATS: tuple[str, ...] = tuple(name for name in _WANTED if name in Image.OPEN)
"""Pillow's names of the formats that are read."""

IMAGE_SUFFIXES: frozenset[str] = frozenset(s for s, name in _SUFFIX_FORMATS.items() if name in READ_FORMATS)
"""Suffixes (lower case, with dot) of the pictures taken from folders and globs."""

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
