"""The picture that an optimisation starts from: noise, or noise blended with a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stylebank.errors import ConfigError


@dataclass(frozen=True)
class Start:
    """x = grey + share * noise + (1 - share) * (picture - grey), in pixels of 0 to 255."""

    noise: Literal["uniform", "normal"]
    low: float
    """Lowest value of uniform noise, or the mean of normal noise."""
    high: float
    """Highest value of uniform noise, or the mean plus one standard deviation of normal noise."""
    share: float = 1.0
    """Of the noise, from 0 (the picture itself) to 1 (no picture)."""
    gray: float | None = None
    """None is the loss network's mean colour."""

    def picture(self, picture: Tensor, mean: Tensor, seed: int) -> Tensor:
        """The start (1, 3, H, W) for a picture (1, 3, H, W) and the mean colour (3, 1, 1), all of 0 to 255.

        The noise is drawn on the processor, so that a seed means the same on every device.

        Raises:
            ConfigError: the share is out of range.
        """
        if not 0 <= self.share <= 1:
            raise ConfigError(f"The share of noise must lie between 0 and 1, not {self.share:g}.")
        gray = mean if self.gray is None else torch.full_like(mean, self.gray)
        noise = self._noise(picture.shape, seed).to(picture.device)
        return gray + self.share * noise + (1 - self.share) * (picture - gray)

    def _noise(self, shape: torch.Size, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        draw = torch.rand if self.noise == "uniform" else torch.randn
        return self.low + (self.high - self.low) * draw(shape, generator=generator)
