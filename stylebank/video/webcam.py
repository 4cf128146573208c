"""Live pictures from a camera; always the newest, however long the last one took to be worked on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Self

import av
from av.container import InputContainer

from stylebank.video.color_space import RgbDecoder, color_space_of
from stylebank.video.frames import Frame, VideoError

_PATIENCE = 10.0  # seconds without a picture, after which the camera counts as gone


class Webcam:
    """A context in which iterating yields the camera's newest frame, over and over, until it ends.

    Args:
        name: the camera's number from 0 up, or its name where the system has names (Windows: `Integrated Camera`).

    Raises:
        VideoError: on entering, if there is no such camera or it cannot be read; while iterating, if it falls silent.
    """

    def __init__(self, name: str = "0") -> None:
        self.name = name
        self._newest: Frame | None = None
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def __enter__(self) -> Self:
        self._container = _open(self.name)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE)
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                ready = self._changed.wait_for(self._has_news, _PATIENCE)
                frame, self._newest = self._newest, None
            if frame is None and not ready:
                raise VideoError(f"Camera {self.name} gave no picture for {_PATIENCE:g} s.")
            if frame is None and self._error is not None:
                raise VideoError(f"Camera {self.name} stopped ({self._error}).")
            if frame is None:
                return
            yield frame

    def _has_news(self) -> bool:
        return self._newest is not None or self._error is not None or not self._thread.is_alive()

    def _run(self) -> None:
        began, to_rgb = time.monotonic(), None
        try:
            for index, picture in enumerate(self._container.decode(video=0)):
                if self._stop.is_set():
                    return
                to_rgb = to_rgb or RgbDecoder(color_space_of(picture), (picture.width, picture.height))
                shown = Fraction(time.monotonic() - began).limit_denominator(1000)
                frame = Frame(index, shown, Fraction(0), int(shown * 1000), to_rgb(picture))
                with self._changed:
                    self._newest = frame
                    self._changed.notify()
        except (av.error.FFmpegError, OSError) as error:
            self._error = error
        finally:
            with self._changed:
                self._changed.notify()


def _open(name: str) -> InputContainer:
    source, kind = _device(name)
    try:
        container = av.open(source, format=kind)
    except FileNotFoundError as error:
        raise VideoError(f"There is no camera {name} ({source} does not exist).") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"Camera {name} ({source}, {kind}) cannot be opened: {error}") from error
    if not container.streams.video:
        raise VideoError(f"Camera {name} gives no pictures.")
    return container


def _device(name: str) -> tuple[str, str]:
    """What FFmpeg calls a camera on this system, and the kind of device it is."""
    if sys.platform == "darwin":
        return name, "avfoundation"
    if sys.platform == "win32":
        return f"video={name}", "dshow"
    return (f"/dev/video{name}" if name.isdigit() else name), "v4l2"
