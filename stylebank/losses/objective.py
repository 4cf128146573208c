"""The losses of both branches on a batch: networks and targets put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stylebank.config import LossConfig
from stylebank.images import Side, load_picture, resize_side, to_tensor
from stylebank.losses import terms
from stylebank.losses.functional import gram
from stylebank.losses.terms import Features, Grams, Later, Made, Term
from stylebank.losses.vgg import LossNetwork
from stylebank.styles import StyleSource

Values = Mapping[str, Tensor]
"""Name of a term -> its value for each image, (B,), not yet weighted."""


def style_grams(
    network: LossNetwork, sources: Iterable[StyleSource], layers: Sequence[str], size: int, side: Side = "short"
) -> Grams:
    """The Gram matrices of every style, computed once; several pictures of a style are averaged.

    Args:
        size: side in pixels at which the paintings are seen.
        side: which side that is.

    Returns:
        For every layer a tensor (styles, C, C), float32.
    """
    return {
        name: torch.stack([each[name] for each in per_style])
        for per_style in [[_grams_of(network, source, layers, size, side) for source in sources]]
        for name in layers
    }


def grams_by_style(
    network: LossNetwork, sources: Sequence[StyleSource], layers: Sequence[str], size: int, side: Side = "short"
) -> list[Grams]:
    """As `style_grams`, but for each style by itself: layer -> (1, C, C)."""
    stacks = style_grams(network, sources, layers, size, side)
    return [{name: stack[i : i + 1] for name, stack in stacks.items()} for i in range(len(sources))]


@torch.no_grad()
def _grams_of(
    network: LossNetwork, source: StyleSource, layers: Sequence[str], size: int, side: Side
) -> dict[str, Tensor]:
    device = network.mean.device
    per_picture = []
    for file in source.files:
        image = to_tensor(resize_side(load_picture(file).rgb, size, side))
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
    stylizing: tuple[Term, ...] = field(init=False)
    """The terms of the stylizing branch, in the order in which they are summed."""
    identity: tuple[Term, ...] = field(init=False)
    """Those of the identity branch."""

    def __post_init__(self) -> None:
        for branch, factories in (("stylizing", terms.STYLIZING), ("identity", terms.IDENTITY)):
            made = [factory(self.config, self.grams, self.style_weights) for factory in factories]
            wanted = tuple(term for term in made if term is not None)
            object.__setattr__(self, branch, wanted)  # the one way to set a field of a frozen dataclass

    @property
    def terms(self) -> dict[str, Term]:
        """Every term of both branches by its name."""
        return {term.name: term for term in (*self.stylizing, *self.identity)}

    def content_of(self, images: Tensor) -> Features:
        """What is kept of photographs (B, 3, H, W) to compare outputs with: content layer -> (B, C, h, w)."""
        with torch.no_grad():  # no graph, and no second pass
            wanted = self.network(images)
        return {name: wanted[name] for name in self.config.content_layers}

    def stylizing_terms(
        self,
        images: Tensor,
        outputs: Tensor,
        styles: Sequence[int],
        photograph: Features,
        cards: Sequence[bool] = (),
        later: Later | None = None,
    ) -> Values:
        """The stylizing branch's terms of outputs (B, 3, H, W), each against its style and its photograph.

        Args:
            images: the photographs, (B, 3, H, W) in [0, 1].
            photograph: `content_of` the photographs.
            cards: which of them are drawn cards, if any.
            later: what came of their next frames; without, a temporal term is 0.
        """
        made = Made(outputs, images, self.network(outputs), photograph, styles, cards, later)
        return {term.name: term(made) for term in self.stylizing}

    def identity_terms(self, images: Tensor, outputs: Tensor) -> Values:
        """The identity branch's terms of outputs (B, 3, H, W)."""
        made = Made(outputs, images, {}, {}, ())
        return {term.name: term(made) for term in self.identity}

    def total(self, values: Values, styles: Sequence[int] = ()) -> Tensor:
        """The weighted sum, averaged over the batch.

        Args:
            styles: each image's style, where styles may have strengths of their own.
        """
        known = self.terms
        return torch.stack([known[name].weights(styles) * value for name, value in values.items()]).sum(0).mean()
