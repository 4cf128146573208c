"""The network: a shared encoder and decoder, and between them a bank with one convolution filter per style.

Chen, Yuan, Liao, Yu, Hua: "StyleBank: An Explicit Representation for Neural Image Style Transfer", CVPR 2017,
section 3.1 and figure 2. Shapes: B images, C feature channels, H x W pixels, h x w = ceil(H/4) x ceil(W/4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stylebank.runtime import at_least_float32

STRIDE = 4  # two stride-2 convolutions
MIN_SIDE = 16  # reflection padding of the 9x9 kernels needs a few pixels to mirror

Norm = Literal["instance", "pixel", "none"]


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build the network again; stored in a bank's `bank.json`."""

    channels: tuple[int, int, int] = (32, 64, 128)
    """Widths of the encoder's three convolutions; the decoder mirrors them."""
    norm: Norm = "pixel"
    """Normalization after every convolution of encoder and decoder but the last (the paper: `instance`)."""
    normalize_features: bool = True
    """Instance-normalize the features before a style's filter (see `StyleBank`)."""
    kernel_size: int = 3
    depth: int = 1
    """Convolutions per filter; 1 is the paper's linear filter, whose kernels may be summed."""
    width: int = 128
    """Channels between the convolutions of a filter with `depth` > 1."""
    filter_norm: Norm = "none"
    """Normalization between the convolutions of a filter with `depth` > 1."""
    residual_blocks: int = 0
    """At the beginning of the decoder, shared by all styles (the paper: none)."""


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


class _UnitRootMeanSquare(torch.autograd.Function):
    """`x / sqrt(mean over channels of x^2 + eps)` with its scale in float32 at least and all else in the format of `x`.

    Written out because autograd would keep and move float32 copies of every tensor: half of a layer's time on a
    processor. Input and output: (B, C, H, W).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        squares = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=wide).square_()  # (B, 1, H, W)
        scale = squares.div_(x.shape[1]).add_(eps).rsqrt_().to(x.dtype)
        unit: Tensor = x * scale
        ctx.save_for_backward(unit, scale)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        unit, scale = ctx.saved_tensors
        along = (gradient * unit).mean(1, keepdim=True)  # what would only change the length
        return torch.addcmul(gradient, unit, along, value=-1).mul_(scale), None


class PixelNorm(nn.Module):
    """Scales every pixel's channel vector to unit root mean square, then a learned scale and shift.

    Karras et al. 2018, section 4.2. Keeps training stable as instance normalization does, but looks at one
    position only, so that what happens in one part of a picture never changes another. Brightness and contrast
    survive if the convolution before it has biases: like the 1 in homogeneous coordinates they keep the length.
    Input and output: (B, C, H, W).
    """

    def __init__(self, channels: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        unit: Tensor = _UnitRootMeanSquare.apply(x, self.eps)  # type: ignore[no-untyped-call]
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return torch.addcmul(bias[:, None, None], unit, weight[:, None, None])


def _norm(kind: Norm, channels: int) -> list[nn.Module]:
    if kind == "none":
        return []
    return [InstanceNorm(channels) if kind == "instance" else PixelNorm(channels)]


class ReflectConv2d(nn.Conv2d):
    """A convolution that keeps the size (divided by the stride); reflection leaves no dark border."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(cin, cout, kernel, stride, kernel // 2, padding_mode="reflect", bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # which pads in float32, for nothing but longer copies
            padded = F.pad(x, [self.kernel_size[0] // 2] * 4, mode="reflect")
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class NearestUpsample(nn.Upsample):
    """Twice the size, every pixel four times, in the input's number format: (B, C, H, W) -> (B, C, 2H, 2W)."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def _conv(cin: int, cout: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution with the weights that training starts with."""
    conv = ReflectConv2d(cin, cout, kernel, stride, bias)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _block(cin: int, cout: int, kernel: int, stride: int, norm: Norm) -> nn.Sequential:
    """Convolution, normalization where asked for, ReLU."""
    conv = _conv(cin, cout, kernel, stride, bias=norm != "instance")
    if norm == "pixel" and conv.bias is not None:
        # Scaling to unit length forgets how bright a patch was, unless a constant stands beside it: see PixelNorm.
        nn.init.normal_(conv.bias, std=0.5)
    return nn.Sequential(conv, *_norm(norm, cout), nn.ReLU())


class ResidualBlock(nn.Module):
    """`x + conv(relu(norm(conv(x))))`, normalized at its end: (B, C, h, w) -> (B, C, h, w). He et al. 2016.

    Starts as the identity, so that a deep decoder learns as quickly as a shallow one at first.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        last = _conv(channels, channels, 3)
        norms = _norm(norm, channels)
        for module in norms or [last]:
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
        self.layers = nn.Sequential(_block(channels, channels, 3, 1, norm), last, *norms)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


class Encoder(nn.Module):
    """(B, 3, H, W) in [0, 1] -> features (B, C, h, w); H and W are padded up to multiples of 4 by reflection."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        c1, c2, c3 = arch.channels
        self.layers = nn.Sequential(
            _block(3, c1, 9, 1, arch.norm), _block(c1, c2, 3, 2, arch.norm), _block(c2, c3, 3, 2, arch.norm)
        )

    def forward(self, images: Tensor) -> Tensor:
        right, bottom = -images.shape[3] % STRIDE, -images.shape[2] % STRIDE
        if right or bottom:
            images = F.pad(images, (0, right, 0, bottom), mode="reflect")
        features: Tensor = self.layers(images * 4 - 2)  # [0, 1] -> about unit variance
        return features


class Decoder(nn.Module):
    """Features (B, C, h, w) -> images (B, 3, 4h, 4w), nominally in [0, 1] but not clamped."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        c1, c2, c3 = arch.channels
        self.blocks = nn.Sequential(*(ResidualBlock(c3, arch.norm) for _ in range(arch.residual_blocks)))
        # Nearest upsampling and a convolution: a transposed convolution leaves a checkerboard.
        self.layers = nn.Sequential(
            NearestUpsample(),
            _block(c3, c2, 3, 1, arch.norm),
            NearestUpsample(),
            _block(c2, c1, 3, 1, arch.norm),
            _conv(c1, 3, 9),
        )

    def forward(self, features: Tensor) -> Tensor:
        images: Tensor = self.layers(self.blocks(features))
        return (images + 2) / 4


class StyleFilter(nn.Sequential):
    """One style's filter K: (B, C, h, w) -> (B, C, h, w). Linear when `depth` is 1, as in the paper."""

    def __init__(self, arch: Architecture) -> None:
        channels, layers = arch.channels[2], []
        widths = [channels, *[arch.width] * (arch.depth - 1), channels]
        for cin, cout in pairwise(widths):
            # The paper's filter has no bias: the norm after it would cancel one. Here it sets a style's colours.
            layers += [_conv(cin, cout, arch.kernel_size), *_norm(arch.filter_norm, cout), nn.ReLU()]
        layers = layers[: -1 if arch.filter_norm == "none" else -2]  # nothing after the last convolution
        if arch.depth == 1:
            _start_near_identity(layers[0])
        super().__init__(*layers)


@torch.no_grad()
def _start_near_identity(conv: nn.Module) -> None:
    """Lets a linear filter start as a faint copy of its input, so that its first outputs show the photograph.

    From noise, the decoder's ReLUs can die in the first steps and the output stays grey.
    """
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    conv.weight.mul_(0.1).add_(nn.init.dirac_(torch.empty_like(conv.weight)), alpha=0.8)
    conv.bias.fill_(0.5)


class StyleBank(nn.Module):
    """Encoder, decoder and the bank: an ordered list of named filters.

    Deviation from the paper, measured in docs/training.md: instance normalization happens once, on the features'
    way into a filter, and the auto-encoder's layers are normalized pixel by pixel. Instance normalization after
    every layer throws away the photograph's brightness and contrast, so the identity branch cannot return them.
    """

    def __init__(self, arch: Architecture, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.arch = arch
        self.encoder = Encoder(arch)
        self.decoder = Decoder(arch)
        self.normalize = InstanceNorm(arch.channels[2], affine=False) if arch.normalize_features else nn.Identity()
        self.names = list(names)
        self.identity_gain = 1.0  # for mixing with the identity path, see `fusion.calibrate`
        # A list, not a ModuleDict: style names such as "train" would clash with a module's own attributes.
        self.filters = nn.ModuleList(StyleFilter(arch) for _ in self.names)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> features (B, C, h, w)."""
        features: Tensor = self.encoder(images)
        return features

    def decode(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Features (B, C, h, w) -> images (B, 3, H, W) with (H, W) = `size`; the encoder's padding is cut off."""
        images: Tensor = self.decoder(features)
        return images[:, :, : size[0], : size[1]]

    def apply_filters(self, features: Tensor, styles: Sequence[int]) -> Tensor:
        """Each image's features through the filter of its own style: (B, C, h, w), B indices -> (B, C, h, w)."""
        normalized = self.normalize(features)
        if len(set(styles)) == 1:
            out: Tensor = self.filters[styles[0]](normalized)
            return out
        return torch.cat([self.filters[style](normalized[i : i + 1]) for i, style in enumerate(styles)])

    def reconstruct(self, images: Tensor) -> Tensor:
        """The auto-encoder branch (identity): (B, 3, H, W) -> (B, 3, H, W)."""
        return self.decode(self.encode(images), (images.shape[2], images.shape[3]))

    def stylize(self, images: Tensor, styles: Sequence[int]) -> Tensor:
        """The stylizing branch: (B, 3, H, W) and one style index per image -> (B, 3, H, W)."""
        features = self.apply_filters(self.encode(images), styles)
        return self.decode(features, (images.shape[2], images.shape[3]))

    def add_filters(self, names: Sequence[str]) -> None:
        """Appends freshly initialised filters; nothing that is there changes."""
        self.names += names
        self.filters.extend(StyleFilter(self.arch) for _ in names)

    def autoencoder_parameters(self) -> list[nn.Parameter]:
        """The shared weights: those of encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]
