"""The time that computing takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


class Clock:
    """Seconds from some fixed moment: processor time on one thread, else the wall clock.

    On one thread both say the same on an idle machine, and other programs disturb the first far less.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._of_processor = device.type == "cpu" and torch.get_num_threads() == 1
        self.name = "processor time of one thread" if self._of_processor else "wall clock"

    def __call__(self) -> float:
        """The time when everything asked of the device so far is done."""
        if self._of_processor:
            return time.process_time()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def median_of(self, action: Callable[[], object], repeats: int = 5) -> float:
        """Seconds that `action` takes: the median, after one go that does not count."""
        action()
        times = []
        for _ in range(repeats):
            began = self()
            action()
            times.append(self() - began)
        return statistics.median(times)
