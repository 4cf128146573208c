"""The network rebuilt for inference: fewer operations, less memory moved, no conversions at each call; same pictures.

- `UpsampledConv`: nearest x2 upsampling and a 3x3 convolution equal one 2x2 convolution per output phase (even or odd
  row and column). Its taps are sums of those of the 3x3 kernel that fall on the same small pixel: 2.25 times fewer
  operations, exactly.
- `QuadConv`: a convolution to 3 channels leaves most of a processor's vectors empty; four pixels at once are 12.
- Padding copies a tensor. Here each comes with margins out of the convolution before it, which had wider ones to look
  at. What is in them means nothing, but what the next convolution looks at is overwritten first (`Mirror`).
- Normalization and ReLU happen in place, weights are converted once, and memory is channels-last.
- On a processor the layers of full and half resolution go through a large picture strip by strip, whose tensors stay in
  its caches (`Strips`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import product
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.layers import InstanceNorm, PixelNorm, ResidualBlock
from stylebank.model import STRIDE, Decoder, Encoder, StyleBank

STRIP_BYTES = 2**23  # of a strip's tensor of full resolution: what a processor's caches about hold
LOWEST_STRIP = 8  # rows of features, to which a decoder's strip has four more


@torch.no_grad()
def optimize_for_inference(model: StyleBank, dtype: torch.dtype) -> StyleBank:
    """A copy of a network that computes the same faster, with convolutions in `dtype`: float32 or bfloat16.

    It takes pictures and features of any float type, gives features in `dtype` and pictures in float32. What it has
    for encoder and decoder can neither be trained nor saved as a bank.
    """
    fast = copy.deepcopy(model)
    fast.encoder.layers = _encoder_layers(fast.encoder, dtype)
    fast.decoder.blocks = nn.Sequential(Convert(dtype), *(Residual(block) for block in fast.decoder.blocks))
    fast.decoder.layers = _decoder_layers(fast.decoder, dtype)
    for module in fast.modules():
        if isinstance(module, (nn.Conv2d, PixelNorm)):
            module.to(dtype)
    return fast.eval().requires_grad_(False)


def _encoder_layers(encoder: Encoder, dtype: torch.dtype) -> nn.Sequential:
    # Of m pixels beyond the picture's upper and left edges, the kernel of 9 leaves m - 4 and those of stride 2 leave
    # (m - 1) / 2; beyond the other edges a stride of 2 looks at none.
    (large, norm1), (half, norm2), (quarter, norm3) = (_parts(block) for block in encoder.layers)
    layers = [
        *(_unpadded(large), NormReLU(norm1, 3, 0), Mirror(3, 0, reach=1)),
        *(_unpadded(half), NormReLU(norm2, 1, 0), Mirror(1, 0, reach=1)),
        *(_unpadded(quarter), NormReLU(norm3, 0, 0)),
    ]
    return nn.Sequential(Pad(7, 4, "reflect", dtype), Strips(layers, STRIDE, 1, 7 + 4, large.out_channels))


def _decoder_layers(decoder: Decoder, dtype: torch.dtype) -> nn.Sequential:
    # Of m pixels beyond the edges, upsampling and a kernel of 3 leave 2m - 1.
    _, coarse, _, fine, last = decoder.layers
    (half, norm1), (full, norm2) = _parts(coarse), _parts(fine)
    layers = [
        *(UpsampledConv(half), NormReLU(norm1, 3, 3), Mirror(3, 3, reach=1, repeat=True)),
        *(UpsampledConv(full), NormReLU(norm2, 5, 5), Mirror(5, 5, reach=4)),
        QuadConv(_conv_of(last), crop=1),
    ]
    return nn.Sequential(Pad(2, 2, "replicate", dtype), Strips(layers, 1, STRIDE, 2 + 2, full.out_channels))


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

    def forward(self, x: Tensor, top: bool = True, bottom: bool = True) -> Tensor:
        """Without `top` or `bottom` that side is no edge of the picture, and its margin is left as it is."""
        for axis, i in product((2, 3), range(1, self.reach + 1)):
            first, last = self.before, x.shape[axis] - 1 - self.after
            inwards = 0 if self.repeat else i
            if self.before and (top or axis == 3):
                x.select(axis, first - i).copy_(x.select(axis, first + inwards))
            if self.after and (bottom or axis == 3):
                x.select(axis, last + i).copy_(x.select(axis, last - inwards))
        return x


class Strips(nn.Module):
    """Layers one after the other; on a processor strip by strip, so low that their tensors stay in its caches.

    The margins of a strip inside the picture hold the rows beside it, so that the result is that of the whole.
    Normalization over whole pictures has no strips.

    Args:
        rows_in: of the input, for each `rows_out` rows of the output.
        margin: rows that the input has beyond these, above and below together.
        channels: of the tensor of full resolution.
    """

    def __init__(self, layers: Sequence[nn.Module], rows_in: int, rows_out: int, margin: int, channels: int) -> None:
        super().__init__()
        self.layers, self.channels = nn.ModuleList(layers), channels
        self.rows_in, self.rows_out, self.margin = rows_in, rows_out, margin
        self.possible = not any(isinstance(module, InstanceNorm) for module in self.modules())

    def forward(self, x: Tensor) -> Tensor:
        units = (x.shape[2] - self.margin) // self.rows_in  # the picture's height in rows of features
        height = self._height(units, x) if self.possible and x.device.type == "cpu" else units
        if height >= units:
            return self._run(x, top=True, bottom=True)
        out: Tensor | None = None
        for start in range(0, units, height):
            end = min(start + height, units)
            strip = x[:, :, start * self.rows_in : end * self.rows_in + self.margin]
            part = self._run(strip, top=start == 0, bottom=end == units)
            if out is None:
                shape = (x.shape[0], part.shape[1], units * self.rows_out, part.shape[3])
                out = torch.empty(shape, dtype=part.dtype, memory_format=torch.channels_last)
            out[:, :, start * self.rows_out : end * self.rows_out] = part
        assert out is not None
        return out

    def _height(self, units: int, x: Tensor) -> int:
        """Of a strip in rows of features, all about equally high."""
        pixels = units * x.shape[0] * (x.shape[3] // self.rows_in) * STRIDE**2
        count = math.ceil(pixels * self.channels * x.element_size() / STRIP_BYTES)
        return max(LOWEST_STRIP, math.ceil(units / max(1, count)))

    def _run(self, x: Tensor, top: bool, bottom: bool) -> Tensor:
        for layer in self.layers:
            x = layer(x, top, bottom) if isinstance(layer, Mirror) else layer(x)
        return x


class NormReLU(nn.Module):
    """Normalization and ReLU, in place, of a tensor (B, C, H, W) with margins, which do not count."""

    def __init__(self, norm: nn.Module, before: int = 0, after: int = 0, relu: bool = True) -> None:
        super().__init__()
        self.norm, self.before, self.after, self.relu = norm, before, after, relu

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.norm, PixelNorm):
            _pixel_norm(x, self.norm)
        elif not isinstance(self.norm, nn.Identity):
            inside = x[:, :, self.before : x.shape[2] - self.after, self.before : x.shape[3] - self.after]
            inside.copy_(self.norm(inside))
        return x.relu_() if self.relu else x


class Residual(nn.Module):
    """A residual block with its normalizations in place: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        assert isinstance(block, ResidualBlock)
        first, last, *norms = block.layers
        conv, norm = _parts(first)
        self.layers = nn.Sequential(
            *(conv, NormReLU(norm)),
            *(last, NormReLU(norms[0] if norms else nn.Identity(), relu=False)),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x).add_(x)
        return out


def _pixel_norm(x: Tensor, norm: PixelNorm) -> None:
    """As `PixelNorm`, in place and in the number format of `x`."""
    pixels = x.permute(0, 2, 3, 1)  # (B, H, W, C): in memory one vector after the other
    lengths = torch.linalg.vector_norm(pixels, dim=3, keepdim=True).float()
    scale = torch.rsqrt(lengths.square_().div_(x.shape[1]).add_(norm.eps))
    pixels.mul_(scale.to(x.dtype)).mul_(norm.weight).add_(norm.bias)


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
