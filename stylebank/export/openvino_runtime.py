"""OpenVINO, which is asked for where it is needed, and says nothing to anybody."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

import torch


def installed() -> bool:
    """Whether OpenVINO is."""
    return importlib.util.find_spec("openvino") is not None


def openvino() -> Any:
    """The package, without its telemetry: it would tell its makers of every import, unasked."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "not there", for import
    import openvino

    return openvino


@cache
def core() -> Any:
    """Its one entrance, which stays until the program ends.

    With each, OpenVINO lays a stack of its own for signal handlers over the one that is there, and takes it away with
    it. Where the older of two goes first, the younger leaves the thread with a stack that is gone, and the next Ctrl-C
    ends Python without a word.
    """
    return openvino().Core()


def compiled(model: Any, precision: str) -> Any:
    """A model, ready to be called, on as many threads as torch has.

    Args:
        model: a file, or the bytes of one.
        precision: bf16 or f32, of what the model does not round itself.
    """
    hints = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": precision}
    return core().compile_model(core().read_model(model), "CPU", hints)
