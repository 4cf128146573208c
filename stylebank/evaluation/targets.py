"""The styles that are evaluated, each with the objective it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stylebank.bank.records import trained_with
from stylebank.bars import bar
from stylebank.config import Config, LossConfig
from stylebank.device import place
from stylebank.errors import BankError, ConfigError
from stylebank.evaluation.metrics import CONTENT_LAYER, STYLE_LAYERS
from stylebank.images import Side, load_picture, resize_side, to_tensor
from stylebank.inference.stylizer import Stylizer
from stylebank.losses.objective import Objective, style_grams
from stylebank.losses.terms import Grams, layers_of
from stylebank.losses.vgg import LossNetwork, Padding, load_loss_network
from stylebank.styles import StyleSource


@dataclass(frozen=True)
class Style:
    """A style, its painting, and what an output in it is judged by."""

    source: StyleSource
    size: int
    """Side in pixels at which its paintings are seen, ..."""
    side: Side
    """... and which side that is."""
    objective: Objective
    """The training objective with this one style, on the loss network as it was in training."""
    network: LossNetwork
    """What outputs are measured with: the loss network as VGG is published, with zeros beyond the picture."""
    grams: Grams
    """Gram matrices (1, C, C) of `network` at the layers of `stylebank.evaluation.metrics`."""

    @property
    def name(self) -> str:
        """The style's name."""
        return self.source.name

    def tiled(self, size: tuple[int, int]) -> Tensor:
        """The (first) painting repeated over a picture of (height, width): (1, 3, H, W) in [0, 1]."""
        painting = to_tensor(resize_side(load_picture(self.source.files[0]).rgb, self.size, self.side))
        down, across = (-(-want // have) for want, have in zip(size, painting.shape[1:], strict=True))
        return painting.repeat(1, down, across)[None, :, : size[0], : size[1]].to(self.objective.network.mean.device)


def of_bank(stylizer: Stylizer, sources: Sequence[StyleSource]) -> list[StyleSource]:
    """The paintings of the bank's styles, in the bank's order; those of no style in it are passed over.

    Raises:
        BankError: there is none.
    """
    found = {source.name: source for source in sources}
    if not (there := [name for name in stylizer.styles if name in found]):
        raise BankError(
            f"None of the paintings given ({', '.join(found)}) is named like a style of the bank "
            f"({', '.join(stylizer.styles)})."
        )
    return [found[name] for name in there]


def remarks(stylizer: Stylizer, sources: Sequence[StyleSource]) -> list[str]:
    """Sentences on styles that have no painting, or another file than they were trained on."""
    found = {source.name: source for source in sources}
    missing = [name for name in stylizer.styles if name not in found]
    records = stylizer.bank.records
    others = [name for name in found if records[name].source_sha256 not in ("", found[name].sha256())]
    return [
        *([f"Not measured, as no painting has their name: {', '.join(missing)}."] if missing else []),
        *([f"Measured against other files than they were trained on: {', '.join(others)}."] if others else []),
    ]


def settings_of(stylizer: Stylizer | None, names: Sequence[str], network: str | None) -> dict[str, Config]:
    """The configuration that each style was trained with; for outputs of other programs the defaults with VGG-19.

    Raises:
        BankError: a style's record holds no valid settings.
        ConfigError: the styles were trained with different loss networks.
    """
    if stylizer is None:
        return dict.fromkeys(names, Config(loss=LossConfig(network="vgg16" if network == "vgg16" else "vgg19")))
    configs = {name: trained_with(stylizer.bank.records[name]) for name in names}
    used = {(config.loss.network, config.loss.pooling) for config in configs.values()}
    if len(used) > 1:
        raise ConfigError(
            f"The styles were trained with different loss networks ({', '.join(map(' '.join, sorted(used)))} pooling); "
            "evaluate those of one network at a time with --styles."
        )
    return configs


def load_styles(
    sources: Sequence[StyleSource],
    configs: Mapping[str, Config],
    weights: Path | None,
    device: torch.device,
    size: int | None = None,
) -> list[Style]:
    """The styles with their Gram matrices, all on one loss network (which may see different things beyond a picture).

    Args:
        size: short side of the paintings; by default size and side are those of each style's training.

    Raises:
        WeightsError: the loss network's weights are missing or do not fit.
    """
    losses = [configs[source.name].loss for source in sources]
    layers = {*STYLE_LAYERS, CONTENT_LAYER, *(name for loss in losses for name in layers_of(loss))}
    paddings: list[Padding] = ["zeros", *(loss.padding for loss in losses)]
    networks = {
        padding: place(
            load_loss_network(losses[0].network, sorted(layers), losses[0].pooling, weights, padding), device
        )
        for padding in dict.fromkeys(paddings)
    }
    shown = bar(sources, name="reading paintings", unit="painting", after=1)
    return [_style(source, configs[source.name], networks, size) for source in shown]


def _style(source: StyleSource, config: Config, networks: Mapping[Padding, LossNetwork], size: int | None) -> Style:
    side: Side = "short" if size else config.data.style_side
    size = size or config.data.style_size
    loss = config.loss.for_style(source.name)
    trained, published = networks[loss.padding], networks["zeros"]
    objective = Objective(trained, style_grams(trained, [source], loss.style_layers, size, side), loss)
    return Style(source, size, side, objective, published, style_grams(published, [source], STYLE_LAYERS, size, side))
