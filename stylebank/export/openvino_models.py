"""OpenVINO's own files (IR: NAME.xml and NAME.bin) of the ONNX models: the `Tools` of the format `openvino`."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import onnx

from stylebank.export.formats import Run
from stylebank.export.onnx_file import again, to_onnx
from stylebank.export.openvino_runtime import compiled, core, openvino

__all__ = ["again", "made", "opened", "save"]

made = to_onnx


def save(model: onnx.ModelProto, path: Path) -> None:
    """Two files: operations, with metadata under `stylebank` of `rt_info`, and weights in the precision they have."""
    converted = core().read_model(model.SerializeToString())
    for each in model.metadata_props:
        converted.set_rt_info(each.value, ["stylebank", each.key])
    try:
        openvino().save_model(converted, str(path), compress_to_fp16=False)
    except RuntimeError as error:  # its one kind, which names neither file nor cause
        raise OSError(errno.EIO, f"OpenVINO says '{error}'; perhaps the disk is full") from error


def opened(path: Path) -> Run:
    """A model on a processor, in float32 where it does not say anything else."""
    model = compiled(str(path), "f32")
    return lambda inputs: np.asarray(model(dict(inputs))[0])
