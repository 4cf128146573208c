"""Turning stored pictures upright: the display matrix that phones write instead of turning pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

_DEGREES = {(False, False, False): 0, (True, True, False): 90, (False, True, True): 180, (True, False, True): 270}


@dataclass(frozen=True)
class Turn:
    """First `transpose` (swap rows and columns), then mirror left-right (`flip_x`), then top-bottom (`flip_y`)."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def degrees(self) -> int:
        """Clockwise turn; of a mirrored picture, the turn that follows the left-right mirroring."""
        plain = (self.transpose, self.flip_x, self.flip_y)
        if plain in _DEGREES:
            return _DEGREES[plain]
        return _DEGREES[(self.transpose, self.flip_x != (not self.transpose), self.flip_y != self.transpose)]

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Upright (width, height) of a stored picture."""
        return (height, width) if self.transpose else (width, height)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stored (H, W, 3) to upright, contiguous."""
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        if self.flip_x:
            pixels = pixels[:, ::-1]
        if self.flip_y:
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)


def turn_of(frame: av.VideoFrame) -> Turn:
    """The turn that a decoded frame's display matrix asks for, rounded to the nearest right angle."""
    side_data: Any = frame.side_data  # declared as a dict with one key, but a mapping of all kinds
    matrix = side_data.get(Type.DISPLAYMATRIX)
    return Turn() if matrix is None else turn_of_matrix(np.frombuffer(bytes(matrix), np.int32, 9).tolist())


def turn_of_matrix(matrix: list[int]) -> Turn:
    """A display matrix maps a stored (x, y) to the shown (a x + c y, b x + d y); its first rows are a b u, c d v."""
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(False, a < 0, d < 0)
    return Turn(True, c < 0, b < 0)
