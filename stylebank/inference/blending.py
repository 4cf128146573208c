"""Mixing styles in feature space: by weight, by strength, and by region, in one pass through encoder and decoder.

Chen et al. 2017, section 3.4 and equations 7 and 8. A style's strength is a mix with the identity path, so all three
are one thing: weights of filters, and of the untouched features, that may differ from place to place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor

from stylebank.errors import ConfigError
from stylebank.inference.mixing import MixedFilters, StyleWeights, mix
from stylebank.network.model import StyleBank
from stylebank.styles import IDENTITY


@dataclass(frozen=True)
class Region:
    """A part of the picture and what is done there."""

    weights: StyleWeights
    mask: Tensor
    """(H, W) in [0, 1], of any size: it is scaled to the picture."""


@dataclass(frozen=True)
class Recipe:
    """What becomes of a picture: regions, and the weights where no region is.

    With `keep_original` the photograph itself stays where no region is. Of banks with noise beside the features, `seed`
    says which: the same draws the same strokes in plain areas.
    """

    base: StyleWeights
    regions: Sequence[Region] = ()
    keep_original: bool = False
    seed: int = 0


def blend(weights: StyleWeights, alpha: float = 1.0, raw: bool = False) -> dict[str, float]:
    """Weights that sum to 1 (or as given, with `raw`), mixed with the identity path for a strength below 1.

    Args:
        weights: style name -> weight, finite; not negative unless `raw`. Several are taken in proportion; of one alone
            the weight, from 0 to 1, is its strength.
        alpha: strength from 0 (the reconstruction) to 1 (the full style); that of a single style is multiplied by it.

    Raises:
        ConfigError: weights or alpha are out of range.
    """
    if not weights or not all(isinstance(weight, Real) and math.isfinite(weight) for weight in weights.values()):
        raise ConfigError(f"Style weights must be finite numbers, not {dict(weights)}.")
    if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
        raise ConfigError(f"The strength alpha must lie between 0 and 1, not {alpha!r}.")
    total = sum(weights.values())
    if len(weights) == 1 and not raw:
        alpha *= _strength(weights)
    elif not raw and (min(weights.values()) < 0 or total <= 0):
        raise ConfigError(f"Style weights must not be negative and not all 0, not {dict(weights)}, unless taken raw.")
    shares = weights if raw else {name: weight / total if total else 0.0 for name, weight in weights.items()}
    mixed = {name: alpha * share for name, share in shares.items()}
    if alpha < 1:
        mixed[IDENTITY] = mixed.get(IDENTITY, 0.0) + 1 - alpha
    return mixed


def _strength(weights: StyleWeights) -> float:
    [(name, strength)] = weights.items()
    if not 0 <= strength <= 1:
        raise ConfigError(
            f"The weight of '{name}' alone is its strength, 0 to 1, not {strength:g}; larger ones are for mixtures."
        )
    return strength


def region_masks(recipe: Recipe, size: tuple[int, int], device: torch.device | None = None) -> Tensor:
    """The share of every region, and last of the base, at each place: (regions + 1, h, w), summing to 1.

    Where regions overlap by more than 1 in all, each gets its part of the sum.

    Args:
        size: (h, w) of the grid: features or pixels.
    """
    masks = [_resize(region.mask, size) for region in recipe.regions]
    stacked = torch.stack(masks) if masks else torch.zeros(0, *size)
    covered = stacked.sum(0)  # (h, w)
    stacked = stacked / covered.clamp_min(1)
    return torch.cat([stacked, (1 - covered).clamp_min(0)[None]]).to(device)


def _resize(mask: Tensor, size: tuple[int, int]) -> Tensor:
    # On the processor: CUDA has too little shared memory to make a mask a hundred times smaller, and says so.
    whole = mask.cpu()[None, None].float()
    resized = F.interpolate(whole, size, mode="bilinear", antialias=True, align_corners=False)
    return resized[0, 0].clamp(0, 1)


def fuse(
    model: StyleBank,
    features: Tensor,
    inputs: Tensor,
    recipe: Recipe,
    masks: Tensor,
    mixed: MixedFilters | None = None,
) -> Tensor:
    """The features to decode: sum over the regions of M_r x (sum_i w_i K_i * F).

    The paper masks before the filter, sum K_i * (M_i x F); masking its output instead keeps a filter from seeing the
    black beyond its region's edge.

    Args:
        features: (B, C, h, w), as encoded; this is what `identity` stands for.
        inputs: (B, C + Z, h, w), the same after `StyleBank.filter_input`.
        masks: (regions + 1, h, w) from `region_masks`.
        mixed: see `mix`.
    """
    every = [*(region.weights for region in recipe.regions), recipe.base]
    if not recipe.regions:
        return mix(model, features, inputs, recipe.base, mixed)
    fused = torch.zeros_like(features)
    for weights, mask in zip(every, masks, strict=True):
        if bool(mask.any()):
            fused = fused + mix(model, features, inputs, weights, mixed) * mask.to(features.dtype)
    return fused


@torch.inference_mode()
def calibrate(model: StyleBank) -> None:
    """Sets `identity_gain`: how much larger the filters' outputs are than the features (root mean square).

    Measured on noise with the spectrum of photographs; on 31 real ones the ratio was 0.7 to 1.1 times it.
    """
    if not model.names:
        return
    parameter = next(model.parameters())
    generator = torch.Generator().manual_seed(0)
    octaves = [torch.randn(1, 3, size, size, generator=generator) for size in (4, 8, 16, 32, 64, 128)]
    noise = sum(F.interpolate(octave, (128, 128), mode="bicubic") for octave in octaves) * 0.1 + 0.5
    features = model.encode(torch.as_tensor(noise).clamp(0, 1).to(parameter.device, parameter.dtype))
    inputs = model.filter_input(features)
    outputs = [module(inputs).float().square().mean().sqrt() for module in model.filters]
    model.identity_gain = float(torch.stack(outputs).mean() / features.float().square().mean().sqrt())
