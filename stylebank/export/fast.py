"""A stylizer in int8, for processors: OpenVINO runs encoder and decoder, all between them stays PyTorch's.

So mixtures, masks, strokes, tiles and films work as ever. Levels are found at the start, on sample photographs. Outputs
of convolutions are not rounded, as OpenVINO does not gain by it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stylebank.device import adds_bytes_exactly, resolve_device
from stylebank.errors import ConfigError
from stylebank.export.graphs import DecoderGraph, EncoderGraph
from stylebank.export.models import Form
from stylebank.export.onnx_file import to_onnx
from stylebank.export.openvino_runtime import compiled
from stylebank.export.photographs import for_calibration
from stylebank.export.ports import Port
from stylebank.export.quantize import LARGEST, LARGEST_ANYWHERE, fused, quantize
from stylebank.inference.stylizer import Stylizer
from stylebank.shipped import DEFAULT_BANK

SHORT_SIDE = 128  # pixels of the photographs
STYLES_SEEN = 8  # by the decoder, while its levels are found


def load_int8(path: str | Path = DEFAULT_BANK, device: str = "auto") -> Stylizer:
    """Loads a bank as `Stylizer.load` does.

    Raises:
        BankError: the bank is missing or damaged.
        ConfigError: the device is no processor, or the bank's norm looks at whole pictures.
    """
    if device != "auto" and resolve_device(device).type != "cpu":
        raise ConfigError(f"Precision int8 is for processors, not for {device}: --device cpu.")
    stylizer = Stylizer.load(path, "cpu")
    model, fast = stylizer.bank.model.requires_grad_(False), stylizer.model
    if model.architecture.model.norm == "instance":
        raise ConfigError(f"Precision int8 is not for banks with model.norm instance, as {path} is.")
    photographs = for_calibration(None, None, SHORT_SIDE)
    form = Form(model, torch.float32, scale=1.0, size=None)
    encoder, decoder = EncoderGraph(model, form.dtype), DecoderGraph(model, form.dtype, form.scale)
    largest = LARGEST if adds_bytes_exactly() else LARGEST_ANYWHERE  # a file goes anywhere, this stays here
    quantize(encoder, photographs, outputs=False, largest=largest)
    quantize(decoder, fused(model, photographs, STYLES_SEEN), outputs=False, largest=largest)
    beside, ports = "bf16" if stylizer.dtype == torch.bfloat16 else "f32", form.ports
    parts = {
        "encoder": OpenVinoPart(encoder, ports["photo"], ports["features"], beside, stylizer.dtype),
        "decoder": OpenVinoPart(decoder, ports["fused"], ports["decoded"], beside, torch.float32),
    }
    for name, part in parts.items():
        fast.register_module(name, part)
    return stylizer


class OpenVinoPart(nn.Module):
    """An encoder or decoder, run by OpenVINO: (B, C, H, W) of any size -> what the module gives, in `dtype`."""

    def __init__(self, module: nn.Module, given: Port, made: Port, precision: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self._one_at_a_time = dtype, threading.Lock()
        # By way of ONNX, as OpenVINO knows fewer operations in what PyTorch says by itself.
        self._run = compiled(to_onnx(module, [given], made, {}).SerializeToString(), precision)

    def forward(self, x: Tensor) -> Tensor:
        with self._one_at_a_time:
            made = np.asarray(self._run([np.ascontiguousarray(x.float().numpy())])[0])
        return torch.from_numpy(made).to(self.dtype, memory_format=torch.channels_last)

    def __deepcopy__(self, memo: Any) -> OpenVinoPart:
        """Itself: it holds nothing that is changed."""
        return self
