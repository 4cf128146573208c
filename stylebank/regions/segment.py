"""Finding regions: K-means on content features, and superpixels."""

from __future__ import annotations

import warnings

import numpy as np
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from skimage.color import rgb2lab
from skimage.segmentation import slic
from torch import Tensor

from stylebank.regions.resize import smooth_labels, upsample_labels

_GRID = 160  # longest side clustered; regions have no finer detail, and large pictures cost no more
_BLUR = 1 / 48  # of the longer side: what is averaged into a region rather than cut out of it
_CALM = 1 / 80  # of the longer side: what is too small to be a region of its own
_COMPONENTS = 8  # hold nearly all that tells places apart
_POSITION = 1.0  # weight of where a place is: from edge to edge as much as features differ on average
_STARTS = 5  # K-means ends where it started from; the best of so many is kept
_SLIC_CALM = 1.5  # pixels: SLIC's edges are ragged where the picture has texture
_SLIC_PIXELS = 2**18  # enough for edges; larger pictures cost no more


def segment_kmeans(features: Tensor, k: int, seed: int = 0) -> np.ndarray:
    """Clusters content features into regions (Chen et al. 2017, section 3.4).

    On bare features K-means follows every texture. Blurring them a little, and adding where a place is, makes
    regions that hang together; they may still consist of several parts.

    Args:
        features: (C, h, w), as encoded.
        k: regions wanted; a picture with fewer different places has fewer.
        seed: of the random starts; the same seed finds the same regions.

    Returns:
        (h, w) labels from 0, the largest region first.
    """
    height, width = features.shape[1:]
    points, grid = _describe(features)
    rng = np.random.default_rng(seed)
    labels = min((_cluster(points, k, rng) for _ in range(_STARTS)), key=lambda result: result[0])[1]
    calm = _by_size(smooth_labels(labels.reshape(grid), max(grid) * _CALM))
    return upsample_labels(calm, (width, height))


def segment_slic(image: Image.Image, n: int) -> np.ndarray:
    """Splits a picture into superpixels of similar size that follow its edges (SLIC, Achanta et al. 2012).

    Args:
        image: mode RGB.
        n: superpixels wanted; a tiny picture may have fewer.

    Returns:
        (H, W) labels from 0 in reading order of their topmost pixels.
    """
    scale = min(1.0, (_SLIC_PIXELS / (image.width * image.height)) ** 0.5)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    pixels = np.asarray(small.convert("RGB"))
    # SLIC takes the number for a hint and mostly stays below it: ask for more, then merge.
    labels = slic(pixels, 2 * n + 3, compactness=10, sigma=1, start_label=0, channel_axis=-1)
    labels = smooth_labels(_merge(labels, rgb2lab(pixels), n), _SLIC_CALM)
    first_seen = np.unique(labels, return_index=True)[1]
    return upsample_labels(_renumber(labels, np.argsort(first_seen)), image.size)


def _describe(features: Tensor) -> tuple[np.ndarray, tuple[int, int]]:
    """What K-means compares, (places, numbers), and the grid (h, w) of places."""
    height, width = features.shape[1:]
    scale = min(1.0, _GRID / max(height, width))
    grid = max(1, round(height * scale)), max(1, round(width * scale))
    small = F.adaptive_avg_pool2d(features.float()[None], grid)[0].cpu().numpy()
    blurred = ndimage.gaussian_filter(small, (0, *[max(grid) * _BLUR] * 2))
    points = blurred.reshape(len(small), -1).T.astype(np.float64)  # (places, C)
    points -= points.mean(0)
    points /= points.std(0) + 1e-3 * points.std() + 1e-12  # a channel that hardly changes stays unimportant
    variances, directions = np.linalg.eigh(points.T @ points)
    points = points @ directions[:, np.argsort(variances)[::-1][:_COMPONENTS]]
    points /= np.sqrt((points**2).sum(1).mean()) + 1e-12
    where = np.indices(grid).reshape(2, -1).T * (_POSITION / max(grid))
    return np.concatenate([points, where], axis=1), grid


def _cluster(points: np.ndarray, k: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """One run of K-means: the sum of squared distances, and a label per place."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One of the clusters is empty", category=UserWarning)
        centers, labels = kmeans2(points, min(k, len(points)), iter=30, minit="++", rng=rng)
    return float(((points - centers[labels]) ** 2).sum()), labels


def _merge(labels: np.ndarray, lab: np.ndarray, n: int) -> np.ndarray:
    """Joins the smallest region to the neighbour most like it in colour (h, w, 3), until there are `n`."""
    labels = labels.copy()
    while len(present := np.unique(labels)) > n:
        smallest = present[np.argmin(np.bincount(labels.ravel())[present])]
        region = labels == smallest
        neighbors = np.unique(labels[ndimage.binary_dilation(region) & ~region])
        colors = np.stack([lab[labels == label].mean(0) for label in neighbors])  # (neighbours, 3)
        labels[region] = neighbors[np.argmin(((colors - lab[region].mean(0)) ** 2).sum(1))]
    return labels


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels renumbered from 0, the largest region first, in reading order among equals."""
    _, first_seen, sizes = np.unique(labels, return_index=True, return_counts=True)
    return _renumber(labels, np.lexsort((first_seen, -sizes)))


def _renumber(labels: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Replaces the label that stands at `order[i]` among all sorted labels by i."""
    places = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return np.argsort(order)[places].astype(np.uint8)
