"""The options that divide a picture into regions, read into typed values."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from stylebank.cli.arguments import UsageError, at_least
from stylebank.config import LARGEST_SEED
from stylebank.errors import ConfigError
from stylebank.regions.method import RegionMethod, parse_method


@dataclass(frozen=True)
class RegionOptions:
    """How a picture is divided into regions: found by `method` or read from `label_map`, or not at all."""

    method: RegionMethod | None = None
    label_map: Path | None = None
    assign: str | None = None
    """What regions become, see `regions.parse_assignment`."""
    show: Path | None = None
    """Where the regions themselves are written to."""
    seed: int = 0


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
    group.add_argument(
        "--seed",
        type=at_least(0, highest=LARGEST_SEED),
        default=0,
        metavar="N",
        help="of kmeans and of the strokes in plain areas; the same gives the same picture",
    )


def regions_of(options: argparse.Namespace) -> RegionOptions:
    """What the arguments ask for.

    Raises:
        ConfigError: the method cannot be read, or options contradict each other.
    """
    if options.regions and options.label_map:
        raise ConfigError("--regions finds regions and --label-map reads them; give one of them.")
    if not options.regions and not options.label_map and (options.assign or options.show_regions):
        flag = "--assign" if options.assign else "--show-regions"
        raise ConfigError(f"{flag} needs --regions kmeans:N, --regions slic:N or --label-map FILE.")
    method = parse_method(options.regions) if options.regions else None
    if (method or options.label_map) and not options.assign and not options.show_regions:
        raise UsageError("--assign is missing: say which region becomes what, or see them with --show-regions.")
    return RegionOptions(method, options.label_map, options.assign, options.show_regions, options.seed)
