"""What is exported: the parts of a bank as modules that take and give plain tensors.

Shapes: B images, C channels, Z channels of noise, H x W pixels, h x w = ceil(H/4) x ceil(W/4) features, R filters.
Pictures are float32, all else is in the precision of the export.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.export.layers import exportable, reflected, scaled_decoder
from stylebank.export.noise import plain_noise
from stylebank.network.model import Decoder, StyleBank

Noise = Callable[[Tensor, Tensor, int], Tensor]
"""`noise.plain_noise`, or what stands for it."""
Cut = Callable[[Tensor, Tensor], Tensor]
"""Picture, photo -> what of the picture is where the photo is."""


def sliced(picture: Tensor, photo: Tensor) -> Tensor:
    """(B, 3, H', W'), (B, 3, H, W) -> (B, 3, H, W)."""
    return picture[:, :, : photo.shape[2], : photo.shape[3]]


def selected(picture: Tensor, photo: Tensor) -> Tensor:
    """As `sliced`, in memory of its own.

    A slice that leaves nothing out has other strides than one that does, which `torch.export` would make a rule of.
    """
    for axis in (2, 3):
        picture = picture.index_select(axis, torch.arange(photo.shape[axis], device=photo.device))
    return picture


class EncoderGraph(nn.Module):
    """Photo (B, 3, H, W) in [0, 1] -> features (B, C, h, w); pads to multiples of 4 itself."""

    def __init__(self, model: StyleBank, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers, self.dtype = exportable(model.encoder.layers).to(dtype), dtype
        self.margins, self.cut, self.stride = model.encoder.margins, model.encoder.cut, model.encoder.stride

    def forward(self, photo: Tensor) -> Tensor:
        # As `Encoder` does, without asking whether there is anything to pad, which a graph for any size can't.
        right, bottom = -photo.shape[3] % self.stride, -photo.shape[2] % self.stride
        before, after = self.margins
        padded = F.pad(photo.to(self.dtype), (before, after + right, before, after + bottom), mode="reflect")
        features: Tensor = self.layers(padded * 4 - 2)
        return features[:, :, self.cut : features.shape[2] - self.cut, self.cut : features.shape[3] - self.cut]


class NoiseGraph(nn.Module):
    """Features (B, C, h, w), seed (2,) -> noise (1, Z, h, w). Of the features only the size counts."""

    def __init__(self, channels: int, dtype: torch.dtype, noise: Noise) -> None:
        super().__init__()
        self.channels, self.dtype, self.noise = channels, dtype, noise

    def forward(self, features: Tensor, seed: Tensor) -> Tensor:
        return self.noise(features, seed, self.channels).to(self.dtype)


class _Inputs(nn.Module):
    """What filters see: features normalized, noise beside them."""

    def __init__(self, model: StyleBank) -> None:
        super().__init__()
        self.normalize = exportable(model.normalize)

    def forward(self, features: Tensor, noise: Tensor | None) -> Tensor:
        normalized: Tensor = self.normalize(features)
        if noise is None:
            return normalized
        return torch.cat([normalized, noise.expand(features.shape[0], -1, -1, -1)], 1)


class ApplyGraph(nn.Module):
    """One linear filter, which is an input: features (B, C, h, w) -> features to decode (B, C, h, w).

    Inputs: features, kernel (C, C + Z, k, k), bias (C,), identity (1,), and with Z the noise (1, Z, h, w).
    `identity` is the weight of the features themselves.
    """

    def __init__(self, model: StyleBank, scale: float) -> None:
        super().__init__()
        self.inputs, self.scale = _Inputs(model), scale
        self.reach = model.architecture.bank.kernel_size // 2

    def forward(
        self, features: Tensor, kernel: Tensor, bias: Tensor, identity: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        out = F.conv2d(reflected(self.inputs(features, noise), self.reach), kernel, bias)
        return out + features * (identity * self.scale)


class RegionsGraph(nn.Module):
    """R linear filters, each with the share it has at every place: features (B, C, h, w) -> (B, C, h, w).

    Inputs: features, kernels (R, C, C + Z, k, k), biases (R, C), identities (R,), maps (R, h, w), and with Z the noise.
    """

    def __init__(self, model: StyleBank, scale: float) -> None:
        super().__init__()
        self.inputs, self.scale = _Inputs(model), scale
        self.reach = model.architecture.bank.kernel_size // 2

    def forward(
        self,
        features: Tensor,
        kernels: Tensor,
        biases: Tensor,
        identities: Tensor,
        maps: Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        every = _products(reflected(self.inputs(features, noise), self.reach), kernels, features)
        every = every + biases.flatten()[:, None]
        parts = every.unflatten(1, (kernels.shape[0], kernels.shape[1])) * maps.flatten(1)[:, None]
        out: Tensor = parts.sum(1).reshape(features.shape)
        return out + features * (identities[:, None, None] * maps).sum(0) * self.scale


def _products(seen: Tensor, kernels: Tensor, like: Tensor) -> Tensor:
    """The convolution with R kernels as one product of matrices for each of their taps: (B, R x C, h x w).

    Runtimes want to know how many channels come out of a convolution, and R is open.

    Args:
        seen: (B, C + Z, h + k - 1, w + k - 1).
        kernels: (R, C, C + Z, k, k).
        like: of size h x w.
    """
    size, (height, width) = kernels.shape[3], like.shape[2:]
    products = [
        kernels[:, :, :, row, column].flatten(0, 1) @ seen[:, :, row : row + height, column : column + width].flatten(2)
        for row in range(size)
        for column in range(size)
    ]
    return reduce(torch.add, products)


class DecoderGraph(nn.Module):
    """Features (B, C, h, w) -> picture (B, 3, 4h, 4w) in [0, 1]."""

    def __init__(self, model: StyleBank, dtype: torch.dtype, scale: float) -> None:
        super().__init__()
        decoder = cast(Decoder, scaled_decoder(model.decoder, scale))
        self.layers = nn.Sequential(decoder.trunk, decoder.blocks, decoder.layers).to(dtype)

    def forward(self, fused: Tensor) -> Tensor:
        images: Tensor = self.layers(fused)
        return ((images.float() + 2) / 4).clamp(0, 1)


class PictureGraph(nn.Module):
    """Photo (B, 3, H, W) in [0, 1] -> picture (B, 3, H, W) in [0, 1]: one style, with the noise of seed 0."""

    seed: Tensor

    def __init__(
        self,
        model: StyleBank,
        style: str,
        dtype: torch.dtype,
        scale: float,
        noise: Noise = plain_noise,
        cut: Cut = sliced,
    ) -> None:
        super().__init__()
        self.noise, self.cut = noise, cut
        self.encoder, self.decoder = EncoderGraph(model, dtype), DecoderGraph(model, dtype, scale)
        self.inputs, self.filter = _Inputs(model), scaled_filter(model, style, scale).to(dtype)
        self.channels, self.dtype = model.architecture.bank.noise_channels, dtype
        self.register_buffer("seed", torch.zeros(2, dtype=torch.int32))

    def forward(self, photo: Tensor) -> Tensor:
        features = self.encoder(photo)
        beside = self.noise(features, self.seed, self.channels).to(self.dtype) if self.channels else None
        seen = self.inputs(features, beside)
        picture: Tensor = self.decoder(self.filter(seen))
        return self.cut(picture, photo)


@torch.no_grad()
def scaled_filter(model: StyleBank, style: str, scale: float) -> nn.Module:
    """A style's filter as it is exported: its outputs are `scale` times as large."""
    made = exportable(model.filters[model.names.index(style)])
    last = [layer for layer in made.children() if any(True for _ in layer.parameters())][-1]  # convolution or norm
    for parameter in last.parameters():
        parameter.mul_(scale)
    return made
