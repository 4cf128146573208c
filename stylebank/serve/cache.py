"""Values kept in memory up to a number of bytes; what was not asked for longest goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class ByteCache:
    """Keys are tuples that begin with the id of what they are made of; values of any kind.

    Args:
        limit: bytes in all; a value of more than a half of it is not kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self._lock = threading.Lock()
        self._values: OrderedDict[tuple[Hashable, ...], tuple[Any, int]] = OrderedDict()

    def get(self, key: tuple[Hashable, ...]) -> Any:
        """The value, None if there is none (any more)."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: tuple[Hashable, ...], value: Any, size: int) -> None:
        """Keeps a value of `size` bytes, in place of others if need be."""
        if size > self.limit // 2:
            return
        with self._lock:
            self._drop(key)
            self._values[key] = value, size
            self.used += size
            while self.used > self.limit:
                self._drop(next(iter(self._values)))

    def forget(self, owner: Hashable) -> None:
        """Drops all that was made of one thing."""
        with self._lock:
            for key in [key for key in self._values if owner in (key[0], *_first(key[0]))]:
                self._drop(key)

    def _drop(self, key: tuple[Hashable, ...]) -> None:
        _, size = self._values.pop(key, (None, 0))
        self.used -= size


def _first(owner: Hashable) -> tuple[Hashable, ...]:
    """Of a film's frame, whose id is (film, number), the film."""
    return owner[:1] if isinstance(owner, tuple) else ()
