"""Masks that move with a film: a film, an animation or a folder of frames, white where something goes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from stylebank.inference.masks import check_gray, feather
from stylebank.video import Frame, FrameReader, Position, VideoError, open_reader


class MovingMask:
    """The mask of every frame of a film, asked for in order.

    A folder has one picture per frame of the film. A film or an animation has its own clock, which runs with the
    film's: a frame's mask is the one that is seen at the frame's time, and the last one stays to the end.

    Args:
        path: the mask.
        film: what it is for.
        start: seconds of the film, and so of the mask, that are skipped; likewise `end`.
        soft: width of soft edges, see `masks.feather`.
        size: (W, H) of the pictures whose pixels `soft` counts, by default the film's.

    Raises:
        VideoError: the mask cannot be read.
        ImageError: a folder without pictures.
    """

    def __init__(
        self,
        path: Path,
        film: FrameReader,
        start: float | None = None,
        end: float | None = None,
        soft: float = 0.0,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.path, self._soft, self._size = path, soft, size or film.info.size
        self._by_index = path.is_dir()
        rate = film.info.frame_rate if self._by_index else None
        self._reader = open_reader(path, start, end, fps=rate)
        self._frames: Iterator[Frame] | None = None
        self._shown: Frame | None = None
        self._next: Frame | None = None

    def at(self, frame: Frame) -> Tensor:
        """The mask of a frame, (H, W) float32 in [0, 1], of the mask's own size. Frames must come in order.

        Raises:
            VideoError: the mask cannot be read, or a folder has too few pictures.
            ImageError: it is in colour.
        """
        if self._frames is None:
            self._begin(frame)
        while self._next is not None and self._is_due(self._next, frame):
            assert self._frames is not None
            self._shown, self._next = self._next, next(self._frames, None)
        if self._shown is None or (self._by_index and self._shown.index != frame.index):
            raise VideoError(
                f"The folder of masks '{self.path}' has no picture for frame {frame.index} of the film; "
                "it needs one for each."
            )
        gray = check_gray(Image.fromarray(self._shown.rgb), f"'{self.path}'").convert("L")
        mask = torch.frombuffer(bytearray(gray.tobytes()), dtype=torch.uint8).reshape(gray.height, gray.width) / 255
        return feather(mask, self._soft, self._size)

    def _begin(self, frame: Frame) -> None:
        after = Position(frame.index) if self._by_index else Position()
        self._frames = self._reader.frames(after)
        self._shown = next(self._frames, None)
        self._next = next(self._frames, None)

    def _is_due(self, mask: Frame, frame: Frame) -> bool:
        if self._by_index:
            return mask.index <= frame.index
        tolerance = Fraction(1, 1000)  # seconds: containers round times
        return mask.time <= frame.time + tolerance
