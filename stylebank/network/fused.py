"""The network rebuilt for inference: fewer operations, less memory moved, no conversions at each call; same pictures.

- `UpsampledConv`: nearest x2 upsampling and a 3x3 convolution equal one 2x2 convolution per output phase (even or odd
  row and column). Its taps are sums of those of the 3x3 kernel that fall on the same small pixel: 2.25 times fewer
  operations, exactly.
- `QuadConv`: a convolution to 3 channels leaves most of a processor's vectors empty; four pixels at once are 12.
- Padding copies a tensor. Here each comes with margins out of the convolution before it, which had wider ones to look
  at. An encoder's hold what the mirrored picture makes of them; elsewhere what is in them means nothing, but what the
  next convolution looks at is overwritten first (`Mirror`).
- Normalization and ReLU happen in place, piece by piece (`chunked_norm`).
- Weights are converted once, and memory is channels-last.

A part that is not made of the very layers known here stays as it is (`Plain`), as a decoder of transposed convolutions
does.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stylebank.device import autocast, place
from stylebank.network.chunked_norm import NormReLU, PiecewiseInstanceNorm
from stylebank.network.fused_layers import (
    Convert,
    HalfResolution,
    Mirror,
    Pad,
    QuadConv,
    Residual,
    UpsampledConv,
    unpadded,
)
from stylebank.network.layers import InstanceNorm, NearestUpsample, PixelNorm, ReflectConv2d, ResidualBlock
from stylebank.network.model import Decoder, Encoder, StyleBank, StyleFilter
from stylebank.network.trunk import Trunk


@torch.no_grad()
def optimize_for_inference(model: StyleBank, dtype: torch.dtype) -> StyleBank:
    """A copy of a network that computes the same faster, with convolutions in `dtype`: float32 or bfloat16.

    It takes pictures and features of any float type, gives features in `dtype` and pictures in float32. What it has
    for encoder and decoder can neither be trained nor saved as a bank.
    """
    fast = copy.deepcopy(model)
    fast.stride, fast.alignment, fast.margin = model.stride, model.alignment, model.margin  # of the layers as they were
    parts = {
        "encoder": _fast_encoder(fast.encoder, dtype),
        "decoder": _fast_decoder(fast.decoder, dtype),
        "normalize": _fast_normalize(fast.normalize, dtype),
        "filters": nn.ModuleList(_fast_filter(module, dtype) for module in fast.filters),
    }
    for name, part in parts.items():
        fast.register_module(name, part)
    left = {inner for module in fast.modules() if isinstance(module, Plain) for inner in module.modules()}
    for module in fast.modules():
        if isinstance(module, nn.Conv2d) and module not in left:
            module.to(dtype)
    return fast.eval().requires_grad_(False)


def add_filter(fast: StyleBank, module: nn.Module, name: str, dtype: torch.dtype) -> None:
    """Appends a style's filter to what `optimize_for_inference` made; nothing that is there changes."""
    ready = _fast_filter(copy.deepcopy(module), dtype)
    for layer in ready.modules():
        if isinstance(layer, nn.Conv2d) and not isinstance(ready, Plain):
            layer.to(dtype)
    device = next(fast.parameters()).device
    fast.filters.append(place(ready.eval().requires_grad_(False), device))
    fast.names.append(name)


class Plain(nn.Module):
    """Layers that are not known here: as in training, converted operation by operation. `out` is what comes out."""

    def __init__(self, module: nn.Module, dtype: torch.dtype, out: torch.dtype | None = None) -> None:
        super().__init__()
        self.module, self.dtype, self.out = module, dtype, out or dtype

    def forward(self, x: Tensor) -> Tensor:
        with autocast(x.device, self.dtype):
            out: Tensor = self.module(x.float() if self.dtype == torch.float32 else x)
        return out.to(self.out)


class _Block(NamedTuple):
    conv: nn.Conv2d
    norm: nn.Module
    """One that leaves all as it is where a block has none."""


def _fast_encoder(encoder: nn.Module, dtype: torch.dtype) -> nn.Module:
    # Of m pixels beyond the picture's upper and left edges, the kernel of 9 leaves m - 4 and those of stride 2 leave
    # (m - 1) / 2; beyond the other edges a stride of 2 looks at none.
    if type(encoder) is not Encoder or type(encoder.layers) is not nn.Sequential or len(encoder.layers) != 3:
        return Plain(encoder, dtype)
    large, half, quarter = map(_block, encoder.layers, (9, 3, 3), (1, 2, 2))
    if not (large and half and quarter):
        return Plain(encoder, dtype)
    layers = [
        *(unpadded(large.conv), NormReLU(large.norm, 3, 0), Mirror(3, 0, reach=1)),
        *(unpadded(half.conv), NormReLU(half.norm, 1, 0), Mirror(1, 0, reach=1)),
        *(unpadded(quarter.conv), NormReLU(quarter.norm, 0, 0)),
    ]
    if encoder.cut:  # the margins hold what the mirrored picture makes of them, and no more is there than is looked at
        layers = [Convert(dtype), *(layer for layer in layers if not isinstance(layer, Mirror))]
        encoder.margins, encoder.cut = (7, 4), 0
    else:
        layers = [Pad(7, 4, "reflect", dtype), *layers]
    encoder.layers = nn.Sequential(*layers)
    return encoder


def _fast_decoder(decoder: nn.Module, dtype: torch.dtype) -> nn.Module:
    if type(decoder) is not Decoder or type(decoder.blocks) is not nn.Sequential:
        return Plain(decoder, dtype, torch.float32)
    if type(decoder.trunk) is not nn.Identity:
        decoder.trunk = nn.Sequential(Convert(dtype), _fast_trunk(decoder.trunk, dtype))
    decoder.blocks = nn.Sequential(Convert(dtype), *(_fast_residual(block, dtype) for block in decoder.blocks))
    decoder.layers = _fast_decoder_layers(decoder.layers, dtype)
    return decoder


def _fast_trunk(trunk: nn.Module, dtype: torch.dtype) -> nn.Module:
    if type(trunk) is not Trunk:
        return Plain(trunk, dtype)
    down, up, norm = _block(trunk.down, 3, 2), _conv(trunk.up[-1], 3), _norm(list(trunk.norms))
    if not (down and up and norm):
        return Plain(trunk, dtype)
    blocks = (_fast_residual(block, dtype) for block in trunk.blocks)
    # Of m pixels beyond the edges, upsampling and a kernel of 3 leave 2m - 1.
    up_again = nn.Sequential(Pad(1, 1, "replicate", dtype), UpsampledConv(up))
    return HalfResolution(nn.Sequential(down.conv, NormReLU(down.norm), *blocks, up_again), norm)


def _fast_residual(block: nn.Module, dtype: torch.dtype) -> nn.Module:
    if type(block) is not ResidualBlock or not 2 <= len(block.layers) <= 3:
        return Plain(block, dtype)
    first, conv, *rest = block.layers
    known, last, norm = _block(first, 3), _conv(conv, 3), _norm(rest)
    if not (known and last and norm):
        return Plain(block, dtype)
    return Residual(known.conv, known.norm, last, norm)


def _fast_decoder_layers(layers: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
    # Of m pixels beyond the edges, upsampling and a kernel of 3 leave 2m - 1.
    plain = nn.Sequential(Plain(layers, dtype, torch.float32))
    if type(layers) is not nn.Sequential or len(layers) != 5:
        return plain
    upsampling = type(layers[0]) is type(layers[2]) is NearestUpsample
    half, full, last = _block(layers[1], 3), _block(layers[3], 3), _conv(layers[4], 9)
    if not (upsampling and half and full and last):
        return plain
    return nn.Sequential(
        Pad(2, 2, "replicate", dtype),
        *(UpsampledConv(half.conv), NormReLU(half.norm, 3, 3), Mirror(3, 3, reach=1, repeat=True)),
        *(UpsampledConv(full.conv), NormReLU(full.norm, 5, 5), Mirror(5, 5, reach=4)),
        QuadConv(last, crop=1),
    )


def _fast_normalize(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    if type(module) is InstanceNorm and module.weight is None:
        return PiecewiseInstanceNorm(module)
    return module if type(module) is nn.Identity else Plain(module, dtype)


def _fast_filter(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A filter as it is: its layers need no more than to be converted."""
    known = (ReflectConv2d, InstanceNorm, PixelNorm, nn.ReLU)
    if type(module) is StyleFilter and all(type(layer) in known for layer in module):
        return module
    return Plain(module, dtype)


# What follows compares types exactly: a subclass may compute something else.


def _block(module: nn.Module, kernel: int, stride: int = 1) -> _Block | None:
    """The convolution and normalization of a block, or None if it is made of anything else."""
    if type(module) is not nn.Sequential or not 2 <= len(module) <= 3 or type(module[-1]) is not nn.ReLU:
        return None
    conv, norm = _conv(module[0], kernel, stride), _norm(list(module)[1:-1])
    return _Block(conv, norm) if conv and norm else None


def _conv(module: nn.Module, kernel: int, stride: int = 1) -> nn.Conv2d | None:
    if type(module) is not ReflectConv2d or (module.kernel_size[0], module.stride[0]) != (kernel, stride):
        return None
    return module


def _norm(modules: list[nn.Module]) -> nn.Module | None:
    """The normalization among a block's layers."""
    if not modules:
        return nn.Identity()
    return modules[0] if type(modules[0]) in (InstanceNorm, PixelNorm) else None
