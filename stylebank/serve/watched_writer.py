"""A writer of frames that shows the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stylebank.video import Frame, FrameWriter, Position
from stylebank.video.frames import Pixels


class WatchedWriter(FrameWriter):
    """Hands everything on to another writer."""

    def __init__(self, inner: FrameWriter) -> None:
        self.path, self._inner = inner.path, inner
        self.newest: Pixels | None = None
        """(H, W, 3) of the frame written last."""

    @property
    def left_out(self) -> Sequence[str]:
        """See `FrameWriter`."""
        return self._inner.left_out

    @property
    def position(self) -> Position:
        """See `FrameWriter`."""
        return self._inner.position

    def write(self, frame: Frame) -> None:
        """See `FrameWriter`."""
        self._inner.write(frame)
        self.newest = frame.rgb

    def finish(self) -> Path:
        """See `FrameWriter`."""
        return self._inner.finish()

    def finish_partial(self) -> Path | None:
        """See `FrameWriter`."""
        return self._inner.finish_partial()
