"""Small films whose motion is known, made of smooth textures that go on beyond the picture's edge."""

from __future__ import annotations

import torch
from torch import Tensor


def texture(height: int, width: int, at: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> Tensor:
    """A view (1, 3, height, width) in [0, 1] of an endless texture; `at` is what lies in its upper left corner."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.arange(width) + at[0]
    y = torch.arange(height)[:, None] + at[1]
    channels = []
    for _ in range(3):
        waves = torch.zeros(height, width)
        for _ in range(12):
            fx, fy, phase = torch.empty(3).uniform_(-1, 1, generator=generator).tolist()
            waves += torch.sin(
                0.7 * fx**3 * x + 0.7 * fy**3 * y + 3.14 * phase
            )  # cubed: mostly long, as in photographs
        channels.append(waves)
    return (0.5 + torch.stack(channels)[None] / 16).clamp(0, 1)


def pan(frames: int, step: tuple[float, float], height: int = 64, width: int = 96) -> list[Tensor]:
    """A camera that moves on by `step` pixels (x, y) from frame to frame."""
    return [texture(height, width, (i * step[0], i * step[1])) for i in range(frames)]


def passing_square(frames: int, step: int = 10, side: int = 24) -> list[Tensor]:
    """A bright square that crosses a still texture, `step` pixels a frame."""
    film = []
    for i in range(frames):
        frame = texture(64, 128)
        frame[:, :, 20 : 20 + side, i * step : i * step + side] = torch.tensor([1.0, 0.9, 0.2])[:, None, None]
        film.append(frame)
    return film


def noisy(film: list[Tensor], sigma: float, seed: int = 0) -> list[Tensor]:
    """The same with noise of its own on every frame."""
    generator = torch.Generator().manual_seed(seed)
    return [(frame + sigma * torch.randn(frame.shape, generator=generator)).clamp(0, 1) for frame in film]
