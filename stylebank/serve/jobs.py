"""Work that takes minutes or hours: in line, at work, stopped, gone on with, done; whoever watches is told."""

from __future__ import annotations

import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from stylebank.serve.refusals import Refused, not_here, sentence

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
        except BaseException as error:  # noqa: BLE001 - told to whoever watches
            self.turn("failed", sentence(error))
        else:
            self.turn("done", message)

    def wait_again(self) -> None:
        """Goes back into the line."""
        self._stop.clear()
        self.turns += 1
        self.turn("waiting", "Waiting for its turn.")


class Jobs:
    """All jobs, those at work in threads of their own.

    Args:
        at_once: jobs at work.
        limit: jobs in line, those at work included.
    """

    def __init__(self, at_once: int, limit: int) -> None:
        self._limit, self._free = limit, threading.Semaphore(at_once)
        self._jobs: dict[str, Job] = {}
        self._threads: list[threading.Thread] = []
        self._ending = False

    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        return list(self._jobs.values())

    def get(self, key: str) -> Job:
        """The job with this id. Raises Refused."""
        if key not in self._jobs:
            raise not_here("job", key)
        return self._jobs[key]

    def know(self, job: Job) -> None:
        """Lists a job of an earlier run, without beginning it."""
        self._jobs[job.id] = job

    def check_room(self) -> None:
        """Raises Refused if the line is full."""
        busy = sum(job.state in ("waiting", "running") for job in self._jobs.values())
        if busy >= self._limit:
            raise Refused(503, f"There are {busy} films and paintings in line (--max-jobs); wait until one is done.")

    def start(self, job: Job) -> None:
        """Puts a job into the line. Raises Refused if that is full."""
        self.check_room()
        self._jobs[job.id] = job
        job.wait_again()
        self._threads = [each for each in self._threads if each.is_alive()]
        thread = threading.Thread(target=self._run, args=(job, job.turns), name=f"job-{job.id}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def resume(self, key: str) -> Job:
        """Goes on with a job that was stopped or has failed. Raises Refused."""
        job = self.get(key)
        if job.state not in ("stopped", "failed"):
            raise Refused(409, f"The job is {job.state}; only one that was stopped or has failed can be gone on with.")
        self.start(job)
        return job

    def remove(self, key: str) -> None:
        """Forgets a job and deletes what it made. Raises Refused if it is at work."""
        job = self.get(key)
        if job.state in ("waiting", "running"):
            raise Refused(409, "The job is at work; stop it first.")
        del self._jobs[key]
        job.remove()

    def end(self) -> None:
        """Stops everything and waits until what is done is safe."""
        self._ending = True
        for job in self.all():
            if job.state in ("waiting", "running"):
                job.stop()
        for thread in self._threads:
            thread.join()

    def _run(self, job: Job, turn: int) -> None:
        with self._free:  # a thread whose job was stopped in line, and put into it again, is not the one to run it
            if job.turns == turn and job.state == "waiting" and not self._ending:
                job.run()
