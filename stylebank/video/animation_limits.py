"""How large animations may be, told before a pixel is decoded: a few hundred bytes can claim any canvas and number."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from stylebank.errors import ImageError
from stylebank.images import max_megapixels
from stylebank.video.frames import VideoError

MOST_FRAMES = 100_000
"""An hour of 25 frames a second, and a little."""

_COPIES = 4  # of a frame are in memory while the next one is composed, so it has but this part of the limit
_ALL = 100  # times the limit: all frames together


def canvas_of(path: Path, image: Image.Image) -> tuple[int, int]:
    """(W, H) that hold every frame of an opened animation; in a GIF frames may reach beyond what its header says.

    Raises:
        ImageError: that, or all frames together, is beyond the limit; the text names the flag.
        VideoError: there are too many frames.
    """
    (width, height), count = image.size, getattr(image, "n_frames", 1)
    if image.format == "GIF":
        with path.open("rb") as file:
            (right, bottom), count = _gif_extent(file)
        width, height = max(width, right), max(height, bottom)
    if count > MOST_FRAMES:
        raise VideoError(f"'{path}' has {count:,} frames; animations of up to {MOST_FRAMES:,} are read.")
    megapixels, limit = width * height / 1e6, max_megapixels()
    if count > 1 and megapixels > limit / _COPIES:
        raise ImageError(
            f"'{path}' has frames of {width}x{height} pixels, {math.ceil(megapixels):,} megapixels; the limit for "
            f"animations is {limit / _COPIES:,g}. If you trust it, and have the memory, give --max-megapixels "
            f"{math.ceil(megapixels * _COPIES)}."
        )
    if megapixels * count > limit * _ALL:
        raise ImageError(
            f"'{path}' has {count:,} frames of {width}x{height} pixels, {math.ceil(megapixels * count):,} megapixels "
            f"together; the limit is {limit * _ALL:,g}. If you trust it, and have the time, give --max-megapixels "
            f"{math.ceil(megapixels * count / _ALL)}."
        )
    return width, height


def _gif_extent(file: BinaryIO) -> tuple[tuple[int, int], int]:
    """(right, bottom) of all frames together, and how many there are; of a GIF cut short, of those before the cut."""
    width = height = count = 0
    screen = file.read(13)
    if len(screen) == 13:
        _skip_palette(file, screen[10])
    while (kind := file.read(1)) not in (b"", b";"):
        if kind == b"!":
            file.read(1)
            _skip_blocks(file)
        elif kind == b",":
            head = file.read(9)
            if len(head) < 9:
                break
            left, top, across, down, flags = struct.unpack("<HHHHB", head)
            width, height, count = max(width, left + across), max(height, top + down), count + 1
            _skip_palette(file, flags)
            file.read(1)
            _skip_blocks(file)
    return (width, height), count


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, os.SEEK_CUR)


def _skip_blocks(file: BinaryIO) -> None:
    while size := file.read(1):
        if size == b"\0":
            break
        file.seek(size[0], os.SEEK_CUR)
