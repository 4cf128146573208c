"""Photographs to try things on: they lie in scikit-image's own package, under free licences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from stylebank.images.write import save_picture

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "motorcycle", "retina", "rocket")
"""Their names. A training that holds two of them out holds out chelsea and motorcycle."""


def sample_photograph(name: str) -> Image.Image:
    """One of `PHOTOGRAPHS`, or another of scikit-image's pictures, in colour."""
    from skimage import data  # here: it takes a while to import

    pixels: np.ndarray = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()  # type: ignore[no-untyped-call]
    return Image.fromarray(pixels).convert("RGB")


def write_photographs(folder: Path) -> list[Path]:
    """Writes all of them to a folder as PNG; one that is there already stays.

    Raises:
        ImageError: a file cannot be written.
    """
    files = [folder / f"{name}.png" for name in PHOTOGRAPHS]
    for file in files:
        if not file.exists():
            save_picture(sample_photograph(file.stem), file)
    return files
