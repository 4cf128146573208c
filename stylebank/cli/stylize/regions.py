"""The options that divide a picture into regions: found by the computer, or read from a label map."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from stylebank.errors import ConfigError
from stylebank.inference.blending import Region
from stylebank.inference.stylizer import Stylizer
from stylebank.regions import (
    Assignment,
    RegionMethod,
    find_regions,
    load_label_map,
    parse_assignment,
    parse_method,
    regions_from_labels,
    upsample_labels,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    group = parser.add_argument_group("regions found by the computer")
    group.add_argument("--regions", metavar="kmeans:N|slic:N", help="divide every picture into at most N regions")
    group.add_argument("--label-map", type=Path, metavar="FILE", help="regions as --show-regions wrote and you edited")
    group.add_argument(
        "--show-regions", type=Path, metavar="PATH", help="write the regions as a label map with a key of its colours"
    )
    group.add_argument(
        "--assign", metavar="LABEL=STYLE[:ALPHA],...", help="what regions become, as in 0=mosaic,1-3=waves:0.5"
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of kmeans; the same finds the same regions")


class RegionFinder:
    """The regions that the options ask for, picture by picture.

    Raises:
        ConfigError: the options contradict each other, or the assignment cannot be read.
        ImageError: the label map cannot be read.
    """

    def __init__(self, options: argparse.Namespace, stylizer: Stylizer) -> None:
        self._options, self._stylizer = options, stylizer
        self._method: RegionMethod | None = None
        self._labels: np.ndarray | None = None
        self._assignment: Assignment = {}
        if options.regions and options.label_map:
            raise ConfigError("--regions finds regions and --label-map reads them; give one of them.")
        if options.regions:
            self._method = parse_method(options.regions)
            known = range(self._method.count)
        elif options.label_map:
            self._labels = load_label_map(options.label_map)
            known = range(int(self._labels.max()) + 1)
        elif options.assign or options.show_regions:
            flag = "--assign" if options.assign else "--show-regions"
            raise ConfigError(f"{flag} needs --regions kmeans:N, --regions slic:N or --label-map FILE.")
        else:
            return
        if options.assign:
            self._assignment = parse_assignment(options.assign, stylizer.styles, known)
        elif not options.show_regions:
            raise ConfigError("--assign is missing: say which region becomes what, or see them with --show-regions.")

    @property
    def asked(self) -> bool:
        """Whether any region is given a style."""
        return bool(self._assignment)

    @property
    def depends_on_picture(self) -> bool:
        """Whether regions are found in every picture anew."""
        return self._method is not None

    def labels(self, photograph: Image.Image) -> np.ndarray:
        """(H, W) labels of a picture (mode RGB), in whatever size they come."""
        if self._labels is not None:
            return self._labels
        assert self._method is not None
        return find_regions(self._stylizer, photograph, self._method, self._options.seed)

    def full_size(self, photograph: Image.Image) -> np.ndarray:
        """(H, W) labels of the picture's own size."""
        return upsample_labels(self.labels(photograph), photograph.size)

    def regions(self, photograph: Image.Image) -> list[Region]:
        """What the assignment makes of a picture (mode RGB); nothing without one."""
        if not self._assignment:
            return []
        labels = self.labels(photograph)
        # Soft edges are measured in the photograph's pixels, or in the label map's own.
        scale = 1.0 if self._labels is not None else labels.shape[1] / photograph.width
        return regions_from_labels(labels, self._assignment, self._options.feather * scale, self._options.alpha)
