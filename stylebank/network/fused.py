"""The network rebuilt for inference: fewer operations, less memory moved, no conversions at each call; same pictures.

- `UpsampledConv`: nearest x2 upsampling and a 3x3 convolution equal one 2x2 convolution per output phase (even or odd
  row and column). Its taps are sums of those of the 3x3 kernel that fall on the same small pixel: 2.25 times fewer
  operations, exactly.
- `QuadConv`: a convolution to 3 channels leaves most of a processor's vectors empty; four pixels at once are 12.
- Padding copies a tensor. Here each comes with margins out of the convolution before it, which had wider ones to look
  at. An encoder's hold what the mirrored picture makes of them; elsewhere what is in them means nothing, but what the
  next convolution looks at is overwritten first (`Mirror`).
- Normalization and ReLU happen in place, piece by piece (`stylebank/network/chunked_norm.py`).
- Weights are converted once, and memory is channels-last.
"""

from __future__ import annotations

import copy
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.network.chunked_norm import NormReLU, PiecewiseInstanceNorm
from stylebank.network.layers import InstanceNorm, ResidualBlock
from stylebank.network.model import Decoder, Encoder, StyleBank


@torch.no_grad()
def optimize_for_inference(model: StyleBank, dtype: torch.dtype) -> StyleBank:
    """A copy of a network that computes the same faster, with convolutions in `dtype`: float32 or bfloat16.

    It takes pictures and features of any float type, gives features in `dtype` and pictures in float32. What it has
    for encoder and decoder can neither be trained nor saved as a bank.
    """
    fast = copy.deepcopy(model)
    _rebuild_encoder(fast.encoder, dtype)
    fast.decoder.blocks = nn.Sequential(Convert(dtype), *(Residual(block) for block in fast.decoder.blocks))
    fast.decoder.layers = _decoder_layers(fast.decoder, dtype)
    if isinstance(fast.normalize, InstanceNorm):
        fast.normalize = PiecewiseInstanceNorm(fast.normalize)
    for module in fast.modules():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
    return fast.eval().requires_grad_(False)


def _rebuild_encoder(encoder: Encoder, dtype: torch.dtype) -> None:
    # Of m pixels beyond the picture's upper and left edges, the kernel of 9 leaves m - 4 and those of stride 2 leave
    # (m - 1) / 2; beyond the other edges a stride of 2 looks at none.
    (large, norm1), (half, norm2), (quarter, norm3) = (_parts(block) for block in encoder.layers)
    layers = [
        *(_unpadded(large), NormReLU(norm1, 3, 0), Mirror(3, 0, reach=1)),
        *(_unpadded(half), NormReLU(norm2, 1, 0), Mirror(1, 0, reach=1)),
        *(_unpadded(quarter), NormReLU(norm3, 0, 0)),
    ]
    if encoder.cut:  # the margins hold what the mirrored picture makes of them, and no more is there than is looked at
        layers = [Convert(dtype), *(layer for layer in layers if not isinstance(layer, Mirror))]
        encoder.margins, encoder.cut = (7, 4), 0
    else:
        layers = [Pad(7, 4, "reflect", dtype), *layers]
    encoder.layers = nn.Sequential(*layers)


def _decoder_layers(decoder: Decoder, dtype: torch.dtype) -> nn.Sequential:
    # Of m pixels beyond the edges, upsampling and a kernel of 3 leave 2m - 1.
    _, coarse, _, fine, last = decoder.layers
    (half, norm1), (full, norm2) = _parts(coarse), _parts(fine)
    return nn.Sequential(
        Pad(2, 2, "replicate", dtype),
        *(UpsampledConv(half), NormReLU(norm1, 3, 3), Mirror(3, 3, reach=1, repeat=True)),
        *(UpsampledConv(full), NormReLU(norm2, 5, 5), Mirror(5, 5, reach=4)),
        QuadConv(_conv_of(last), crop=1),
    )


def _parts(block: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    """A block's convolution and normalization (or something that leaves all as it is)."""
    assert isinstance(block, nn.Sequential)
    conv, *norms, _ = block
    return _conv_of(conv), norms[0] if norms else nn.Identity()


def _conv_of(module: nn.Module) -> nn.Conv2d:
    assert isinstance(module, nn.Conv2d)
    return module


def _unpadded(conv: nn.Conv2d) -> nn.Conv2d:
    return _conv(conv.weight, conv.bias, conv.stride[0])


def _conv(weight: Tensor, bias: Tensor | None, stride: int = 1) -> nn.Conv2d:
    """An unpadded convolution with these weights."""
    outputs, inputs, size, _ = weight.shape
    conv = nn.Conv2d(inputs, outputs, size, stride, bias=bias is not None, device="meta")
    conv.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
    conv.bias = None if bias is None else nn.Parameter(bias)
    return conv


class Convert(nn.Module):
    """Converts, if need be."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.dtype, memory_format=torch.channels_last)


class Pad(nn.Module):
    """Adds margins: `before` rows above and columns to the left, `after` below and to the right. Converts as well."""

    def __init__(self, before: int, after: int, mode: Literal["reflect", "replicate"], dtype: torch.dtype) -> None:
        super().__init__()
        self.margins, self.mode, self.dtype = (before, after, before, after), mode, dtype

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.margins, self.mode).to(self.dtype, memory_format=torch.channels_last)


class Mirror(nn.Module):
    """Fills the `reach` pixels of the margins that are nearest to the picture, in place.

    Like a mirror at the middle of the outermost pixels, or by repeating these. Margins of 0 stay.
    """

    def __init__(self, before: int, after: int, reach: int, repeat: bool = False) -> None:
        super().__init__()
        self.before, self.after, self.reach, self.repeat = before, after, reach, repeat

    def forward(self, x: Tensor) -> Tensor:
        for axis, i in product((2, 3), range(1, self.reach + 1)):
            first, last = self.before, x.shape[axis] - 1 - self.after
            inwards = 0 if self.repeat else i
            if self.before:
                x.select(axis, first - i).copy_(x.select(axis, first + inwards))
            if self.after:
                x.select(axis, last + i).copy_(x.select(axis, last - inwards))
        return x


class Residual(nn.Module):
    """A residual block with its normalizations in place: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        assert isinstance(block, ResidualBlock)
        first, last, *norms = block.layers
        conv, norm = _parts(first)
        self.layers = nn.Sequential(conv, NormReLU(norm), last)
        self.last_norm = NormReLU(norms[0] if norms else nn.Identity(), relu=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last_norm(self.layers(x), shortcut=x)
        return out


class UpsampledConv(nn.Module):
    """Nearest x2 upsampling and then a 3x3 convolution, in one: (B, C, h, w) -> (B, C', 2h - 2, 2w - 2).

    The windows of the 2x2 convolution lie on small pixels j - 1 and j, and large pixels 2j - 1 and 2j see just these:
    kernel taps (a, b, c) become (a + b, c) for the odd and (a, b + c) for the even one. Mirroring about the edge of the
    large picture repeats the small picture's last pixel.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        odd, even = [[1.0, 1, 0], [0, 0, 1]], [[1.0, 0, 0], [0, 1, 1]]
        sums = torch.tensor([odd, even], dtype=torch.float64)  # (phase, tap of 2, tap of 3)
        kernels = torch.einsum("yik,xjl,ockl->yxocij", sums, sums, conv.weight.double().cpu())
        bias = None if conv.bias is None else conv.bias.repeat(4)
        self.conv = _conv(kernels.flatten(0, 2).to(conv.weight), bias)

    def forward(self, x: Tensor) -> Tensor:
        windows: Tensor = self.conv(x)  # (B, 4C', h - 1, w - 1)
        phases = windows.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1))  # (B, h - 1, w - 1, odd or even y, x, C')
        pixels: Tensor = phases.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (B, 2h - 2, 2w - 2, C')
        return pixels.permute(0, 3, 1, 2)


class QuadConv(nn.Module):
    """A convolution of stride 1 for four pixels at a time, and a crop: two rows and columns take one more tap than one.

    (B, C, H, W) -> (B, C', H', W') float32, even less 2 crops, with H - H' = W - W' = kernel - 1 + 2 crops.
    """

    def __init__(self, conv: nn.Conv2d, crop: int) -> None:
        super().__init__()
        size, self.crop = conv.kernel_size[0], crop
        kernels = conv.weight.new_zeros(conv.out_channels, 2, 2, conv.in_channels, size + 1, size + 1)
        for y, x in product((0, 1), (0, 1)):
            kernels[:, y, x, :, y : y + size, x : x + size] = conv.weight
        bias = None if conv.bias is None else conv.bias.repeat_interleave(4)
        self.conv = _conv(kernels.flatten(0, 2), bias, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        pixels = F.pixel_shuffle(self.conv(x), 2)
        return pixels[:, :, self.crop : -self.crop, self.crop : -self.crop].float()
