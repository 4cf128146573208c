"""How the system shares out its processors among threads, which an encoder of films must not change."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Context whose end undoes it if something in it made this process's threads real-time ones.

    SVT-AV1 does so where it may, as root does in a container: itself and the thread that calls it then go before
    everything else on the machine, which stands still, and so do all programs that this one starts later.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != before:
            for thread in Path("/proc/self/task").iterdir():
                with suppress(OSError):  # it has ended meanwhile
                    os.sched_setscheduler(int(thread.name), before, parameters)
