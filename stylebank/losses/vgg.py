"""The loss network: a frozen VGG-16 or VGG-19 (Simonyan & Zisserman, 2014) that returns named activations."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.errors import WeightsError
from stylebank.losses.weights import Network, read_weights
from stylebank.network.padding import gathered

Pooling = Literal["max", "average"]
Padding = Literal["zeros", "replicate"]

_CONVOLUTIONS: dict[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_logger = logging.getLogger(__name__)


def layer_names(network: Network) -> list[str]:
    """Every layer that can be asked for, in order: conv1_1, relu1_1, ..., pool1, conv2_1, ..."""
    names: list[str] = []
    for block, count in enumerate(_CONVOLUTIONS[network], start=1):
        for i in range(1, count + 1):
            names += [f"conv{block}_{i}", f"relu{block}_{i}"]
        names.append(f"pool{block}")
    return names


def repeated(x: Tensor) -> Tensor:
    """A tensor (B, C, H, W) with its outermost pixels once more on every side."""
    # Compiled, it is wrong about the strides of the other way's gradient (torch 2.13).
    if torch.compiler.is_compiling() or x.device.type == "cuda":
        return gathered(x, 1, repeat=True)
    with torch.autocast(x.device.type, enabled=False):  # which would pad in float32
        return F.pad(x, (1, 1, 1, 1), mode="replicate")


def channels_of(layer: str) -> int:
    """How many channels a layer has: `relu3_2` -> 256."""
    return _WIDTHS[int(re.findall(r"\d+", layer)[0]) - 1]


class EdgeConv2d(nn.Conv2d):
    """A 3x3 convolution that repeats the outermost pixels where others see zeros."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(repeated(x), self.weight, self.bias)


class LossNetwork(nn.Module):
    """Frozen VGG: (B, 3, H, W) in [0, 1] -> {layer name: activation (B, C, H', W')}.

    Only the layers up to the deepest one asked for are built. Normalizes its input itself.

    Args:
        padding: `zeros`, as VGG was trained with, are an edge around every picture. A network that learns from these
            activations answers by drawing a frame; with `replicate` there is no edge.

    Raises:
        WeightsError: a layer name is unknown.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: Network, layers: Iterable[str], pooling: Pooling = "max", padding: Padding = "zeros"
    ) -> None:
        super().__init__()
        names = layer_names(network)
        self.network = network
        self.wanted = frozenset(layers)
        unknown = sorted(self.wanted - set(names))
        if unknown or not self.wanted:
            raise WeightsError(
                f"{network} has no layer {', '.join(unknown) or '(none given)'}; valid: {', '.join(names)}."
            )
        self.names = names[: max(names.index(name) for name in self.wanted) + 1]
        # Same order and numbering as torchvision's `features`, whose key names are what people have on disk.
        self.features = nn.Sequential(*(self._layer(name, pooling, padding) for name in self.names))
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def _layer(self, name: str, pooling: Pooling, padding: Padding) -> nn.Module:
        kind, block, *rest = re.findall(r"[a-z]+|\d+", name)
        if kind == "pool":
            return nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
        if kind == "relu":  # in place unless the value before it was asked for
            return nn.ReLU(inplace=name.replace("relu", "conv") not in self.wanted)
        width = channels_of(name)
        first = rest == ["1"]
        cin = 3 if name == "conv1_1" else _WIDTHS[int(block) - 2] if first else width
        return (nn.Conv2d if padding == "zeros" else EdgeConv2d)(cin, width, 3, padding=1)

    def train(self, mode: bool = True) -> LossNetwork:
        """Stays in evaluation mode: the loss network is never trained."""
        return super().train(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = ((images - self.mean) / self.std).to(next(self.features.parameters()).dtype)
        activations: dict[str, Tensor] = {}
        for name, layer in zip(self.names, self.features, strict=True):
            x = layer(x)
            if name in self.wanted:
                activations[name] = x
        return activations


def load_loss_network(
    network: Network,
    layers: Sequence[str],
    pooling: Pooling = "max",
    weights: Path | None = None,
    padding: Padding = "zeros",
) -> LossNetwork:
    """The loss network with pretrained weights; where they come from: `weights.read_weights`.

    Raises:
        WeightsError: an unknown layer, or weights that are missing, unreadable, or of another network.
    """
    model = LossNetwork(network, layers, pooling, padding)
    state, source = read_weights(network, weights)
    _fill(model, state, source)
    _logger.info("Loss network %s, layers %s: %s.", network, ", ".join(layers), source)
    return model


def _fill(model: LossNetwork, state: dict[str, Tensor], source: str) -> None:
    for key, parameter in model.named_parameters():
        value = state.get(key, state.get(key.removeprefix("features.")))
        if not isinstance(value, Tensor):
            layer = model.names[int(key.split(".")[1])]
            raise WeightsError(
                f"{source} has no tensor {key}, which is {layer} of {model.network}: it holds fewer layers, or another "
                "network; ask for earlier layers, or give other weights."
            )
        if value.shape != parameter.shape:
            raise WeightsError(
                f"{source} holds {key} of shape {tuple(value.shape)}, but {model.network} needs "
                f"{tuple(parameter.shape)}; is it the other VGG?"
            )
        if not value.is_floating_point() or not bool(value.isfinite().all()):
            raise WeightsError(f"{source} holds {key} with values that are no weights; is the file damaged?")
        parameter.data.copy_(value)
