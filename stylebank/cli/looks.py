"""The options that say how pictures shall look, shared by every command that stylizes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from stylebank.colors import MODES
from stylebank.errors import BankError, ConfigError
from stylebank.fusion import Recipe, Region, blend
from stylebank.masks import feather, load_mask
from stylebank.styles import IDENTITY
from stylebank.stylizer import ORIGINAL, Stylizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--style",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[:WEIGHT]",
        help="styles, 'all', or 'identity', each on its own; with weights one mixture of them",
    )
    parser.add_argument("--raw-weights", action="store_true", help="do not scale the weights to sum 1")
    parser.add_argument("--alpha", type=float, default=1.0, metavar="0..1", help="strength: 0 is the reconstruction")
    parser.add_argument(
        "--mask",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[:ALPHA]=FILE",
        help="a style where a grey picture is white, --style elsewhere",
    )
    parser.add_argument(
        "--outside",
        choices=(IDENTITY, ORIGINAL),
        default=IDENTITY,
        help="where no mask is, without --style: the reconstruction, or the photograph untouched",
    )
    parser.add_argument(
        "--feather", type=float, default=0.0, metavar="PX", help="soften masks' edges, in their own pixels"
    )
    parser.add_argument(
        "--preserve-colors",
        choices=MODES,
        default="none",
        help="luma: the photograph's colours in their places; histogram: its palette",
    )
    parser.add_argument(
        "--stroke",
        type=float,
        default=1.0,
        metavar="0.5..4",
        help="width of strokes; size and edges stay",
    )


def recipes(options: argparse.Namespace, stylizer: Stylizer) -> dict[str, Recipe]:
    """The looks asked for: a name for each, and what to do.

    Raises:
        ConfigError: the options contradict each other or are out of range.
        BankError: there is no such style.
        ImageError: a mask cannot be read.
    """
    regions = [_region(text, options, stylizer) for text in options.mask]
    if not options.style:
        if not regions:
            raise ConfigError("--style is missing.")
        return {"regions": Recipe({IDENTITY: 1.0}, regions, keep_original=options.outside == ORIGINAL)}
    bases = _styles(options.style, stylizer)
    return {
        name: Recipe(blend(weights, options.alpha, options.raw_weights), regions) for name, weights in bases.items()
    }


def _styles(texts: Sequence[str], stylizer: Stylizer) -> dict[str, dict[str, float]]:
    """Name of the look -> weights per style."""
    if any(":" in text for text in texts):
        pairs = [_weighted(text, stylizer) for text in texts]
        weights = dict(pairs)
        if len(weights) < len(pairs):
            raise ConfigError(f"--style names a style twice: {' '.join(texts)}.")
        return {"+".join(weights): weights}
    names = [style for text in texts for style in (stylizer.styles if text == "all" else [text])]
    if not names:
        raise BankError(f"The bank has no style at all, only '{IDENTITY}'.")
    return {stylizer.check_style(name): {name: 1.0} for name in names}


def _weighted(text: str, stylizer: Stylizer) -> tuple[str, float]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigError(f"--style {text}: give every style a weight, as in {name}:0.5, or none.")
    return stylizer.check_style(name), _number(value, f"--style {text}")


def _region(text: str, options: argparse.Namespace, stylizer: Stylizer) -> Region:
    """`NAME=FILE` or `NAME:ALPHA=FILE`."""
    look, equals, file = text.partition("=")
    if not equals or not file:
        raise ConfigError(f"--mask {text}: write NAME=FILE or NAME:ALPHA=FILE.")
    name, colon, value = look.partition(":")
    alpha = _number(value, f"--mask {text}") if colon else options.alpha
    return Region(blend({stylizer.check_style(name): 1.0}, alpha), feather(load_mask(Path(file)), options.feather))


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{where}: '{text}' is not a number.") from error
