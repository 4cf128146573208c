"""The loss terms by name and weight. A new one is a class here and its weight in `config.LossConfig`; nothing else.

Chen et al. 2017, equations 3 and 4: L_K = alpha L_content + beta L_style + gamma L_tv on the stylizing branch, L_I on
the identity branch. The formulas, and why they differ from the paper's, are in `functional`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from stylebank.config import LossConfig
from stylebank.device import at_least_float32, sent
from stylebank.losses.functional import content_loss, gram_sizes, identity_loss, style_loss, total_variation

Grams = Mapping[str, Tensor]
"""Layer -> the Gram matrices of every style, (styles, C, C)."""
Features = Mapping[str, Tensor]
"""Layer -> activations of the loss network, (B, C, h, w)."""


@dataclass(frozen=True)
class Made:
    """What a branch made of a batch, and all that terms may compare it with."""

    outputs: Tensor
    """(B, 3, H, W), nominally in [0, 1]."""
    images: Tensor
    """(B, 3, H, W) in [0, 1]: the photographs."""
    features: Features
    """The outputs' activations; none on the identity branch."""
    photograph: Features
    """The photographs' activations at the content layers; none on the identity branch."""
    styles: Sequence[int]
    """Each image's style; none on the identity branch."""
    cards: Sequence[bool] = ()
    """Which images are drawn cards instead of photographs, where any are."""
    later: Later | None = None
    """What came of some images a moment later, where a term asks for it."""


@dataclass(frozen=True)
class Later:
    """What a branch made of the next frames of N of its images."""

    rows: Sequence[int]
    """Which images of the batch, N of them."""
    outputs: Tensor
    """(N, 3, H, W)."""
    expected: Tensor
    """The outputs of the images themselves, moved along: (N, 3, H, W)."""
    known: Tensor
    """Where that is known, (N, 1, H, W)."""


class Term(ABC):
    """One term of a branch's loss."""

    name: str
    """In logs, progress bar and reports: `loss/NAME`."""
    by_style: str | None = None
    """Where its values are logged for every style too: `BY_STYLE/style`; None where they are not."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    @abstractmethod
    def __call__(self, made: Made) -> Tensor:
        """The term of each image, not yet weighted: (B,), float32 at least."""

    def weights(self, styles: Sequence[int]) -> float | Tensor:
        """What each image's term is multiplied by: one number, or (B,) where it depends on the image's style."""
        return self.weight


class ContentLoss(Term):
    """How far an output is from its photograph at the content layers."""

    name = "content"

    def __init__(self, weight: float, layers: Sequence[str], on_cards: float = 1.0) -> None:
        super().__init__(weight)
        self.layers, self.on_cards = tuple(layers), on_cards

    def __call__(self, made: Made) -> Tensor:
        distances = content_loss(made.features, made.photograph, self.layers)
        if self.on_cards == 1 or not any(made.cards):
            return distances
        return distances * torch.where(sent(made.cards, distances.device) > 0, self.on_cards, 1.0)


class StyleLoss(Term):
    """How far an output is from its painting at the style layers.

    Args:
        strengths: (styles,): the weight of every style, where they have weights of their own.
    """

    name = "style"
    by_style = "style"

    def __init__(self, weight: float, layers: Sequence[str], grams: Grams, strengths: Tensor | None = None) -> None:
        super().__init__(weight)
        self.layers, self.grams, self.strengths = tuple(layers), grams, strengths

    def __call__(self, made: Made) -> Tensor:
        index = sent(made.styles, made.outputs.device)
        targets = {name: self.grams[name].index_select(0, index) for name in self.layers}
        return style_loss(made.features, targets, self.sizes.index_select(1, index))

    @cached_property
    def sizes(self) -> Tensor:
        """Of the paintings' Gram matrices, (layers, styles)."""
        return gram_sizes(self.grams[name] for name in self.layers)

    def weights(self, styles: Sequence[int]) -> float | Tensor:
        if self.strengths is None or not styles:
            return self.weight
        return self.strengths.index_select(0, sent(styles, self.strengths.device))


class TotalVariation(Term):
    """How rough an output is."""

    name = "tv"

    def __call__(self, made: Made) -> Tensor:
        return total_variation(made.outputs)


class TemporalLoss(Term):
    """How far an output is from what the output before it leads one to expect, see `training.neighbours`."""

    name = "temporal"

    def __call__(self, made: Made) -> Tensor:
        values = at_least_float32(made.outputs.new_zeros(len(made.outputs)))
        if not (later := made.later):
            return values
        squared = (at_least_float32(later.outputs) - later.expected).square().mean(1, keepdim=True) * later.known
        each = squared.sum((1, 2, 3)) / later.known.sum((1, 2, 3)).clamp_min(1)
        # The batch's mean is to be that of the images that were looked at.
        share = len(later.rows) / len(values)
        return values.index_copy(0, sent(later.rows, values.device), each / share)


class IdentityLoss(Term):
    """How far the auto-encoder's output is from its input."""

    name = "identity"

    def __call__(self, made: Made) -> Tensor:
        return identity_loss(made.images, made.outputs)


def layers_of(config: LossConfig) -> list[str]:
    """The layers of the loss network that the terms look at."""
    return list(dict.fromkeys((*config.content_layers, *config.style_layers)))


TermFactory = Callable[[LossConfig, Grams, Tensor | None], Term | None]
"""Makes a term of the configuration, the paintings' Grams, and the style weight of every style, (styles,) or None;
None where the configuration asks for no such term."""

STYLIZING: list[TermFactory] = [
    lambda config, grams, strengths: ContentLoss(config.content_weight, config.content_layers, config.card_content),
    lambda config, grams, strengths: StyleLoss(config.style_weight, config.style_layers, grams, strengths),
    lambda config, grams, strengths: TotalVariation(config.tv_weight),
    lambda config, grams, strengths: TemporalLoss(config.temporal_weight) if config.temporal_weight else None,
]
"""The terms of the stylizing branch, in the order in which they are summed."""
IDENTITY: list[TermFactory] = [
    lambda config, grams, strengths: IdentityLoss(1.0),  # lambda acts on its gradient
]
"""Those of the identity branch."""
