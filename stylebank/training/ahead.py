"""Work that threads do ahead of whoever takes its results: pictures are decoded while others are computed on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T], *, most: int = 16) -> Iterator[R]:
    """`work` of each item, in the items' order.

    Args:
        most: results that are made before they are asked for; more would only take memory.

    Raises:
        Exception: what `work` raises, when its turn comes; what was not yet begun is then left undone.
    """
    rest = iter(items)
    pool = ThreadPoolExecutor()
    try:
        waiting: deque[Future[R]] = deque(pool.submit(work, item) for item in islice(rest, most))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
