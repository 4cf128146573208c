"""A stylizer in int8, for processors: OpenVINO runs encoder and decoder, all between them stays PyTorch's.

So mixtures, masks, strokes, tiles and films work as ever. Levels are found at the start, on sample photographs. Outputs
of convolutions are not rounded, as OpenVINO does not gain by it.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.device import resolve_device
from stylebank.errors import ConfigError
from stylebank.export.graphs import DecoderGraph, EncoderGraph
from stylebank.export.openvino_runtime import compiled, openvino
from stylebank.export.photographs import for_calibration
from stylebank.export.quantize import LEVELS, QuantizedConv, fused, quantize, unpacked
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
    encoder, decoder = EncoderGraph(model, torch.float32), DecoderGraph(model, torch.float32, scale=1.0)
    quantize(encoder, photographs)
    quantize(decoder, fused(model, photographs, STYLES_SEEN))
    beside = "bf16" if stylizer.dtype == torch.bfloat16 else "f32"
    channels = model.architecture.model.channels[2]
    fast.register_module("encoder", OpenVinoPart(encoder, torch.zeros(1, 3, 32, 48), beside, stylizer.dtype))
    fast.register_module("decoder", OpenVinoPart(decoder, torch.zeros(1, channels, 8, 12), beside, torch.float32))
    return stylizer


class OpenVinoPart(nn.Module):
    """An encoder or decoder, run by OpenVINO: (B, C, H, W) of any size -> what the module gives, in `dtype`."""

    def __init__(self, module: nn.Module, example: Tensor, precision: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self._one_at_a_time = dtype, threading.Lock()
        _rewritten(module)
        any_size = openvino().PartialShape([-1, example.shape[1], -1, -1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what tracing makes constant
            self._run = compiled(openvino().convert_model(module, example_input=example, input=[any_size]), precision)

    def forward(self, x: Tensor) -> Tensor:
        with self._one_at_a_time:
            made = np.asarray(self._run([np.ascontiguousarray(x.float().numpy())])[0])
        return torch.from_numpy(made).to(self.dtype, memory_format=torch.channels_last)

    def __deepcopy__(self, memo: Any) -> OpenVinoPart:
        """Itself: it holds nothing that is changed."""
        return self


class _RoundedConv(nn.Module):
    """A `QuantizedConv` in the operations that OpenVINO takes for integer convolutions."""

    def __init__(self, source: QuantizedConv) -> None:
        super().__init__()
        self.conv, self.step, self.zero = source.conv, float(source.seen.scale), int(source.seen.zero)
        self.register_buffer("weight", unpacked(source.packed, source.scale))
        self.register_buffer("scale", source.scale)
        self.register_buffer("zeros", torch.zeros_like(source.scale, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.fake_quantize_per_tensor_affine(self.conv.padded(x), self.step, self.zero, 0, LEVELS)
        weight = torch.fake_quantize_per_channel_affine(self.weight, self.scale, self.zeros, 0, -127, 127)
        return self.conv.shaped(F.conv2d(seen, weight, self.conv.bias, self.conv.stride))


def _rewritten(module: nn.Module) -> None:
    for name, inner in module.named_children():
        if isinstance(inner, QuantizedConv):
            setattr(module, name, _RoundedConv(inner))
        else:
            _rewritten(inner)
