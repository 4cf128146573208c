"""A preset's objective on a picture: content, style by region, variation.

Several styles either share a region by weight or have regions of their own. A region's Gram matrices are guided: every
position counts by its mask (Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer"). Its squared
error counts by the region's share of the picture, so that a position is pulled as strongly in a small region as in a
large one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from stylebank.device import at_least_float32
from stylebank.inference.blending import Recipe, region_masks
from stylebank.losses.functional import gram
from stylebank.losses.vgg import LossNetwork
from stylebank.optimize.loss_function import Terms
from stylebank.optimize.presets import Preset

EPS = 1e-10  # of the normalized preset

PaintingGrams = Mapping[str, Tensor]
"""Layer -> (C, C)."""


@torch.no_grad()
def painting_grams(preset: Preset, network: LossNetwork, pixels: Tensor) -> dict[str, Tensor]:
    """The Gram matrices (C, C) of a painting (1, 3, H, W) of 0 to 255 at the preset's style layers."""
    features = network(pixels / preset.white)
    return {name: gram(features[name])[0] for name in preset.style_layers}


@dataclass(frozen=True)
class _Part:
    """A region at one layer."""

    mask: Tensor | None
    """(1, 1, h, w); None is the whole picture."""
    share: float
    weights: Mapping[str, float]


class PictureObjective:
    """pixels (1, 3, H, W) of 0 to 255 -> {"content", "style", "tv"}, each a number, not yet weighted.

    Args:
        content: (1, 3, H, W) of 0 to 255, of the size of the pictures to come.
        grams: style -> its Gram matrices at the preset's style layers.
        recipe: the styles' weights by region; `identity` among them is nothing.
    """

    def __init__(
        self, preset: Preset, network: LossNetwork, content: Tensor, grams: Mapping[str, PaintingGrams], recipe: Recipe
    ) -> None:
        self.preset, self.network, self.grams, self.recipe = preset, network, grams, recipe
        with torch.no_grad():
            features = network(content / preset.white)
        self.content = {name: features[name] for name in preset.content_layers}
        self.parts = {name: self._parts(features[name]) for name in preset.style_layers}

    def __call__(self, pixels: Tensor) -> Terms:
        """The terms; those of weight 0 are left out."""
        preset = self.preset
        features = self.network(pixels / preset.white)
        terms: dict[str, Tensor] = {}
        if preset.content_weight:
            terms["content"] = _sum(
                weight * self._content(name, features[name]) for name, weight in preset.content_layers.items()
            )
        if preset.style_weight:
            terms["style"] = _sum(
                weight * self._style(name, features[name]) for name, weight in preset.style_layers.items()
            )
        if preset.tv_weight:
            terms["tv"] = preset.variation(pixels)[0]
        return terms

    def total(self, terms: Terms) -> Tensor:
        """The weighted sum; for a relative preset that of the terms' logarithms.

        The gradient of log(L + eps) is that of L / (L + eps) with the divisor held constant, which is how the program
        states it; but where the one always has the value 1, the other falls as L does.
        """
        preset = self.preset
        weights = {"content": preset.content_weight, "style": preset.style_weight, "tv": preset.tv_weight}
        return _sum(
            weights[name] * (torch.log(value + EPS) if preset.relative else value) for name, value in terms.items()
        )

    def _content(self, layer: str, features: Tensor) -> Tensor:
        squares = (at_least_float32(features) - at_least_float32(self.content[layer])).square().sum()
        return squares * self.preset.content_factor(*_extent(features))

    def _style(self, layer: str, features: Tensor) -> Tensor:
        factor = self.preset.style_factor(*_extent(features))
        errors = []
        for part in self.parts[layer]:
            # sum(m F F^T) / sum(m), as a Gram of features times sqrt(m), whose own divisor is the number of positions
            guided = features if part.mask is None else features * part.mask.sqrt()
            found = gram(guided)[0] / part.share
            for style, weight in part.weights.items():
                target = self.grams[style][layer]
                errors.append(weight * part.share * (found - target).square().sum())
        return factor * (_sum(errors) if errors else features.sum() * 0)

    def _parts(self, features: Tensor) -> list[_Part]:
        """The regions that there are at a layer."""
        if not self.recipe.regions:
            return [_Part(None, 1.0, self.recipe.base)]
        masks = region_masks(self.recipe, (features.shape[2], features.shape[3]), features.device)
        weights = [*(region.weights for region in self.recipe.regions), self.recipe.base]
        return [
            _Part(mask[None, None], float(mask.mean()), part)
            for mask, part in zip(masks, weights, strict=True)
            if part and bool(mask.any())
        ]


def _extent(features: Tensor) -> tuple[int, int]:
    """Channels and positions."""
    return features.shape[1], features.shape[2] * features.shape[3]


def _sum(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).sum()
