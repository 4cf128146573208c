"""Cards among the photographs: what is plain in pictures (skies, walls, dark grounds) and too rare in random crops.

On these a bank learns to draw strokes where the photograph has nothing to follow, and to end them at an edge without
a halo.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

_FINER = 3  # shapes are drawn so much larger first, for smooth edges
_GRAIN = 6.0  # levels of 255, the largest standard deviation


def draw_card(side: int, rng: np.random.Generator) -> np.ndarray:
    """A card of one colour, a gradient, or a shape before either, half of them with grain: (side, side, 3) uint8."""
    ground = _ground(side, rng)
    if rng.random() < 0.4:
        shape = _shape(side, rng)
        ground += shape * (_ground(side, rng) - ground)
    if rng.random() < 0.5:
        # Of any coarseness: what is scaled up afterwards is blurred, as the grain of photographs is.
        coarse = -(-side // int(rng.integers(1, 4)))
        grain = Image.fromarray(rng.normal(size=(coarse, coarse)).astype(np.float32))
        grown = np.asarray(grain.resize((side, side), Image.Resampling.BICUBIC))
        ground += rng.uniform(0, _GRAIN) * grown[..., None]
    card: np.ndarray = np.clip(np.rint(ground), 0, 255).astype(np.uint8)
    return card


def _ground(side: int, rng: np.random.Generator) -> np.ndarray:
    """(side, side, 3), 0 to 255: one colour, or half of the time a gradient to another in any direction."""
    first = _colour(rng)
    if rng.random() < 0.5:
        return np.tile(first, (side, side, 1))
    second = first + (_colour(rng) - first) * rng.uniform(0.1, 1)
    angle, place = rng.uniform(0, 2 * np.pi), np.linspace(-0.5, 0.5, side)
    along = place[:, None] * np.sin(angle) + place[None] * np.cos(angle)
    gradient: np.ndarray = first + (second - first) * (along[..., None] + 0.5)
    return gradient


def _colour(rng: np.random.Generator) -> np.ndarray:
    """(3,), 0 to 255: often near black, white or grey, as walls, skies and nights are."""
    tint = rng.uniform(0, 1) ** 2 * (rng.uniform(0, 1, 3) - 0.5)
    colour: np.ndarray = np.clip(255 * (rng.beta(0.7, 0.7) + tint), 0, 255)
    return colour


def _shape(side: int, rng: np.random.Generator) -> np.ndarray:
    """An ellipse or a polygon anywhere on the card: (side, side, 1), 0 to 1."""
    large = side * _FINER
    mask = Image.new("L", (large, large))
    centre, radii = rng.uniform(0.1, 0.9, 2), rng.uniform(0.08, 0.5, 2)
    angles = np.linspace(0, 2 * np.pi, 64) if rng.random() < 0.5 else np.sort(rng.uniform(0, 2 * np.pi, 5))
    outline = centre + radii * np.stack([np.cos(angles), np.sin(angles)], 1)
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in (outline * large).tolist()], fill=255)
    return np.asarray(mask.resize((side, side), Image.Resampling.BOX))[..., None] / 255
