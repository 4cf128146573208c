"""Whether a run's networks are compiled, and how (`train.compile`)."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import Literal

import torch

from stylebank.config import TrainConfig

Mode = Literal["default", "reduce-overhead"]
WORTH_IT = 5000  # steps: compiling takes a minute or two, and saves some 25 ms of a GPU's step (docs/gpu.md)


def compile_mode(train: TrainConfig, device: torch.device, processes: int = 1) -> Mode | None:
    """The mode for `torch.compile`; None to leave networks as they are.

    Args:
        processes: that share the run. They wait for each other for a limited time only, and one may take a minute
            longer than another to compile: then that is left to who asks for it.
    """
    if train.compile == "auto":
        wanted = train.steps >= WORTH_IT and processes == 1 and _can_compile(device)
        return "reduce-overhead" if wanted else None
    if train.compile == "reduce-overhead":
        return "reduce-overhead"
    return "default" if train.compile else None


def _can_compile(device: torch.device) -> bool:
    """Whether torch can make kernels for a GPU: by Triton, which needs a C compiler to start them."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (7, 0) or not find_spec("triton"):
        return False
    return any(map(shutil.which, filter(None, (os.environ.get("CC"), "gcc", "clang", "cc"))))
