"""One piece of work that takes minutes or hours: how far it is, and how it is stopped and gone on with."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from stylebank.serve.refusals import sentence

_logger = logging.getLogger(__name__)

State = Literal["waiting", "running", "stopped", "done", "failed"]


class JobStatus(BaseModel):
    """How far a job is."""

    id: str
    kind: Literal["film", "painting"]
    name: str
    """Of the film or the style."""
    state: State
    done: int
    """Frames or steps."""
    total: int | None
    seconds_left: float | None
    message: str
    """What is being done, or went wrong."""
    losses: Mapping[str, float] = {}
    """Of a painting: as last logged."""


class Job(ABC):
    """One piece of long work; those who make one say what it does."""

    kind: Literal["film", "painting"]

    def __init__(self, name: str, key: str | None = None) -> None:
        self.id, self.name = key or secrets.token_hex(8), name
        self.state: State = "waiting"
        self.message = "Waiting for its turn."
        self.done = 0
        self.total: int | None = None
        self.turns = 0
        """How often it was put into the line."""
        self.losses: dict[str, float] = {}
        self.changes = 0
        """Goes up with everything that changes, for those who watch."""
        self._stop = threading.Event()
        self._began, self._done_before = 0.0, 0

    @abstractmethod
    def work(self) -> str:
        """Does it, from wherever an earlier call got to; returns what to say at its end.

        Raises:
            KeyboardInterrupt: it was asked to stop, and can be gone on with.
        """

    @abstractmethod
    def result(self) -> Path:
        """The file that it made. Raises Refused if there is none yet."""

    @abstractmethod
    def preview(self) -> bytes | None:
        """A JPEG of what it made last, if there is one."""

    @abstractmethod
    def remove(self) -> None:
        """Deletes what it made."""

    def asked_to_stop(self) -> bool:
        """Whether somebody wants it to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Asks it to stop at the next good moment."""
        self._stop.set()
        if self.state == "waiting":
            self.turn("stopped", "Stopped before it began.")

    def turn(self, state: State, message: str) -> None:
        """Takes a new state."""
        self.state, self.message = state, message
        self.changes += 1

    def advance(self, done: int, total: int | None) -> None:
        """Notes how many frames or steps are done."""
        if not self._began:
            self._began, self._done_before = time.monotonic(), done
        self.done, self.total = done, total
        self.changes += 1

    def status(self) -> JobStatus:
        """How far it is."""
        left = None
        made = self.done - self._done_before
        if self.state == "running" and self.total and made > 0:
            left = round((time.monotonic() - self._began) / made * max(0, self.total - self.done), 1)
        return JobStatus(
            id=self.id,
            kind=self.kind,
            name=self.name,
            state=self.state,
            done=self.done,
            total=self.total,
            seconds_left=left,
            message=self.message,
            losses=dict(self.losses),
        )

    def run(self) -> None:
        """Works until done or stopped, and says what became of it."""
        self._began = 0.0
        self.turn("running", "Beginning.")
        try:
            message = self.work()
        except KeyboardInterrupt:
            self.turn("stopped", "Stopped; what is done is kept, and it can be gone on with.")
        except BaseException as error:
            _logger.debug("Where it was raised:", exc_info=error)
            self.turn("failed", sentence(error))
        else:
            self.turn("done", message)

    def wait_again(self) -> None:
        """Goes back into the line."""
        self._stop.clear()
        self.turns += 1
        self.turn("waiting", "Waiting for its turn.")
