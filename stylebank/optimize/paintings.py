"""The paintings of an optimisation: how much of each goes where, and at what size it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from stylebank.errors import ConfigError, ImageError
from stylebank.images import resize_long_side, to_tensor
from stylebank.inference.blending import Recipe, Region
from stylebank.losses.vgg import LossNetwork
from stylebank.optimize.objective import PaintingGrams, painting_grams
from stylebank.optimize.presets import Preset

SMALLEST = 16  # pixels: the loss network halves a picture up to four times


@dataclass(frozen=True)
class Painting:
    """A style: a picture, and where and how much of it is wanted."""

    picture: Image.Image
    weight: float = 1.0
    """Share among the paintings without a mask, which are scaled to sum 1; the strength itself for one with masks."""
    scale: float = 1.0
    """Of the preset's size of paintings: below 1 strokes are finer, above 1 wider."""
    masks: Sequence[Tensor] = ()
    """Each (H, W) in [0, 1], of any size; without one the painting goes wherever no mask is."""


def recipe_of(paintings: Sequence[Painting]) -> Recipe:
    """Who goes where, the paintings being called by their numbers.

    Raises:
        ConfigError: there is none, or a weight or scale is out of range.
    """
    if not paintings:
        raise ConfigError("At least one painting is needed.")
    for painting in paintings:
        if not (0 <= painting.weight < float("inf") and 0 < painting.scale < float("inf")):
            raise ConfigError(
                f"A painting's weight must be 0 or more and its scale above 0, not {painting.weight:g} and "
                f"{painting.scale:g}."
            )
    free = {str(i): painting.weight for i, painting in enumerate(paintings) if not painting.masks}
    regions = [
        Region({str(i): painting.weight}, mask) for i, painting in enumerate(paintings) for mask in painting.masks
    ]
    total = sum(free.values())
    if free and not total:
        raise ConfigError("The weights of paintings without a mask must not all be 0.")
    return Recipe({name: weight / total for name, weight in free.items()}, regions)


def grams_of(
    network: LossNetwork, paintings: Sequence[Painting], preset: Preset, size: tuple[int, int], share: float
) -> dict[str, PaintingGrams]:
    """The Grams of every painting as it is seen beside a picture of (width, height), `share` of its final size.

    Raises:
        ImageError: a painting is too small.
    """
    grams: dict[str, PaintingGrams] = {}
    for i, painting in enumerate(paintings):
        picture = painting.picture
        if preset.painting == "width":
            width = round(painting.scale * size[0])
            height = round(picture.height * width / picture.width)
            seen = picture.resize((max(1, width), max(1, height)), Image.Resampling.LANCZOS)
        else:
            seen = resize_long_side(picture, max(1, round(300 * painting.scale * share)))
        check_size(seen.size)
        grams[str(i)] = painting_grams(preset, network, pixels_of(seen, seen.size, network.mean.device))
    return grams


def check_size(size: tuple[int, int]) -> None:
    """Refuses pictures of (width, height) that the loss network would halve to nothing. Raises ImageError."""
    if min(size) < SMALLEST:
        raise ImageError(
            f"A picture or painting would be seen at {size[0]}x{size[1]} pixels, too small for the loss network; valid "
            f"is {SMALLEST}x{SMALLEST} or more."
        )


def pixels_of(picture: Image.Image, size: tuple[int, int], device: torch.device) -> Tensor:
    """(1, 3, H, W) of 0 to 255, scaled to (width, height)."""
    resized = picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
    return to_tensor(resized)[None].to(device) * 255
