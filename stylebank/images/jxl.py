"""The size that a JPEG XL file claims, from its header: the plugin for Pillow decodes all pixels when it opens a file.

ISO/IEC 18181-1, SizeHeader, and 18181-2 for the boxes around a codestream.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width to height, where it is one of these."""
_LENGTHS = (9, 13, 18, 30)  # of a side, in bits
_HEADER = 16  # bytes, more than a size takes
_BOXES = 10_000  # looked at; files have a handful


def is_jxl(start: bytes) -> bool:
    """Whether a file that begins so (12 bytes) is JPEG XL."""
    return start.startswith((CODESTREAM, CONTAINER))


def size_of(file: BinaryIO) -> tuple[int, int]:
    """(W, H) as stored, before a turn, of a file at its beginning; it is left anywhere.

    Raises:
        ValueError: it has no codestream, or is cut short before the size.
    """
    start = file.read(len(CONTAINER))
    if not start.startswith(CODESTREAM):
        start = _codestream(file)
    bits = _Bits(start + file.read(_HEADER) if len(start) < _HEADER else start)
    if bits.take(16) != int.from_bytes(CODESTREAM, "little"):
        raise ValueError("no codestream where one should be")
    small = bits.take(1)
    height = bits.side(small)
    ratio = bits.take(3)
    if not ratio:
        return bits.side(small), height
    across, down = _RATIOS[ratio]
    return height * across // down, height


def _codestream(file: BinaryIO) -> bytes:
    """The beginning of the codestream in a container whose signature was read."""
    for _ in range(_BOXES):
        head = file.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        used = 8
        if length == 1:
            (length,), used = struct.unpack(">Q", file.read(8).rjust(8, b"\0")), 16
        if kind in (b"jxlc", b"jxlp"):
            return file.read(4 * (kind == b"jxlp") + _HEADER)[4 * (kind == b"jxlp") :]
        if length < used or length > 2**62:  # 0: the last box reaches to the end of the file
            break
        file.seek(length - used, 1)
    raise ValueError("no codestream in the container")


class _Bits:
    """Numbers from bytes, the lowest bits first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        self._left -= count
        if self._left < 0:
            raise ValueError("cut short before its size")
        number = self._value & ((1 << count) - 1)
        self._value >>= count
        return number

    def side(self, small: int) -> int:
        """A side in pixels."""
        return 8 * (self.take(5) + 1) if small else 1 + self.take(_LENGTHS[self.take(2)])
