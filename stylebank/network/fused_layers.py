"""The layers of a network rebuilt for inference; `fused` says what they are for."""

from __future__ import annotations

from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.network.chunked_norm import NormReLU


def unpadded(conv: nn.Conv2d) -> nn.Conv2d:
    """The same convolution of a picture that comes with margins."""
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

    def __init__(self, first: nn.Conv2d, first_norm: nn.Module, last: nn.Conv2d, last_norm: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(first, NormReLU(first_norm), last)
        self.last_norm = NormReLU(last_norm, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last_norm(self.layers(x), shortcut=x)
        return out


class HalfResolution(nn.Module):
    """A trunk with its normalizations in place: (B, C, h, w) -> (B, C, h, w).

    Args:
        layers: what comes out of them begins a pixel before the features, and ends behind them.
    """

    def __init__(self, layers: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.layers, self.norm = layers, NormReLU(norm, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = self.layers(x)[:, :, 1 : 1 + x.shape[2], 1 : 1 + x.shape[3]]
        out: Tensor = self.norm(seen.contiguous(memory_format=torch.channels_last), shortcut=x)
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
