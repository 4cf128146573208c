"""Decoding ahead and encoding behind in threads of their own, with bounded queues and the time waited for each.

Both are context managers: leaving them ends their thread whatever happened. No wait is longer than a moment without
a look at whether the other side is still there, so nothing hangs on an error or on Ctrl-C.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from stylebank.video.frames import Frame, FrameReader, FrameWriter, Position

_MOMENT = 0.1  # seconds
_NOBODY = Position()


class ReadAhead:
    """Iterates over a reader's frames, up to `depth` of which are decoded, and `prepare`d, in advance.

    `waited` is the seconds the user of the frames waited for decoding. Errors of the reader are raised where the frame
    would have come.
    """

    def __init__(
        self,
        reader: FrameReader,
        depth: int = 4,
        after: Position = _NOBODY,
        prepare: Callable[[Frame], Frame] | None = None,
    ) -> None:
        self.waited = 0.0
        self._reader, self._after, self._prepare = reader, after, prepare
        self._queue: queue.Queue[Frame | BaseException | None] = queue.Queue(max(1, depth))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            began = time.perf_counter()
            item = _get(self._queue, self._thread)
            self.waited += time.perf_counter() - began
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        try:
            for frame in self._reader.frames(self._after):
                if not self._put(self._prepare(frame) if self._prepare else frame):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again on the other side
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: Frame | BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_MOMENT)
            except queue.Full:
                continue
            return True
        return False


class WriteBehind:
    """Hands frames to a writer in the background; up to `depth` may wait.

    What is handed over may also be a function that makes the frame: it then runs in the background, too.

    `waited` is the seconds `write` had to wait for encoding. An error of the writer is raised by the next `write`, or
    on leaving. Frames already handed over are written even if the `with` is left by an exception; finishing the writer
    is left to the writer's own `with`, around this one.
    """

    def __init__(self, writer: FrameWriter, depth: int = 4) -> None:
        self.waited = 0.0
        self._writer = writer
        self._queue: queue.Queue[Frame | Callable[[], Frame] | None] = queue.Queue(max(1, depth))
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="write-behind", daemon=True)

    def __enter__(self) -> WriteBehind:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def write(self, frame: Frame | Callable[[], Frame]) -> None:
        """Hands over the next frame, once there is room. Raises what the writer raised for an earlier one."""
        self._raise()
        began = time.perf_counter()
        self._put(frame)
        self.waited += time.perf_counter() - began
        self._raise()

    def _run(self) -> None:
        try:
            while True:
                frame = self._queue.get()
                if frame is None:
                    return
                self._writer.write(frame if isinstance(frame, Frame) else frame())
        except BaseException as error:  # noqa: BLE001 - raised again on the other side
            self._error = error

    def _put(self, item: Frame | Callable[[], Frame] | None) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=_MOMENT)
            except queue.Full:
                continue
            return

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def _get(source: queue.Queue[Frame | BaseException | None], producer: threading.Thread) -> Frame | BaseException | None:
    while True:
        try:
            return source.get(timeout=_MOMENT)
        except queue.Empty:
            if not producer.is_alive() and source.empty():
                raise RuntimeError("the reading thread is gone; use ReadAhead inside its `with`") from None
