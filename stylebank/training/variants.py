"""Paintings made of paintings, for a predictor that has seen few: crops, mirrored, in other colours."""

from __future__ import annotations

import numpy as np
from PIL import Image

SMALLEST = 0.5  # of the painting's sides
GAMMA = 1.5  # the largest exponent, or its inverse


def variant_of(painting: Image.Image, number: int, seed: int) -> Image.Image:
    """A painting (mode RGB) as it is for number 0, else a variant of it: a pure function of number and seed."""
    if not number:
        return painting
    rng = np.random.default_rng((seed, number))
    share = rng.uniform(SMALLEST, 1)
    width, height = round(painting.width * share), round(painting.height * share)
    left, top = (int(rng.integers(room + 1)) for room in (painting.width - width, painting.height - height))
    pixels = np.asarray(painting.crop((left, top, left + width, top + height)), np.float32) / 255
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if rng.random() < 0.5:
        pixels = pixels[..., rng.permutation(3)]
    if rng.random() < 0.2:
        pixels = 1 - pixels
    pixels = pixels ** (GAMMA ** rng.uniform(-1, 1, 3))  # of each colour its own
    return Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
