"""What the checks by real work share: a device, a folder of its own, generated pictures, and a tiny bank."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from stylebank.doctor.finding import Off
from stylebank.images import save_picture
from stylebank.inference.stylizer import Stylizer
from stylebank.losses.vgg import LossNetwork
from stylebank.losses.weights import WEIGHTS_VARIABLE
from stylebank.shipped import VGG19

STYLES = ("stripes", "squares")
TINY: Mapping[str, Mapping[str, Any]] = {
    "model": {"channels": [16, 24, 32]},
    "loss": {"network": "vgg19", "content_layers": ["relu2_2"], "style_layers": ["relu1_2", "relu2_2"]},
    "data": {"style_size": 64, "content_size": 80, "min_side": 32, "held_out": 1, "workers": 1},
    "train": {
        "batch_size": 4,
        "crop_size": 64,
        "steps_per_cycle": 20,
        "identity_pretrain_steps": 20,
        "warmup_steps": 2,
        "lr_schedule": "constant",
        "log_every": 5,
        "checkpoint_every": 1000,
        "preview_every": 1000,
    },
}
"""A network that learns in seconds; what it draws does not matter."""


@dataclass(frozen=True)
class Trial:
    """Where the work is done."""

    device: torch.device
    folder: Path
    """Empty, and nobody else's."""

    @cached_property
    def content(self) -> Path:
        """A folder of generated photographs."""
        for number in range(8):
            save_picture(picture(number), self.folder / "content" / f"{number}.jpg")
        return self.folder / "content"

    @cached_property
    def styles(self) -> Path:
        """A folder of generated paintings."""
        for name in STYLES:
            save_picture(painting(name), self.folder / "styles" / f"{name}.png")
        return self.folder / "styles"

    @cached_property
    def weights(self) -> Path | None:
        """None for the loss network that comes with the program; where it does not, a file of random weights."""
        if VGG19.is_file() and not os.environ.get(WEIGHTS_VARIABLE):
            return None
        network, generator = LossNetwork("vgg19", ["relu4_2"]), torch.Generator().manual_seed(0)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        file = self.folder / "vgg19.safetensors"
        safetensors.torch.save_file({key: value.half() for key, value in network.state_dict().items()}, file)
        return file

    @property
    def run(self) -> Path:
        """Folder of the training."""
        return self.folder / "run"

    @cached_property
    def stylizer(self) -> Stylizer:
        """The trained bank on the device."""
        return self.load(str(self.device), "auto")

    @cached_property
    def reference(self) -> Stylizer:
        """The same on the processor in float32."""
        return self.load("cpu", "float32")

    def load(self, device: str, precision: str) -> Stylizer:
        """The trained bank. Raises Off if there is none, because the training failed."""
        if not (self.run / "bank").is_dir():
            raise Off("not tried: it needs the bank that the training should have made")
        return Stylizer.load(self.run, device, precision)


def picture(number: int, width: int = 160, height: int = 120) -> Image.Image:
    """Something like a photograph: clouds, edges, grain."""
    rng = np.random.default_rng(number)
    pixels = np.zeros((height, width, 3))
    for cells, kind in ((3, Image.Resampling.BICUBIC), (7, Image.Resampling.NEAREST), (40, Image.Resampling.BICUBIC)):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += np.asarray(coarse.resize((width, height), kind)) / 3
    return Image.fromarray(pixels.astype(np.uint8))


def painting(name: str) -> Image.Image:
    """A picture with a texture that can be learned."""
    y, x = np.mgrid[0:96, 0:112]
    waves = np.sin((x + y) / 3.0) if name == "stripes" else np.sign(np.sin(x / 4.0) * np.sin(y / 4.0))
    low, high = ((20, 40, 120), (250, 220, 60)) if name == "stripes" else ((180, 30, 40), (240, 240, 230))
    share = (0.5 + 0.5 * waves)[..., None]
    return Image.fromarray((np.array(low) * (1 - share) + np.array(high) * share).astype(np.uint8))
