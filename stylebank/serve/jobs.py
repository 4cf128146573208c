"""The line of long work: what is in it, at work, stopped, gone on with and done."""

from __future__ import annotations

import threading

from stylebank.serve.job import Job
from stylebank.serve.refusals import Refused, not_here


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
