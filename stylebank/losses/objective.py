"""The losses of both branches on a batch: networks and targets put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stylebank.config import LossConfig
from stylebank.images import load_picture, resize_short_side, to_tensor
from stylebank.losses.functional import content_loss, gram, identity_loss, style_loss, total_variation
from stylebank.losses.vgg import LossNetwork
from stylebank.styles import StyleSource

Grams = dict[str, Tensor]  # layer -> (styles, C, C)
Features = dict[str, Tensor]  # layer -> (B, C, h, w)
Terms = dict[str, Tensor]  # term -> (B,), not yet weighted


def style_grams(network: LossNetwork, sources: Sequence[StyleSource], layers: Sequence[str], size: int) -> Grams:
    """The Gram matrices of every style, computed once; several pictures of a style are averaged.

    Args:
        size: short side in pixels at which the paintings are seen.

    Returns:
        For every layer a tensor (styles, C, C), float32.
    """
    return {
        name: torch.stack([each[name] for each in per_style])
        for per_style in [[_grams_of(network, source, layers, size) for source in sources]]
        for name in layers
    }


@torch.no_grad()
def _grams_of(network: LossNetwork, source: StyleSource, layers: Sequence[str], size: int) -> dict[str, Tensor]:
    device = network.mean.device
    per_picture = []
    for file in source.files:
        image = to_tensor(resize_short_side(load_picture(file).rgb, size))
        features = network(image[None].to(device, memory_format=torch.channels_last))
        per_picture.append({name: gram(features[name])[0] for name in layers})
    return {name: torch.stack([grams[name] for grams in per_picture]).mean(0) for name in layers}


@dataclass(frozen=True)
class Objective:
    """The stylizing branch's loss L_K and the identity branch's L_I (Chen et al. 2017, equations 3 and 4)."""

    network: LossNetwork
    grams: Grams
    config: LossConfig
    style_weights: Tensor | None = None
    """(styles,): that of every style of `grams`, where they have strengths of their own; else `config.style_weight`."""

    def content_of(self, images: Tensor) -> Features:
        """What is kept of photographs (B, 3, H, W) to compare outputs with: content layer -> (B, C, h, w)."""
        with torch.no_grad():  # no graph, and no second pass
            wanted = self.network(images)
        return {name: wanted[name] for name in self.config.content_layers}

    def stylizing_terms(self, outputs: Tensor, styles: Sequence[int], photograph: Features) -> Terms:
        """Content, style and total variation of outputs (B, 3, H, W), each against its style and its photograph.

        Args:
            photograph: `content_of` the photographs.
        """
        features = self.network(outputs)
        index = torch.as_tensor(styles, device=outputs.device)
        targets = {name: self.grams[name][index] for name in self.config.style_layers}
        return {
            "content": content_loss(features, photograph, self.config.content_layers),
            "style": style_loss(features, targets),
            "tv": total_variation(outputs),
        }

    def identity_terms(self, images: Tensor, outputs: Tensor) -> Terms:
        """Reconstruction error of outputs (B, 3, H, W)."""
        return {"identity": identity_loss(images, outputs)}

    def total(self, terms: Terms, styles: Sequence[int] = ()) -> Tensor:
        """The weighted sum, averaged over the batch. The identity term has weight 1: lambda acts on its gradient.

        Args:
            styles: each image's style, where styles may have strengths of their own.
        """
        weights: dict[str, float | Tensor] = {
            "content": self.config.content_weight,
            "style": self.config.style_weight,
            "tv": self.config.tv_weight,
            "identity": 1.0,
        }
        if self.style_weights is not None and styles:
            weights["style"] = self.style_weights[list(styles)]
        return torch.stack([weights[name] * value for name, value in terms.items()]).sum(0).mean()
