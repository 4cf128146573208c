"""Two frames of a film made up from one photograph: films teach to be steady, and there are none among photographs.

Frames of a film are one picture, moved a little and lit a little differently, with new grain. What a network makes of
such a neighbour should be what it made of the photograph, moved and lit the same way: Wang et al. 2020, "Consistent
Video Style Transfer via Compound Regularization". No optical flow is needed, as the motion is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylebank.device import carried, resampled

MOTION = 8.0  # pixels, the largest shift in either direction
TURN = math.radians(1.0)
ZOOM = 0.02
LIGHT = 0.05  # of the brightness
GRAIN = 0.02  # of white, the largest standard deviation


@dataclass(frozen=True)
class Neighbours:
    """The frames after photographs, and how to get there."""

    frames: Tensor
    """(N, 3, H, W) in [0, 1]."""
    relit: Tensor
    """How much brighter each pixel became by the light alone, (N, 3, H, W)."""
    grid: Tensor
    """Where each pixel was before, (N, H, W, 2), as `grid_sample` wants it."""

    def expected(self, outputs: Tensor) -> Tensor:
        """What should come of the frames, given what came of the photographs: (N, 3, H, W) -> (N, 3, H, W)."""
        return resampled(outputs.to(self.grid.dtype), self.grid, "bilinear") + self.relit

    @property
    def known(self) -> Tensor:
        """Which pixels were in the picture before, (N, 1, H, W): the others are made up."""
        return (self.grid.abs().amax(3) <= 1)[:, None]


def neighbours_of(photographs: Tensor, seeds: list[int]) -> Neighbours:
    """A next frame of every photograph, a function of its seed (and of the device, as for the grain).

    Args:
        photographs: (N, 3, H, W) in [0, 1].
        seeds: N.

    Half of them are shifted by whole pixels, which leaves the pixels as they are; the others are also turned and
    scaled, as hand-held cameras do.
    """
    height, width = photographs.shape[2:]
    drawn = [_draw(np.random.default_rng(seed), height, width) for seed in seeds]
    device = photographs.device
    theta = carried(torch.tensor(np.stack([motion for motion, _, _ in drawn]), dtype=torch.float32), device)
    grid = F.affine_grid(theta, [len(seeds), 3, height, width], align_corners=False)
    moved = resampled(photographs.float(), grid, "bicubic")
    light, grain = carried(torch.tensor([rest for _, *rest in drawn]), device)[:, :, None, None, None].unbind(1)
    # Drawn on the device: a processor takes longer for it than a GPU for the whole step.
    noise = torch.randn(moved.shape, generator=torch.Generator(device).manual_seed(seeds[0]), device=device)
    lit = (moved * light).clamp(0, 1)
    frames = (lit + grain * noise).clamp(0, 1).contiguous(memory_format=torch.channels_last)
    return Neighbours(frames, lit - moved, grid)


def _draw(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, float, float]:
    """A motion as the matrix that `affine_grid` wants, (2, 3); a factor on the brightness; a deviation of grain."""
    across, down = rng.uniform(-MOTION, MOTION, 2)
    angle, zoom = rng.uniform(-TURN, TURN), 1 + rng.uniform(-ZOOM, ZOOM)
    if rng.random() < 0.5:
        across, down, angle, zoom = round(across), round(down), 0.0, 1.0
    turn = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turn *= np.array([[1, height / width], [width / height, 1]])  # pixels are square, the grid's units are not
    shift = np.array([[2 * across / width], [2 * down / height]])
    return np.hstack([turn, shift]), 1 + rng.uniform(-LIGHT, LIGHT), rng.uniform(0, GRAIN)
