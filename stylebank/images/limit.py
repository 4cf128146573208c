"""How large pictures may be: a few hundred bytes can claim, and fill the memory with, any number of pixels."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from stylebank.errors import ConfigError, ImageError
from stylebank.images.jxl import CONTAINER, is_jxl, size_of

DEFAULT_MEGAPIXELS = 250.0
"""Millions of pixels: room for the largest cameras and scans, in less than 1 GB for the decoded picture."""

LIMIT_VARIABLE = "STYLEBANK_MAX_MEGAPIXELS"
"""Environment variable that holds another limit: processes that decode photographs inherit it, however started."""


def max_megapixels() -> float:
    """The limit in force, in millions of pixels. Raises ConfigError if the environment variable is no such number."""
    text = os.environ.get(LIMIT_VARIABLE)
    return DEFAULT_MEGAPIXELS if text is None else parse_megapixels(text)


def parse_megapixels(text: str) -> float:
    """A limit as written. Raises ConfigError."""
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not (math.isfinite(limit) and limit > 0):
        raise ConfigError(f"'{text}' is no limit for pictures; valid is a number of megapixels above 0.")
    return limit


@contextmanager
def limit_megapixels(limit: float | None) -> Iterator[None]:
    """Context with another limit in millions of pixels; it holds in all threads, and in processes begun in it.

    None leaves the limit as it is.

    Raises:
        ConfigError: the limit is not above 0, or not finite.
    """
    before = os.environ.get(LIMIT_VARIABLE)
    if limit is not None:
        os.environ[LIMIT_VARIABLE] = repr(parse_megapixels(str(limit)))
    try:
        yield
    finally:
        if before is not None:
            os.environ[LIMIT_VARIABLE] = before
        else:
            os.environ.pop(LIMIT_VARIABLE, None)


def check_megapixels(size: tuple[int, int], what: str) -> None:
    """Raises ImageError, which names `what` and the flag, if `size` (W, H) is beyond the limit."""
    width, height = size
    megapixels, limit = width * height / 1e6, max_megapixels()
    if megapixels > limit:
        raise ImageError(
            f"{what} has {width}x{height} pixels, {math.ceil(megapixels):,} megapixels; the limit is {limit:,g}. "
            f"If you trust it, and have the memory, give --max-megapixels {math.ceil(megapixels)}."
        )


class _PillowLimit:
    """Pillow's own limit, which is one for the whole process: lifted while any thread is in need of that."""

    def __init__(self) -> None:
        self._lock, self._users, self._before = threading.Lock(), 0, Image.MAX_IMAGE_PIXELS

    @contextmanager
    def lifted(self) -> Iterator[None]:
        with self._lock:
            if not self._users:
                self._before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    Image.MAX_IMAGE_PIXELS = self._before


_pillow = _PillowLimit()


@contextmanager
def as_large_as(size: tuple[int, int]) -> Iterator[None]:
    """Context for decoding what is `size` (W, H) at most and was checked against the limit here.

    Pillow checks again while it decodes, against its own limit, which is lower: it is lifted if `size` is beyond it.
    """
    own = Image.MAX_IMAGE_PIXELS
    if own is None or size[0] * size[1] > own:
        with _pillow.lifted():
            yield
    else:
        yield


def open_limited(file: Path | BinaryIO, said: str, formats: tuple[str, ...]) -> Image.Image:
    """`Image.open` with StyleBank's limit in place of Pillow's. Raises ImageError beyond it, else as Pillow does.

    Args:
        file: an open one must be at its beginning.
        said: what messages call it.
    """
    if "JXL" in formats:
        _check_jxl(file, said)
    try:
        image = Image.open(file, formats=formats)
    except Image.DecompressionBombError:  # Pillow's limit is lower; only now is its global setting touched
        with _pillow.lifted():
            if not isinstance(file, Path):
                file.seek(0)
            image = Image.open(file, formats=formats)  # looks at the header alone
    try:
        check_megapixels(image.size, said)
    except BaseException:
        image.close()
        raise
    return image


def _check_jxl(file: Path | BinaryIO, said: str) -> None:
    """Raises ImageError for a JPEG XL file beyond the limit, and ValueError for one that claims no size."""
    with file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened:
        start = opened.tell()
        if is_jxl(opened.read(len(CONTAINER))):
            opened.seek(start)
            check_megapixels(size_of(opened), said)
        opened.seek(start)
