"""The three classic programs as data: layers, weights, factors, start, optimizer. See docs/optimize.md.

Every one sums squared differences of activations and of Gram matrices; they differ in what the sums are divided by.
`Factor` is that divisor's inverse for a layer of C channels and M positions, the Grams being divided by M already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from stylebank.device import at_least_float32
from stylebank.errors import ConfigError
from stylebank.losses.functional import total_variation
from stylebank.losses.vgg import Pooling, layer_names
from stylebank.losses.weights import Network
from stylebank.optimize.start import Start
from stylebank.optimize.steps import Adam, Descent, Settings

Factor = Callable[[int, int], float]
"""(channels C, positions M) -> what a layer's sum of squares is multiplied by."""
LayerWeights = Mapping[str, float]
"""Layer -> its weight."""


def squared_variation(pixels: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, both directions: (B, 3, H, W) -> (B,)."""
    pixels = at_least_float32(pixels)
    vertical = (pixels[:, :, 1:] - pixels[:, :, :-1]).square().mean((1, 2, 3))
    horizontal = (pixels[:, :, :, 1:] - pixels[:, :, :, :-1]).square().mean((1, 2, 3))
    return vertical + horizontal


@dataclass(frozen=True)
class Preset:
    """All that makes up a program. Pixels are 0 to 255, activations at Oxford's scale.

    Raises:
        ConfigError: a weight is out of range, or all are 0.
    """

    name: str
    network: Network
    pooling: Pooling
    content_layers: LayerWeights
    style_layers: LayerWeights
    content_weight: float
    style_weight: float
    tv_weight: float
    content_factor: Factor
    style_factor: Factor
    start: Start
    settings: Settings
    iterations: int
    variation: Callable[[Tensor], Tensor] = squared_variation
    relative: bool = False
    """Divide each term by its own value, as a constant: the gradient is that of its logarithm."""
    white: float = 255.0
    """The pixel that the loss network takes for white."""
    painting: Literal["width", "long side 300"] = "width"
    """A painting's size: as wide as the picture, or 300 pixels along its longer side."""
    bounds: tuple[float, float] | None = None
    """Pixels are cut off there after every iteration."""
    keep_best: bool = False
    """Give the picture with the lowest loss seen, not the last one."""

    def __post_init__(self) -> None:
        weights = (self.content_weight, self.style_weight, self.tv_weight)
        if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise ConfigError(
                f"The weights of content, style and variation must be 0 or more and not all 0, not {weights}."
            )


def equal_weights(layers: Sequence[str], total: float) -> dict[str, float]:
    """The same weight for every layer, `total` in all."""
    return dict.fromkeys(layers, total / len(layers))


def growing_weights(weights: LayerWeights, growth: float) -> dict[str, float]:
    """Each layer weighs `growth` times as much as the one before; their sum stays.

    Raises:
        ConfigError: the growth is not positive.
    """
    if not growth > 0:
        raise ConfigError(f"The growth of the style layers' weights must be above 0, not {growth:g}.")
    powers = [growth**i for i in range(len(weights))]
    total = sum(weights.values())
    return {name: total * power / sum(powers) for name, power in zip(weights, powers, strict=True)}


def blended_content(preset: Preset, blend: float) -> Preset:
    """neural-style's content weight shared between two layers: `blend` at relu4_2, the rest at relu5_2.

    Raises:
        ConfigError: another preset, or a blend out of range.
    """
    if preset.name != "neural-style":
        raise ConfigError(f"--content-weight-blend goes with --preset neural-style, not {preset.name}.")
    if not 0 <= blend <= 1:
        raise ConfigError(f"The content weight's blend must lie between 0 and 1, not {blend:g}.")
    layers = {"relu4_2": blend, "relu5_2": 1 - blend}
    return replace(preset, content_layers={name: weight for name, weight in layers.items() if weight})


_FIRST_OF_BLOCK = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def _first_convolutions(network: Network) -> list[str]:
    """As many as VGG-16 has."""
    return [name for name in layer_names(network) if name.startswith("relu")][:13]


_CONVOLUTIONS = _first_convolutions("vgg16")

GATYS = Preset(
    name="gatys",
    network="vgg19",
    pooling="average",
    content_layers={"relu4_2": 1.0},  # "conv4_2" in the paper and the program, whose convolutions include the ReLU
    style_layers=equal_weights(_FIRST_OF_BLOCK, total=5.0),
    content_weight=1.0,
    style_weight=500.0,
    tv_weight=0.0,
    content_factor=lambda c, m: 1 / (2 * (c * m) ** 0.5),
    style_factor=lambda c, m: 1 / (4 * c**2),
    start=Start("uniform", -20, 20, share=0.7),
    settings=Adam(lr=2.0),
    iterations=5000,
)

NEURAL_STYLE = Preset(
    name="neural-style",
    network="vgg19",
    pooling="max",
    content_layers={"relu4_2": 1.0},
    style_layers=equal_weights(_FIRST_OF_BLOCK, total=1.0),
    content_weight=5.0,
    style_weight=500.0,
    tv_weight=100.0,
    content_factor=lambda c, m: 1 / (c * m),
    style_factor=lambda c, m: 1 / c**4,  # Grams divided by C as well as M, then a mean over C * C
    start=Start("normal", 0, 0.256),
    settings=Adam(lr=10.0),
    iterations=1000,
    keep_best=True,
)

NORMALIZED = Preset(
    name="normalized",
    network="vgg16",
    pooling="max",
    content_layers={_CONVOLUTIONS[4]: 1.0},
    style_layers=equal_weights(_CONVOLUTIONS, total=1.0),
    content_weight=1.5,
    style_weight=10.0,
    tv_weight=0.3,
    content_factor=lambda c, m: 1 / (c * m),
    # Grams not divided at all, then a mean over C * C. The last factor keeps large pictures from overflowing; being
    # the same everywhere, it makes no difference to a term that is divided by its own value.
    style_factor=lambda c, m: m**2 / c**2 / 255**4,
    start=Start("uniform", 0, 1, gray=128.0),
    settings=Descent(step=10.0),
    iterations=120,
    variation=total_variation,
    relative=True,
    white=1.0,  # the program gives pixels of 0 to 255 to a network that expects 0 to 1, and its results show it
    painting="long side 300",
    bounds=(0.0, 255.0),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (GATYS, NEURAL_STYLE, NORMALIZED)}


def with_network(preset: Preset, network: Network) -> Preset:
    """The preset on another VGG.

    `normalized` counts its layers there: the first thirteen convolutions. Layers chosen otherwise stay.
    """
    changed = replace(preset, network=network)
    if preset.name != NORMALIZED.name or network == preset.network:
        return changed
    before, names = _first_convolutions(preset.network), _first_convolutions(network)
    if list(preset.content_layers) == [before[4]]:
        changed = replace(changed, content_layers={names[4]: preset.content_layers[before[4]]})
    if list(preset.style_layers) == before:
        weights = dict(zip(names, preset.style_layers.values(), strict=True))
        changed = replace(changed, style_layers=weights)
    return changed


def find_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset '{name}'; valid are {', '.join(PRESETS)}.")
    return PRESETS[name]
