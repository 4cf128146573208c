"""Whether a picture fits into memory whole, and how large its tiles should be if not."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

import torch

from stylebank.config import Architecture

UNKNOWN = 4 * 2**30  # bytes taken to be there where nobody says
SHARE = 0.5  # of the memory that is free now; the rest is for others, and for errors in the estimate
TENSORS = 5  # as large as the first convolution's output, alive at the same time at most (see benchmarks/inference.py)
LARGEST_TILE = 1024  # larger ones are no faster
MOST_ELEMENTS = 2**31 - 1  # of one tensor: many operations of GPUs count them in 32 bits
MOST_BYTES_MPS = 2**32 - 1  # of one tensor: Metal ends the whole program where an operation meets a larger one
BORDER = 16  # pixels; margins add no more to a side


def tile_for(
    count: int, size: tuple[int, int], architecture: Architecture, dtype: torch.dtype, device: torch.device
) -> int | None:
    """The side of tiles in pixels for `count` pictures of `size` (H, W), or None where they fit as a whole."""
    channels = architecture.model.channels[0]
    pixels = SHARE * available_memory(device) / (TENSORS * channels * dtype.itemsize)
    most = _most_elements(dtype, device) / channels
    if count * math.prod(size) <= pixels and count * math.prod(side + BORDER for side in size) <= most:
        return None
    pixels = min(pixels, most)
    return max(64, min(LARGEST_TILE, math.isqrt(int(pixels) // count) // 2 // 64 * 64))


def available_memory(device: torch.device) -> int:
    """Bytes that could be allocated on a device now, roughly."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        taken = torch.mps.current_allocated_memory()  # what the driver holds has also what torch keeps to use again
        return max(0, torch.mps.recommended_max_memory() - taken)
    return int(min(_free_on_machine(), _free_in_container(), _free_in_addresses()))


def _most_elements(dtype: torch.dtype, device: torch.device) -> float:
    """How many a tensor can have on a device."""
    if device.type == "cpu":
        return math.inf
    return min(MOST_ELEMENTS, MOST_BYTES_MPS // dtype.itemsize) if device.type == "mps" else MOST_ELEMENTS


def _free_on_machine() -> int:
    with suppress(OSError):  # Linux
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, amount, *_ = line.split()
            if name == "MemAvailable:":
                return int(amount) * 1024
    with suppress(AttributeError, ValueError, OSError):  # macOS; Windows has no sysconf
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN


def _free_in_container(folder: Path = Path("/sys/fs/cgroup")) -> float:
    """What a container's limit leaves (cgroup, version 2), contents of files it could drop included."""
    with suppress(OSError, ValueError):  # none, or "max"
        limit, used = (int((folder / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(0, limit - used + int(statistics.get("inactive_file", 0)))
    return math.inf


def _free_in_addresses() -> float:
    """What `ulimit -v` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    with suppress(OSError, ValueError):  # Linux
        return max(
            0, limit - int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
        )
    return limit
