"""ONNX models, run by ONNX Runtime: the `Tools` of the format `onnx`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from stylebank.export.formats import Run
from stylebank.export.onnx_file import again, to_onnx

__all__ = ["again", "made", "opened", "save"]

made = to_onnx


def save(model: onnx.ModelProto, path: Path) -> None:
    """One file, with all weights inside."""
    path.write_bytes(model.SerializeToString())


def opened(path: Path) -> Run:
    """A session on a processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, dict(inputs))[0])
