"""The line of requests for pictures: a few threads at work, the urgent first, and none for those who have left."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stylebank.serve.refusals import Cancelled, Refused

_T = TypeVar("_T")
URGENT, USUAL, LATER = 0, 1, 2
_COURTESY = 5.0  # seconds that long work stands back; a line that never ends must not hold it up for ever
_MOMENT = 0.05  # seconds between looks at whether anybody still waits


class Ticket:
    """Says to the work whether somebody waits for it."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """The work is not wanted any more."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether it is not wanted any more."""
        return self._cancelled.is_set()

    def check(self, *_: object) -> None:
        """Raises Cancelled if it is not; takes anything, so that it can be a progress callback."""
        if self.cancelled:
            raise Cancelled


@dataclass(order=True)
class _Place:
    urgency: int
    number: int
    work: Callable[[Ticket], Any] = field(compare=False)
    ticket: Ticket = field(compare=False)
    future: Future[Any] = field(compare=False)


class Line:
    """Runs work in `at_once` threads, up to `limit` in line."""

    def __init__(self, at_once: int, limit: int) -> None:
        self.limit, self.done, self.cancelled, self.seconds = limit, 0, 0, 0.0
        self._ending = False
        self.open = 0
        """Places taken, those at work included."""
        self._places: queue.PriorityQueue[_Place] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._newest: dict[str, Ticket] = {}
        self._threads = [
            threading.Thread(target=self._serve, name=f"render-{number}", daemon=True) for number in range(at_once)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, work: Callable[[Ticket], object]) -> None:
        """Has something done whose result nobody waits for; an error of it is not told."""
        self._take(work, LATER)

    def end(self) -> None:
        """Waits for what is at work and drops the rest."""
        self._ending = True
        for _ in self._threads:
            self._take(Ticket.check, -1)  # wakes each of them up
        for thread in self._threads:
            thread.join()

    async def run(
        self,
        work: Callable[[Ticket], _T],
        *,
        urgency: int = USUAL,
        key: str | None = None,
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> _T:
        """The result of `work`, once it is its turn.

        Args:
            key: work with the same key that is still in line or going on is cancelled.
            gone: whether who asked for it has left.

        Raises:
            Refused: the line is too long, or newer work has taken this one's place.
            Cancelled: who asked has left.
        """
        if self.open >= self.limit:
            raise Refused(503, f"The server is busy: {self.open} pictures are in line (--max-waiting); try again soon.")
        place = self._take(work, urgency)
        if key is not None:
            if key in self._newest:
                self._newest[key].cancel()
            self._newest[key] = place.ticket
        result: asyncio.Future[_T] = asyncio.wrap_future(place.future)
        try:
            while not result.done() and not place.ticket.cancelled:
                await asyncio.wait({result}, timeout=_MOMENT)
                if not result.done() and gone is not None and await gone():
                    raise Cancelled
            if place.ticket.cancelled:  # even if it is just done: whoever asked shows the newer one
                raise Refused(409, "A newer request has taken this one's place.")
            return result.result()
        finally:
            place.ticket.cancel()
            if not result.done():
                result.cancel()
            elif not result.cancelled():
                result.exception()  # has been looked at now, else asyncio complains that nobody did
            if key is not None and self._newest.get(key) is place.ticket:
                del self._newest[key]

    def wait_for_quiet(self, stopped: Callable[[], bool]) -> None:
        """Returns once nothing is in line, or `stopped`: lets pictures that people wait for go first, for a while."""
        until = time.monotonic() + _COURTESY
        while self.open and not stopped() and time.monotonic() < until:
            time.sleep(_MOMENT)

    def _take(self, work: Callable[[Ticket], Any], urgency: int) -> _Place:
        place = _Place(urgency, next(self._numbers), work, Ticket(), Future())
        self._count(1)
        place.future.add_done_callback(lambda _: self._count(-1))
        self._places.put(place)
        return place

    def _count(self, step: int) -> None:
        with self._lock:
            self.open += step

    def _serve(self) -> None:
        while not self._ending:
            place = self._places.get()
            if place.ticket.cancelled or not place.future.set_running_or_notify_cancel():
                place.future.cancel()
                self.cancelled += 1
                continue
            began = time.perf_counter()
            try:
                value = place.work(place.ticket)
            except BaseException as error:  # noqa: BLE001 - told by whoever waits
                self.cancelled += isinstance(error, Cancelled)
                place.future.set_exception(error)
            else:
                self.done += 1
                place.future.set_result(value)
                del value
            finally:
                self.seconds += time.perf_counter() - began
            del place
