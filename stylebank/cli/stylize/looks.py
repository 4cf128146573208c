"""The options that say how pictures shall look, shared by every command that stylizes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from stylebank.cli.stylize import regions
from stylebank.errors import BankError, ConfigError
from stylebank.inference.blending import Recipe, Region, blend
from stylebank.inference.colors import MODES
from stylebank.inference.masks import check_feather, feather, load_mask
from stylebank.inference.recipes import ORIGINAL
from stylebank.inference.strokes import parse_stroke
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import IDENTITY
from stylebank.video import is_film


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    group = parser.add_argument_group("looks")
    group.add_argument(
        "--style",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[:WEIGHT]",
        help="styles, 'all', or 'identity', each on its own; with weights one mixture of them",
    )
    group.add_argument("--raw-weights", action="store_true", help="do not scale the weights to sum 1")
    group.add_argument("--sweep", type=_sweep, metavar="N", help="a strip of N mixtures, from one style to another")
    group.add_argument("--alpha", type=float, default=1.0, metavar="0..1", help="strength: 0 is the reconstruction")
    group.add_argument(
        "--mask",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[:ALPHA]=FILE",
        help="a style where a grey picture is white, --style elsewhere; for films a film or a folder, too",
    )
    group.add_argument(
        "--outside",
        choices=(IDENTITY, ORIGINAL),
        default=IDENTITY,
        help="where no mask is, without --style: the reconstruction, or the photograph untouched",
    )
    group.add_argument(
        "--feather", type=float, default=0.0, metavar="PX", help="soften masks' edges, in their own pixels"
    )
    group.add_argument(
        "--preserve-colors",
        choices=MODES,
        default="none",
        help="luma: the photograph's colours in their places; histogram: its palette",
    )
    group.add_argument(
        "--stroke",
        default="1",
        metavar="0.5..4|auto",
        help="width of strokes; size and edges stay. auto: alike in proportion whatever the size",
    )
    regions.add_arguments(parser)


class Looks:
    """The looks asked for: a name for each, and the recipes, which may depend on the picture.

    Raises:
        ConfigError: the options contradict each other or are out of range.
        BankError: there is no such style.
        ImageError: a mask or label map cannot be read.
    """

    def __init__(self, options: argparse.Namespace, stylizer: Stylizer) -> None:
        options.stroke = parse_stroke(options.stroke)
        check_feather(options.feather)
        self.finder = regions.RegionFinder(options, stylizer)
        self.moving = {text: path for text in options.mask if is_moving(path := _split_mask(text)[2])}
        """The masks that are films or folders of frames."""
        self._masked = [_region(text, options, stylizer) for text in options.mask if text not in self.moving]
        in_regions = bool(options.mask) or self.finder.asked
        if options.outside == ORIGINAL and (options.style or not in_regions):
            raise ConfigError("--outside original keeps the photograph where no mask is: give masks, and no --style.")
        if options.sweep:
            self._bases = _sweep_recipes(options, stylizer)
        elif options.style:
            weights = _styles(options.style, stylizer)
            self._bases = {
                name: Recipe(blend(each, options.alpha, options.raw_weights)) for name, each in weights.items()
            }
        elif in_regions:
            self._bases = {"regions": Recipe({IDENTITY: 1.0}, keep_original=options.outside == ORIGINAL)}
        else:
            self._bases = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every look."""
        return tuple(self._bases)

    def recipes(self, photograph: Image.Image) -> dict[str, Recipe]:
        """What to do with a picture (mode RGB), by look."""
        parts = [*self._masked, *self.finder.regions(photograph)]
        return {name: Recipe(base.base, parts, base.keep_original) for name, base in self._bases.items()}


def masked_weights(text: str, options: argparse.Namespace, stylizer: Stylizer) -> dict[str, float]:
    """The weights of a mask's style, from `NAME=FILE` or `NAME:ALPHA=FILE`. Raises as `Looks` does."""
    name, value, _ = _split_mask(text)
    alpha = _number(value, f"--mask {text}") if value else options.alpha
    return blend({stylizer.check_style(name): 1.0}, alpha)


def is_moving(path: Path) -> bool:
    """Whether a mask is a film, an animation or a folder of frames."""
    return path.is_dir() or is_film(path)


def _sweep_recipes(options: argparse.Namespace, stylizer: Stylizer) -> dict[str, Recipe]:
    if len(options.style) != 2 or any(":" in text or text == "all" for text in options.style):
        raise ConfigError(f"--sweep goes from one style to another: give --style two names, not {options.style}.")
    one, other = (stylizer.check_style(name) for name in options.style)
    if one == other:
        raise ConfigError(f"--sweep goes from one style to another, not from '{one}' to itself.")
    shares = [i / (options.sweep - 1) for i in range(options.sweep)]
    return {f"{share:.2f} {other}": Recipe(blend({one: 1 - share, other: share}, options.alpha)) for share in shares}


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
    path = _split_mask(text)[2]
    return Region(masked_weights(text, options, stylizer), feather(load_mask(path), options.feather))


def _split_mask(text: str) -> tuple[str, str, Path]:
    """`NAME=FILE` or `NAME:ALPHA=FILE` as name, alpha (perhaps empty) and file."""
    look, equals, file = text.partition("=")
    name, colon, alpha = look.partition(":")
    if not equals or not file or not name or (colon and not alpha):
        raise ConfigError(f"--mask {text}: write NAME=FILE or NAME:ALPHA=FILE.")
    return name, alpha, Path(file)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{where}: '{text}' is not a number.") from error


def _sweep(text: str) -> int:
    if not text.isdigit() or not 2 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 2 to 64")
    return int(text)
