"""Finding the regions of a photograph with a bank, in bounded time and memory whatever its size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylebank.images import resize_long_side
from stylebank.inference.stylizer import Stylizer
from stylebank.regions.method import RegionMethod
from stylebank.regions.resize import upsample_labels
from stylebank.regions.segment import segment_kmeans, segment_slic

LONGEST_SIDE = 2048  # of the labels found, in pixels: finer edges are lost in the features, four times as coarse
_FEATURES_OF = 640  # long side of the picture whose features are clustered: their grid is then what K-means looks at


def find_regions(stylizer: Stylizer, photograph: Image.Image, method: RegionMethod, seed: int = 0) -> np.ndarray:
    """Divides a photograph into regions: by the bank's content features, or into superpixels.

    Args:
        photograph: mode RGB.
        method: see `parse_method`.
        seed: of K-means; the same seed finds the same regions.

    Returns:
        (H, W) labels from 0; of the photograph's size, or with a longer side of 2048 where that is larger.

    Raises:
        ImageError: the photograph is smaller than 16 pixels.
    """
    reduced = _at_most(photograph, LONGEST_SIDE)
    if method.kind == "slic":
        return segment_slic(reduced, method.count)
    encoded = stylizer.encode_whole(_at_most(photograph, _FEATURES_OF))
    return upsample_labels(segment_kmeans(encoded.features[0], method.count, seed), reduced.size)


def _at_most(picture: Image.Image, side: int) -> Image.Image:
    return resize_long_side(picture, side) if max(picture.size) > side else picture
