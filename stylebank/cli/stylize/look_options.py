"""The options that say how pictures shall look, read into typed values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stylebank.cli.arguments import at_least
from stylebank.cli.stylize import region_options
from stylebank.cli.stylize.region_options import RegionOptions, regions_of
from stylebank.errors import ConfigError
from stylebank.inference.choices import COLOR_MODES, ORIGINAL, ColorMode, Stroke, check_feather, parse_stroke
from stylebank.styles import IDENTITY, name_from_path


@dataclass(frozen=True)
class StyleChoice:
    """`NAME` or `NAME:WEIGHT`; the name may be `all`."""

    text: str
    """As it was written."""
    name: str
    weight: float | None = None
    option: str = "--style"
    """Where it was written."""


@dataclass(frozen=True)
class MaskChoice:
    """`NAME=FILE` or `NAME:ALPHA=FILE`: a style, its strength if it has one of its own, and where it goes."""

    text: str
    """As it was written."""
    name: str
    alpha: float | None
    path: Path


@dataclass(frozen=True)
class LookOptions:
    """How pictures shall look, before a bank has been asked whether it has those styles."""

    styles: tuple[StyleChoice, ...] = ()
    paintings: Mapping[str, Path] = field(default_factory=dict)
    """Styles that the bank predicts from paintings, by name."""
    raw_weights: bool = False
    sweep: int | None = None
    """Mixtures in a strip that goes from one style to another."""
    alpha: float = 1.0
    masks: tuple[MaskChoice, ...] = ()
    outside: str = IDENTITY
    """What is where no mask is, without styles: `identity` or `original`."""
    feather: float = 0.0
    """Width of soft edges in the picture's pixels, see `masks.feather`."""
    colors: ColorMode = "none"
    stroke: Stroke = "auto"
    regions: RegionOptions = field(default_factory=RegionOptions)

    @property
    def files(self) -> list[Path]:
        """All that is read beside the pictures."""
        label_map = [self.regions.label_map] if self.regions.label_map else []
        return [*self.paintings.values(), *(mask.path for mask in self.masks), *label_map]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    group = parser.add_argument_group("style, strength, masks, colours, strokes")
    group.add_argument(
        "--style",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[:WEIGHT]",
        help="styles, 'all', or 'identity', each on its own; several with weights are one mixture, and the weight of "
        "one alone is its strength: udnie:0.5",
    )
    group.add_argument(
        "--style-image",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE[:WEIGHT]",
        help="paintings as styles, of a bank that can predict them; with weights as --style",
    )
    group.add_argument("--raw-weights", action="store_true", help="do not scale the weights to sum 1")
    group.add_argument(
        "--sweep", type=at_least(2, highest=64), metavar="N", help="a strip of N mixtures, from one style to another"
    )
    group.add_argument(
        "--alpha",
        type=float,
        default=1.0,
        metavar="0..1",
        help="strength of the whole: 0 is the reconstruction; a style's own is multiplied by it",
    )
    group.add_argument(
        "--mask",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[:ALPHA]=FILE",
        help="a style (or a painting's file, as for --style-image), at a strength of its own, where a grey picture is "
        "white, --style elsewhere; for films a film or a folder, too",
    )
    group.add_argument(
        "--outside",
        choices=(IDENTITY, ORIGINAL),
        default=IDENTITY,
        help="where no mask is, without --style: the reconstruction, or the photograph untouched",
    )
    group.add_argument(
        "--feather", type=float, default=0.0, metavar="PX", help="soften masks' edges, in pixels of the output"
    )
    group.add_argument(
        "--preserve-colors",
        choices=COLOR_MODES,
        default="none",
        help="luma: the photograph's colours in their places; histogram: its palette",
    )
    group.add_argument(
        "--stroke",
        default="auto",
        metavar="0.5..16|auto",
        help="width of strokes; size and edges stay. 1: as the style has them; auto: wider in pictures of more than a "
        "megapixel, so that they can be seen",
    )
    region_options.add_arguments(parser)


def looks_of(options: argparse.Namespace) -> LookOptions:
    """What the arguments ask for.

    Raises:
        ConfigError: a text cannot be read, a number is out of range, or options contradict each other.
    """
    styles = [parse_style(text) for text in options.style]
    masks = [parse_mask(text) for text in options.mask]
    paintings = [parse_painting(text) for text in options.style_image]
    files = [(path, f"--style-image {choice.text}") for choice, path in paintings]
    files += [(Path(mask.name), f"--mask {mask.text}") for mask in masks if is_painting(mask.name)]
    masks = [replace(mask, name=_name_of(mask.name)) for mask in masks]
    styles += [choice for choice, _ in paintings]
    if options.outside == ORIGINAL and (styles or not (options.mask or options.assign)):
        raise ConfigError("--outside original keeps the photograph where no mask is: give masks, and no --style.")
    return LookOptions(
        styles=tuple(styles),
        paintings=_by_name(files),
        raw_weights=options.raw_weights,
        sweep=options.sweep,
        alpha=options.alpha,
        masks=tuple(masks),
        outside=options.outside,
        feather=check_feather(options.feather),
        colors=options.preserve_colors,
        stroke=parse_stroke(options.stroke),
        regions=regions_of(options),
    )


def names_of(looks: LookOptions, bank: Sequence[str]) -> list[str]:
    """What the outputs of every look are called, by the options alone: as `Looks.names`, a strip being one.

    Args:
        bank: the names of its styles, for `all`.
    """
    styles = looks.styles
    if looks.sweep:
        return [" to ".join(style.name for style in styles)]
    if any(style.weight is not None for style in styles):
        return ["+".join(style.name for style in styles)]
    if styles:
        return list(dict.fromkeys(name for each in styles for name in (bank if each.name == "all" else [each.name])))
    return ["regions"] if looks.masks or looks.regions.assign else []


def parse_style(text: str) -> StyleChoice:
    """Reads `NAME` or `NAME:WEIGHT`.

    Raises:
        ConfigError: the weight is not a number.
    """
    name, colon, weight = text.partition(":")
    return StyleChoice(text, name, _number(weight, f"--style {text}") if colon else None)


def parse_painting(text: str) -> tuple[StyleChoice, Path]:
    """Reads `FILE` or `FILE:WEIGHT`: the style that the painting becomes, and the file.

    Raises:
        ConfigError: the file's name gives no style name.
    """
    file, weight = _split_number(text)
    return StyleChoice(text, name_from_path(Path(file)), weight, "--style-image"), Path(file)


def is_painting(name: str) -> bool:
    """Whether what stands for a style is a painting's file: no style's name has a dot or a slash."""
    return "." in name or "/" in name or os.sep in name


def _name_of(style: str) -> str:
    return name_from_path(Path(style)) if is_painting(style) else style


def _by_name(files: Sequence[tuple[Path, str]]) -> dict[str, Path]:
    """The paintings by the names of their styles; `files` come with where they were written."""
    found: dict[str, Path] = {}
    for path, where in files:
        name = name_from_path(path)
        if found.setdefault(name, path) != path:
            raise ConfigError(f"{where}: {found[name]} would be called '{name}' as well; rename one of the files.")
    return found


def _split_number(text: str) -> tuple[str, float | None]:
    """`FILE:0.5` taken apart; a colon before anything but a number belongs to the file."""
    file, colon, number = text.rpartition(":")
    try:
        return (file, float(number)) if colon else (text, None)
    except ValueError:
        return text, None


def parse_mask(text: str) -> MaskChoice:
    """Reads `NAME=FILE` or `NAME:ALPHA=FILE`; the name may be a painting's file.

    Raises:
        ConfigError: a part is missing, or the strength is not a number.
    """
    look, equals, file = text.partition("=")
    if is_painting(look):
        painting, strength = _split_number(look)
        if equals and file and painting:
            return MaskChoice(text, painting, strength, Path(file))
    name, colon, alpha = look.partition(":")
    if not equals or not file or not name or (colon and not alpha):
        raise ConfigError(f"--mask {text}: write NAME=FILE or NAME:ALPHA=FILE.")
    return MaskChoice(text, name, _number(alpha, f"--mask {text}") if colon else None, Path(file))


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{where}: '{text}' is not a number.") from error
