"""The network's layers: normalizations, convolutions without dark borders, upsampling, residual blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stylebank.config import Norm
from stylebank.device import at_least_float32
from stylebank.network.padding import gathered

Moments = tuple[Tensor, Tensor]
"""Mean and variance, both (B, C, 1, 1)."""


def moments_of(x: Tensor) -> Moments:
    """Mean and variance of every channel of every image, in float32 at least: (B, C, H, W) -> two (B, C, 1, 1)."""
    wide = at_least_float32(x)
    mean = wide.mean((2, 3), keepdim=True)
    # Not torch.var_mean, which takes ten times as long in channels-last.
    return mean, (wide - mean).square().mean((2, 3), keepdim=True)


class InstanceNorm(nn.Module):
    """Instance normalization with a learned scale and shift, computed in float32 at least.

    Written out (instead of `nn.InstanceNorm2d`) because that one leaves channels-last and overflows in half
    precision. Input and output: (B, C, H, W).
    """

    moments: Callable[[Tensor], Moments]
    """Where mean and variance come from: the input itself, unless it is only a part of a picture."""

    def __init__(self, channels: int, affine: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.moments = moments_of
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.moments(x)
        scale = torch.rsqrt(var + self.eps)
        if self.weight is None or self.bias is None:
            return ((x - mean) * scale).to(x.dtype)
        scale = scale * self.weight[:, None, None]
        return (x * scale + (self.bias[:, None, None] - mean * scale)).to(x.dtype)


class _PixelNorm(torch.autograd.Function):
    """`weight * x / sqrt(mean over channels of x^2 + eps) + bias`, all in the format of `x` but for its sums.

    Written out because autograd would keep and move float32 copies of every tensor, and multiply by ones: half of a
    layer's time on a processor. x is (B, C, H, W), weight and bias (C,).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, low: tuple[Tensor, Tensor] | None, eps: float
    ) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        squares = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=wide).square_()  # (B, 1, H, W)
        scale = torch.add(_constant(eps, wide, x.device), squares, alpha=1 / x.shape[1]).rsqrt_().to(x.dtype)
        factor, shift = low or (weight.to(x.dtype), bias.to(x.dtype))
        unit, factor = x * scale, factor[:, None, None]
        ctx.save_for_backward(unit, scale, factor)
        ctx.wide = weight.dtype
        return torch.addcmul(shift[:, None, None], unit, factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None, None]:
        unit, scale, factor = ctx.saved_tensors
        of_weight, of_bias = None, None
        products = gradient * unit
        if ctx.needs_input_grad[1]:
            of_weight, of_bias = (each.sum((0, 2, 3), dtype=ctx.wide) for each in (products, gradient))
        along = products.mul_(factor).mean(1, keepdim=True)  # what would only change the length
        return torch.addcmul(gradient * factor, unit, along, value=-1).mul_(scale), of_weight, of_bias, None, None


class PixelNorm(nn.Module):
    """Scales every pixel's channel vector to unit root mean square, then a learned scale and shift.

    Karras et al. 2018, section 4.2. Keeps training stable as instance normalization does, but looks at one
    position only, so that what happens in one part of a picture never changes another. Brightness and contrast
    survive if the convolution before it has biases: like the 1 in homogeneous coordinates they keep the length.
    Input and output: (B, C, H, W).
    """

    low: tuple[Tensor, Tensor] | None = None
    """Scale and shift in the input's number format where they are at hand, see `lowered`."""

    def __init__(self, channels: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _PixelNorm.apply(x, self.weight, self.bias, self.low, self.eps)  # type: ignore[no-untyped-call]
        return out


def _constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A number on a device, put there once."""
    if torch.compiler.is_compiling():  # which makes it part of a kernel, and warns of what is kept
        return torch.full((), value, dtype=dtype, device=device)
    found = _known_constant(value, dtype, device)
    if type(found) is not Tensor:  # a stand-in, of a mode that follows what is done
        _known_constant.cache_clear()
    return found


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept may be asked for in training next
def _known_constant(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((), value, dtype=dtype, device=device)


def norm_layers(kind: Norm, channels: int) -> list[nn.Module]:
    """The normalization of that kind, in a list that is empty for `none`."""
    if kind == "none":
        return []
    return [InstanceNorm(channels) if kind == "instance" else PixelNorm(channels)]


def reflected(x: Tensor, width: int) -> Tensor:
    """A tensor (B, C, H, W) with `width` mirrored pixels more on every side, the outermost not repeated."""
    return gathered(x, width) if x.device.type == "cuda" else F.pad(x, [width] * 4, mode="reflect")


class ReflectConv2d(nn.Conv2d):
    """A convolution that keeps the size (divided by the stride); reflection leaves no dark border."""

    exact = False
    """Whether training leaves it in float32 where that costs next to nothing, see `Decoder.forward`."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(cin, cout, kernel, stride, kernel // 2, padding_mode="reflect", bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # which pads in float32, for nothing but longer copies
            padded = reflected(x, self.kernel_size[0] // 2)
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class TransposedConv2d(nn.ConvTranspose2d):
    """A convolution of stride 1/2 (Chen et al. 2017, section 3.1): (B, cin, H, W) -> (B, cout, 2H, 2W).

    The row and column that it would look at beyond the picture repeat the last ones: zeros would leave dark edges.
    """

    def __init__(self, cin: int, cout: int, kernel: int, bias: bool = True) -> None:
        super().__init__(cin, cout, kernel, stride=2, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = (2 * side for side in x.shape[2:])
        x = torch.cat([x, x[:, :, -1:]], 2)
        x = torch.cat([x, x[..., -1:]], 3)
        out: Tensor = super().forward(x, output_size)
        return out[:, :, :height, :width]


class NearestUpsample(nn.Upsample):
    """Twice the size, every pixel four times, in the input's number format: (B, C, H, W) -> (B, C, 2H, 2W)."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def conv(cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = True) -> ReflectConv2d:
    """A convolution with the weights that training starts with."""
    layer = ReflectConv2d(cin, cout, kernel, stride, bias)
    if not layer.weight.is_meta:  # no numbers to draw, and torch would import its compiler for it, which takes seconds
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def several_convolutions(x: Tensor, kernels: Sequence[Tensor], biases: Sequence[Tensor], at_once: bool) -> Tensor:
    """`ReflectConv2d` with a kernel of its own for every image: (B, C, H, W) -> (B, C', H, W).

    Args:
        kernels: B of (C', C, k, k).
        biases: B of (C',).
        at_once: as one product, which takes more memory and few operations.
    """
    size = kernels[0].shape[-1]
    with torch.autocast(x.device.type, enabled=False):
        padded = reflected(x, size // 2)
    if not at_once:
        parts = zip(padded.split(1), kernels, biases, strict=True)
        return torch.cat([F.conv2d(part, kernel, bias) for part, kernel, bias in parts])
    height, width = x.shape[2:]
    # Rows of kernels as they lie in memory: (C', k, k, C).
    rows = torch.stack([kernel.permute(0, 2, 3, 1) for kernel in kernels]).flatten(2)
    if rows.requires_grad:
        rows.register_hook(Tensor.contiguous)  # one copy of the gradient, or each kernel's would be copied
    windows = padded.permute(0, 2, 3, 1).unfold(1, size, 1).unfold(2, size, 1)  # (B, H, W, C, k, k)
    windows = windows.permute(0, 1, 2, 4, 5, 3).reshape(len(kernels), height * width, -1)
    out = torch.baddbmm(torch.stack(list(biases))[:, None], windows, rows.mT)  # (B, H W, C')
    return out.view(len(kernels), height, width, -1).permute(0, 3, 1, 2)


def upsampling_block(cin: int, cout: int, norm: Norm) -> nn.Sequential:
    """As `block`, with a transposed convolution."""
    layer = TransposedConv2d(cin, cout, 3, bias=norm != "instance")
    if not layer.weight.is_meta:
        # As He et al. 2015 would have it, but of nine taps each pixel sees nine quarters on average.
        nn.init.normal_(layer.weight, std=(2 / (cin * 9 / 4)) ** 0.5)
    if layer.bias is not None and not layer.bias.is_meta:
        nn.init.normal_(layer.bias, std=0.5 if norm == "pixel" else 0.0)
    return nn.Sequential(layer, *norm_layers(norm, cout), nn.ReLU())


def block(cin: int, cout: int, kernel: int, stride: int, norm: Norm) -> nn.Sequential:
    """Convolution, normalization where asked for, ReLU."""
    first = conv(cin, cout, kernel, stride, bias=norm != "instance")
    if norm == "pixel" and first.bias is not None and not first.bias.is_meta:
        # Scaling to unit length forgets how bright a patch was, unless a constant stands beside it: see PixelNorm.
        nn.init.normal_(first.bias, std=0.5)
    return nn.Sequential(first, *norm_layers(norm, cout), nn.ReLU())


class ResidualBlock(nn.Module):
    """`x + conv(relu(norm(conv(x))))`, normalized at its end: (B, C, h, w) -> (B, C, h, w). He et al. 2016.

    Starts as the identity, so that a deep decoder learns as quickly as a shallow one at first.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        last = conv(channels, channels, 3)
        norms = norm_layers(norm, channels)
        for module in norms or [last]:
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
        self.layers = nn.Sequential(block(channels, channels, 3, 1, norm), last, *norms)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out
