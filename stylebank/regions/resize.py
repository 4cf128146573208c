"""Label maps at another size, with smooth edges instead of stairs."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

STRIP = 2**20  # pixels at a time
_SOFTEN = 1.0  # standard deviation in pixels of the smaller map


def upsample_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map scaled to `size`: every pixel gets the label that covers most of it after smooth interpolation.

    Args:
        labels: (h, w) whole numbers.
        size: (W, H) in pixels.

    Returns:
        (H, W) of the same type, with no labels but those in `labels`.
    """
    if size == (labels.shape[1], labels.shape[0]):
        return labels
    present = np.unique(labels)
    # Softened a little first: interpolation alone rounds the stairs off, but leaves them.
    sigma = _SOFTEN if size[0] > labels.shape[1] else 0.0
    covers = [Image.fromarray(_cover(labels, label, sigma)) for label in present]
    rows = max(1, STRIP // size[0])
    scale = labels.shape[0] / size[1]
    strips = []
    for top in range(0, size[1], rows):
        bottom = min(top + rows, size[1])
        box = (0, top * scale, labels.shape[1], min(bottom * scale, labels.shape[0]))
        # One at a time: with many labels all of them at once would fill the memory.
        most = np.full((bottom - top, size[0]), -np.inf, np.float32)
        strip = np.zeros(most.shape, labels.dtype)
        for label, cover in zip(present, covers, strict=True):
            share = np.asarray(cover.resize((size[0], bottom - top), Image.Resampling.BICUBIC, box=box))
            strip[share > most] = label
            np.maximum(most, share, out=most)
        strips.append(strip)
    return np.concatenate(strips)


def smooth_labels(labels: np.ndarray, sigma: float) -> np.ndarray:
    """The label that prevails around each place, weighed by a Gaussian of `sigma` pixels; specks go."""
    present = np.unique(labels)
    shares = [_cover(labels, label, sigma) for label in present]
    result: np.ndarray = present[np.argmax(shares, axis=0)]
    return result


def _cover(labels: np.ndarray, label: int, sigma: float) -> np.ndarray:
    """Where a label is, softened: (h, w) float32 in [0, 1]."""
    cover: np.ndarray = ndimage.gaussian_filter((labels == label).astype(np.float32), sigma, mode="nearest")
    return cover
