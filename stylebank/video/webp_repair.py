"""Putting right three numbers in the header of an animated WebP that FFmpeg and libwebp leave wrong."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FLAGS = 20
"""Where the byte of flags is in a file that begins with VP8X, as animations do."""
_ALPHA = 0x10
_FRAME_DURATION = 12  # bytes into a frame's chunk; three bytes, as are all numbers there


def repair_webp(path: Path, duration: int, has_alpha: bool) -> None:
    """Mends the animation `path`, which lasts `duration` milliseconds; a WebP of one picture is left as it is.

    FFmpeg never says when the last frame ends: libwebp shows it for the mean of the others. libwebp forgets the flag
    of alpha where cutting off clear margins left only solid rectangles. FFmpeg asks for white behind what is clear.
    """
    with path.open("r+b") as file:
        if file.read(16)[12:] != b"VP8X":
            return
        frames = []
        for kind, place in _chunks(file):
            if kind == b"ANMF":
                frames.append(place + _FRAME_DURATION)
            elif kind == b"ANIM" and has_alpha:
                _write(file, place, bytes(4))
        if not frames:
            return
        before = sum(int.from_bytes(_read(file, place, 3), "little") for place in frames[:-1])
        _write(file, frames[-1], (duration - before).to_bytes(3, "little"))
        if has_alpha:
            _write(file, _FLAGS, bytes([_read(file, _FLAGS, 1)[0] | _ALPHA]))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(name, place of the contents) of the chunks of a RIFF file."""
    place = 12
    while len(head := _read(file, place, 8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        yield kind, place + 8
        place += 8 + size + size % 2


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _write(file: BinaryIO, place: int, data: bytes) -> None:
    file.seek(place)
    file.write(data)
