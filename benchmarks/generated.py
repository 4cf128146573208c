"""Pictures and weights for timing, made on the spot: what they show makes no difference to the clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.torch
from PIL import Image
from torch import nn

from stylebank.config import LossConfig
from stylebank.images import save_picture
from stylebank.losses.vgg import LossNetwork


def photograph(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """A picture (mode RGB) of clouds and edges, which compresses about as a photograph does."""
    pixels = np.zeros((height, width, 3))
    for cells in (2, 8, 32, 128):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        kind = Image.Resampling.NEAREST if cells == 8 else Image.Resampling.BICUBIC
        pixels += np.asarray(coarse.resize((width, height), kind)) / 4
    return Image.fromarray(pixels.astype(np.uint8))


def pictures(folder: Path, count: int, width: int, height: int, seed: int) -> list[Path]:
    """Writes `count` such pictures as JPEG, 0.jpg onwards."""
    rng = np.random.default_rng(seed)
    paths = [folder / f"{i}.jpg" for i in range(count)]
    for path in paths:
        save_picture(photograph(width, height, rng), path)
    return paths


def loss_weights(path: Path, loss: LossConfig) -> Path:
    """Writes random weights for the loss network of a configuration."""
    network = LossNetwork(loss.network, [*loss.content_layers, *loss.style_layers], loss.pooling)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    safetensors.torch.save_file(network.state_dict(), path)
    return path
