"""The network's layers as an exporter wants them: plain operations, and norms in float32 whatever the precision.

float16 holds nothing above 65,504. A filter's outputs are many times larger than its inputs, so they are carried at
`scale` times their size (kernel and bias are multiplied by it) from the filter to the first norm behind it. There it
drops out: a norm divides by the size of what it gets, so that it is enough to multiply the bias before it by `scale`
and its epsilon by `scale` squared. Nothing else changes, and with a power of two nothing is rounded by it.

Two forms are quicker everywhere that was tried, and exact, as `network.fused` says: upsampling is one with the
convolution after it, and a convolution to few channels does four pixels at once.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.network import fused_layers
from stylebank.network.layers import (
    InstanceNorm,
    NearestUpsample,
    PixelNorm,
    ReflectConv2d,
    TransposedConv2d,
)
from stylebank.network.model import Decoder
from stylebank.network.trunk import Trunk


class PaddedConv(nn.Module):
    """`ReflectConv2d` as one Pad (mode reflect, explicit pads) and one Conv (no pads)."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.reach = conv.stride[0], conv.kernel_size[0] // 2

    def forward(self, x: Tensor) -> Tensor:
        return self.shaped(self.convolved(self.padded(x), self.weight))

    def padded(self, x: Tensor) -> Tensor:
        """What the convolution sees."""
        return reflected(x, self.reach)

    def convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        """What comes out of it."""
        return F.conv2d(x, weight, self.bias, self.stride)

    def shaped(self, x: Tensor) -> Tensor:
        """That, as the layer gives it."""
        return x


class UpsampledConv(PaddedConv):
    """Nearest x2 upsampling and a `PaddedConv` of 3x3 in one: (B, C, h, w) -> (B, C', 2h, 2w).

    The kernels of the four output phases look at 2x2 small pixels each. Mirrored beyond its edge, the large picture
    repeats the small one's last pixel.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv)
        phases = fused_layers.UpsampledConv(conv).conv
        # From (2, 2, C') output channels to the (C', 2, 2) that pixels are shuffled from.
        self.weight = nn.Parameter(phases.weight.unflatten(0, (4, -1)).transpose(0, 1).flatten(0, 1).contiguous())
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.repeat_interleave(4))

    def padded(self, x: Tensor) -> Tensor:
        return F.pad(x, [1] * 4, mode="replicate")

    def shaped(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, 2)[:, :, 1:-1, 1:-1]


class QuadConv(PaddedConv):
    """A `PaddedConv` of stride 1 for four pixels at a time: (B, C, H, W) -> (B, C', H, W), H and W even."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv)
        four = fused_layers.QuadConv(conv, crop=0).conv
        self.weight, self.bias, self.stride = nn.Parameter(four.weight.contiguous()), four.bias, 2

    def shaped(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, 2)


class FlatPixelNorm(nn.Module):
    """`PixelNorm` written out, in the order that OpenVINO knows as one operation."""

    def __init__(self, norm: PixelNorm) -> None:
        super().__init__()
        self.eps = norm.eps
        self.weight, self.bias = (nn.Parameter(each[:, None, None]) for each in (norm.weight, norm.bias))

    def forward(self, x: Tensor) -> Tensor:
        wide, channels = x.float(), x.shape[1]
        unit = wide / torch.sqrt((wide**2).sum(1, keepdim=True) + self.eps * channels)
        out: Tensor = unit * (self.weight.float() * channels**0.5) + self.bias.float()
        return out.to(x.dtype)


class FlatInstanceNorm(nn.Module):
    """`InstanceNorm` written out; the mean of squares is that of differences, as squares of float32 cancel."""

    def __init__(self, norm: InstanceNorm) -> None:
        super().__init__()
        self.eps, self.affine = norm.eps, norm.weight is not None
        if norm.weight is not None and norm.bias is not None:
            self.weight, self.bias = (nn.Parameter(each[:, None, None]) for each in (norm.weight, norm.bias))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        centered = wide - wide.mean((2, 3), keepdim=True)
        out = centered * torch.rsqrt((centered * centered).mean((2, 3), keepdim=True) + self.eps)
        if self.affine:
            out = out * self.weight.float() + self.bias.float()
        return out.to(x.dtype)


def reflected(x: Tensor, reach: int) -> Tensor:
    """(B, C, H, W) with `reach` pixels more on every side, as in a mirror at the outermost pixels' middle."""
    return F.pad(x, [reach] * 4, mode="reflect") if reach else x


def exportable(module: nn.Module) -> nn.Module:
    """A copy of a part of the network, made of the layers above."""
    return _replaced(copy.deepcopy(module).eval().requires_grad_(False)).requires_grad_(False)


def _replaced(module: nn.Module) -> nn.Module:
    if isinstance(module, ReflectConv2d):
        return PaddedConv(module)
    if isinstance(module, PixelNorm):
        return FlatPixelNorm(module)
    if isinstance(module, InstanceNorm):
        return FlatInstanceNorm(module)
    for name, inner in module.named_children():
        setattr(module, name, _replaced(inner))
    return module


def _fused(layers: nn.Sequential, last: bool = False) -> nn.Sequential:
    """A decoder's layers, with upsampling in the convolution after it where it repeats pixels.

    Args:
        last: whether the picture comes out of them.
    """
    made = list[nn.Module]()
    for layer in layers:
        if made and isinstance(made[-1], NearestUpsample):
            conv, *after = layer if isinstance(layer, nn.Sequential) else [layer]
            fused = UpsampledConv(cast(nn.Conv2d, conv))
            made[-1] = nn.Sequential(fused, *after) if after else fused
        else:
            made.append(layer)
    if last:
        made[-1] = QuadConv(cast(nn.Conv2d, made[-1]))
    return nn.Sequential(*made)


@torch.no_grad()
def scaled_decoder(decoder: Decoder, scale: float) -> nn.Module:
    """An exportable decoder that takes features which are `scale` times as large, for the same pictures.

    Between the residual blocks, and in what a trunk adds to, features stay as they came; see the top of this file.
    """
    made = copy.deepcopy(decoder)
    made.layers = _fused(made.layers, last=True)
    if isinstance(made.trunk, Trunk):
        made.trunk.up = _fused(made.trunk.up)
    made = cast(Decoder, exportable(made))
    ends = [(cast(nn.Sequential, block.layers)[0], cast(nn.Sequential, block.layers)[-1]) for block in made.blocks]
    if isinstance(made.trunk, Trunk):
        ends.append((made.trunk.down, [*made.trunk.up, *made.trunk.norms][-1]))
    for first, last in ends:
        _take_scaled([*cast(nn.Sequential, first)], scale)
        for parameter in last.parameters():  # of the norm, or of the convolution where there is none
            parameter.mul_(scale)
    first = next(layer for layer in made.layers if isinstance(layer, nn.Sequential))
    _take_scaled([*first], scale)
    return made


def _take_scaled(block: list[nn.Module], scale: float) -> None:
    """Lets a block (convolution, perhaps a norm, ReLU) take inputs `scale` times as large."""
    conv, after = cast(PaddedConv | TransposedConv2d, block[0]), block[1]
    if isinstance(after, FlatPixelNorm | FlatInstanceNorm):
        after.eps *= scale * scale
        if conv.bias is not None:
            conv.bias.mul_(scale)
    else:
        conv.weight.div_(scale)
