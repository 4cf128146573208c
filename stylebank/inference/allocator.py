"""The C library's allocator."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def keep_freed_memory() -> bool:
    """Has the C library keep freed memory for the next tensors; for programs, not for libraries. False if it cannot.

    Otherwise glibc hands every tensor of more than 32 MB back to the system and gets new pages for the next one, which
    are cleared one by one: a third of the time of training and of large pictures on a processor.
    """
    trim_threshold, mmap_max = -1, -4  # mallopt's numbers
    with suppress(AttributeError, OSError, TypeError):  # another C library, or another system
        libc = ctypes.CDLL(None)
        return bool(libc.mallopt(mmap_max, 0)) and bool(libc.mallopt(trim_threshold, 2**31 - 1))
    return False
