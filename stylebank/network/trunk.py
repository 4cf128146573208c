"""Residual blocks at an eighth of the picture's size: twice the reach of those at a quarter, a quarter of the work."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from stylebank.config import Norm
from stylebank.network.layers import NearestUpsample, ResidualBlock, block, conv, norm_layers


class Trunk(nn.Module):
    """Adds to features what blocks see in them at half their resolution: (B, C, h, w) -> (B, C, h, w).

    Starts as the identity, as `ResidualBlock` does. An odd row or column is seen and its doubled copy cut off again.
    """

    step = 2
    """Rows and columns of features that it sees as one: a part of a picture has to begin at a multiple."""

    def __init__(self, channels: int, width: int, blocks: int, norm: Norm) -> None:
        super().__init__()
        last = conv(width, channels, 3)
        norms = norm_layers(norm, channels)
        for module in norms or [last]:
            nn.init.zeros_(cast(Tensor, module.weight))
        self.down = block(channels, width, 3, 2, norm)
        self.blocks = nn.Sequential(*(ResidualBlock(width, norm) for _ in range(blocks)))
        self.up = nn.Sequential(NearestUpsample(), last)
        self.norms = nn.Sequential(*norms)

    def forward(self, x: Tensor) -> Tensor:
        larger: Tensor = self.up(self.blocks(self.down(x)))
        out: Tensor = x + self.norms(larger[:, :, : x.shape[2], : x.shape[3]])
        return out
