"""The regions of every picture: found by the computer, or read from a label map."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylebank.cli.stylize.look_options import LookOptions
from stylebank.inference.blending import Region
from stylebank.inference.stylizer import Stylizer
from stylebank.regions import (
    Assignment,
    find_regions,
    load_label_map,
    parse_assignment,
    regions_from_labels,
    upsample_labels,
)


class RegionFinder:
    """The regions that the options ask for, picture by picture.

    Raises:
        ConfigError: the assignment cannot be read.
        ImageError: the label map cannot be read.
    """

    def __init__(self, options: LookOptions, stylizer: Stylizer) -> None:
        self._options, self._stylizer = options, stylizer
        regions = options.regions
        self._labels = load_label_map(regions.label_map) if regions.label_map else None
        self._assignment: Assignment = {}
        if regions.assign:
            self._assignment = parse_assignment(regions.assign, stylizer.styles, self._known())

    def full_size(self, photograph: Image.Image) -> np.ndarray:
        """(H, W) labels of a picture (mode RGB), of its own size."""
        return upsample_labels(self._labels_of(photograph), photograph.size)

    def regions(self, photograph: Image.Image) -> list[Region]:
        """What the assignment makes of a picture (mode RGB); nothing without one."""
        if not self._assignment:
            return []
        labels, options = self._labels_of(photograph), self._options
        return regions_from_labels(labels, self._assignment, options.feather, options.alpha, photograph.size)

    def _known(self) -> range:
        """The labels that pictures have."""
        if self._labels is not None:
            return range(int(self._labels.max()) + 1)
        method = self._options.regions.method
        return range(method.count if method else 0)

    def _labels_of(self, photograph: Image.Image) -> np.ndarray:
        """(H, W), in whatever size they come."""
        regions = self._options.regions
        if self._labels is not None:
            return self._labels
        assert regions.method is not None
        return find_regions(self._stylizer, photograph, regions.method, regions.seed)
