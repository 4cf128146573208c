"""The loss terms of both branches, every one relative to its target so that one set of weights fits any VGG.

Chen et al. 2017, section 3.2, equations 3 to 6. Deviation: the paper sums squared differences of raw
activations. VGG files come at activation scales hundreds of times apart, so here each term is divided by its
target's own size and is then the same for every scale of the loss network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stylebank.device import at_least_float32, exact_products

_EPS = 1e-12


class _Gram(torch.autograd.Function):
    """`X^T X` of each image's (HW, C) matrix X, summed in float32 at least: (B, HW, C) -> (B, C, C).

    Written out because autograd would make two products of the gradient's one, and both in float32.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return _products(flat)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        return _through(flat, gradient + gradient.transpose(1, 2))


def _products(flat: Tensor) -> Tensor:
    """`X^T X` in float32 at least."""
    if flat.device.type == "cuda" and flat.dtype in (torch.bfloat16, torch.float16) and not torch.version.hip:
        return torch.bmm(flat.transpose(1, 2), flat, out_dtype=torch.float32)  # tensor cores, which sum in float32
    wide = at_least_float32(flat)
    with exact_products(flat):
        return wide.transpose(1, 2) @ wide


def _through(flat: Tensor, gradient: Tensor) -> Tensor:
    """X times a symmetric gradient, in the format of X."""
    # In bfloat16 the result is rounded to bfloat16 anyway; half precision would overflow on the way.
    factor = flat if flat.dtype == torch.bfloat16 else at_least_float32(flat)
    with torch.autocast(flat.device.type, enabled=False):
        return (factor @ gradient.to(factor.dtype)).to(flat.dtype)


def _flat(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, HW, C): a view of channels-last memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


class _SquaredDistances(torch.autograd.Function):
    """`||X^T X / n - G_s||^2` of every layer's (n, C) matrices X and targets G_s, image by image: (layers, B).

    Written out because autograd would keep a Gram matrix of every step on the way, and take twice the operations.
    """

    @staticmethod
    def forward(ctx: Any, layers: int, *tensors: Tensor) -> Tensor:
        flats, targets = tensors[:layers], tensors[layers:]
        ctx.sizes = [flat.shape[1] for flat in flats]
        # All n times as large.
        differences = [
            _products(flat).sub_(target, alpha=n) for flat, target, n in zip(flats, targets, ctx.sizes, strict=True)
        ]
        ctx.save_for_backward(*flats, *differences)
        norms = [torch.linalg.vector_norm(difference, dim=(1, 2)) for difference in differences]
        return torch.stack(torch._foreach_div(norms, ctx.sizes)).square_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        layers = len(ctx.sizes)
        flats, differences = ctx.saved_tensors[:layers], ctx.saved_tensors[layers:]
        factors = torch._foreach_mul(gradient.unbind(), [4 / n**2 for n in ctx.sizes])
        through = [
            _through(flat, difference * factor[:, None, None])
            for flat, difference, factor in zip(flats, differences, factors, strict=True)
        ]
        return None, *through, *[None] * layers


def gram(features: Tensor) -> Tensor:
    """Gram matrix of each image on its own: (B, C, H, W) -> (B, C, C), divided by H * W.

    Gatys et al. 2016, equation 3. Always in float32 at least: half precision overflows.
    """
    with torch.autocast(features.device.type, enabled=False):
        flat = _flat(features)
        product: Tensor = _Gram.apply(flat)  # type: ignore[no-untyped-call]
        return product / flat.shape[1]


def style_distance(grams: Tensor, targets: Tensor) -> Tensor:
    """Relative Frobenius distance ||G - G_s|| / ||G_s|| per image: (B, C, C), (B or 1, C, C) -> (B,).

    Not squared (the paper squares): squared, it starts near 1e4 and the first steps only shrink the contrast.
    """
    difference = (grams - targets).square().sum((1, 2))
    return torch.sqrt(difference / targets.square().sum((1, 2)).clamp_min(_EPS) + _EPS)


def gram_sizes(grams: Iterable[Tensor]) -> Tensor:
    """||G_s||^2 of every layer's (S, C, C), never 0: (layers, S)."""
    return torch.stack([torch.linalg.vector_norm(gram, dim=(1, 2)) for gram in grams]).square().clamp_min(_EPS)


def style_loss(features: Mapping[str, Tensor], targets: Mapping[str, Tensor], sizes: Tensor | None = None) -> Tensor:
    """Mean over the layers of `style_distance`: activations (B, C, H, W) and Grams (B, C, C) by layer -> (B,).

    Args:
        sizes: `gram_sizes` of the targets, where they are known.
    """
    flats, grams = [_flat(features[name]) for name in targets], list(targets.values())
    with torch.autocast(flats[0].device.type, enabled=False):
        squares: Tensor = _SquaredDistances.apply(len(flats), *flats, *grams)  # type: ignore[no-untyped-call]
        return torch.sqrt(squares / (gram_sizes(grams) if sizes is None else sizes) + _EPS).mean(0)


def content_loss(features: Mapping[str, Tensor], targets: Mapping[str, Tensor], layers: Sequence[str]) -> Tensor:
    """Relative content distance ||F - F_c||^2 / ||F_c||^2, mean over the layers: (B, C, H, W) by layer -> (B,)."""
    distances = []
    for name in layers:
        target = at_least_float32(targets[name])
        squared = (at_least_float32(features[name]) - target).square().sum((1, 2, 3))
        distances.append(squared / target.square().sum((1, 2, 3)).clamp_min(_EPS))
    return torch.stack(distances).mean(0)


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, both directions: (B, 3, H, W) -> (B,)."""
    images = at_least_float32(images)
    vertical = (images[:, :, 1:] - images[:, :, :-1]).abs().mean((1, 2, 3))
    horizontal = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean((1, 2, 3))
    return vertical + horizontal


def identity_loss(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Mean squared error per image: two (B, 3, H, W) in [0, 1] -> (B,). Chen et al. 2017, equation 3."""
    return (at_least_float32(reconstructions) - at_least_float32(images)).square().mean((1, 2, 3))
