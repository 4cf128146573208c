"""Signals as requests: SIGTERM and Ctrl-C finish what is being done, save and leave; SIGUSR1 saves and goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

STOP = (signal.SIGINT, signal.SIGTERM)
SAVE = tuple(getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name))  # Windows has none

Handler = Callable[[int, FrameType | None], None]


class Handlers:
    """Context in which signals go to other handlers; outside the main thread it changes nothing."""

    def __init__(self, handlers: dict[signal.Signals, Handler]) -> None:
        self._handlers = handlers
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class StopRequest(Handlers):
    """Context in which SIGINT and SIGTERM only set `requested`; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(STOP, self._on_stop))
        self.requested = False

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


class Requests(StopRequest):
    """Also SIGUSR1, as a wish to save now."""

    def __init__(self) -> None:
        super().__init__()
        self._handlers |= dict.fromkeys(SAVE, self._on_save)
        self._save = False

    @property
    def stop(self) -> bool:
        """Whether to finish what is being done, save and leave."""
        return self.requested

    def take(self) -> tuple[bool, bool]:
        """Whether to stop, and whether to save; a wish to save is granted once."""
        save, self._save = self._save, False
        return self.stop, save

    def _on_save(self, number: int, frame: FrameType | None) -> None:
        self._save = True


@contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """Context in which SIGTERM ends the program with exit code 0, and SIGUSR1 does nothing.

    For the time before and after the training loop, when all there is to save is on disk.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    def stay(number: int, frame: FrameType | None) -> None:
        pass

    with Handlers({signal.SIGTERM: leave, **dict.fromkeys(SAVE, stay)}):
        yield
