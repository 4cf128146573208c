"""The command's arguments, and the typed requests that they become."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from stylebank.cli.arguments import BANK_HELP, at_least, require
from stylebank.cli.stylize import film_options, look_options, recipe_options
from stylebank.cli.stylize.film_options import FilmOptions, films_of
from stylebank.cli.stylize.jobs import Existing
from stylebank.cli.stylize.look_options import LookOptions, looks_of
from stylebank.cli.stylize.recipe_options import looks_in, recipe_from, recipe_of
from stylebank.errors import ConfigError
from stylebank.films.methods import StabilizeMethod
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.shipped import DEFAULT_BANK

DEFAULT_QUALITY = 95  # of JPEG and WebP
_INPUT = "pictures and films: files, folders or glob patterns"
_STILL = (
    "input",
    "output",
    "sweep",
    "regions",
    "show_regions",
    "frames",
    "resume",
    "start",
    "end",
    "fps",
    "strip_metadata",
    "save_recipe",
)
"""Options that say nothing about a camera."""


@dataclass(frozen=True)
class StylizeOptions:
    """What to stylize, how, and where to."""

    bank: Path
    inputs: tuple[Path, ...]
    output: Path
    """A file, or a folder; of no account if nothing but regions is shown."""
    looks: LookOptions
    films: FilmOptions = field(default_factory=FilmOptions)
    existing: Existing = field(default_factory=Existing)
    size: int | None = None
    """Short side in pixels that everything is scaled to first."""
    tile: int | None = None
    """See `Stylizer.encode`."""
    quality: int | None = None
    """Of JPEG and WebP 1 to 100, of films the encoder's own."""
    precision: str = "auto"
    strip_metadata: bool = False
    """Leave out what the source's file says of it: date, camera, place, author."""
    recipe: SavedRecipe | None = None
    """What `--save-recipe` writes."""


@dataclass(frozen=True)
class WebcamOptions:
    """Which camera's pictures to show, and how."""

    camera: str
    bank: Path
    looks: LookOptions
    size: int | None = None
    """Short side in pixels."""
    tile: int | None = None
    stabilize: StabilizeMethod | None = None
    device: str = "auto"
    precision: str = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("what, and where to")
    group.add_argument("--input", nargs="+", action="extend", type=Path, default=[], metavar="PATH", help=_INPUT)
    group.add_argument(
        "--webcam", nargs="?", const="0", metavar="N", help="show a camera's pictures in a window; several looks: key n"
    )
    group.add_argument("--output", type=Path, metavar="PATH", help="a file for one picture or film, else a folder")
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")
    group.add_argument("--resume", action="store_true", help="skip files that exist, go on with films begun")
    group.add_argument("--bank", type=Path, metavar="DIR|NAME", help=BANK_HELP)
    group.add_argument("--list", action="store_true", help="print the bank's styles and leave")
    look_options.add_arguments(parser)
    recipe_options.add_arguments(parser)
    group = parser.add_argument_group("size, quality, machine")
    group.add_argument(
        "--size", type=at_least(16, "pixels"), metavar="N", help="scale to this short side in pixels first"
    )
    group.add_argument(
        "--tile", type=_tile, metavar="N|auto", help="work in tiles of N pixels: same result, less memory"
    )
    group.add_argument(
        "--quality",
        type=int,
        metavar="N",
        help=f"of JPEG and WebP 1 to 100 (best), else {DEFAULT_QUALITY}; of films the encoder's own",
    )
    group.add_argument(
        "--strip-metadata", action="store_true", help="leave out date, camera, place, author and the like"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument(
        "--precision",
        choices=("auto", "bfloat16", "float16", "float32", "int8"),
        default="auto",
        help="of the network; float16 is for GPUs that have no bfloat16, int8 is quicker on processors (extra fast)",
    )
    film_options.add_arguments(parser)


def request_of(options: argparse.Namespace) -> StylizeOptions:
    """What the arguments ask for.

    Raises:
        ConfigError: something is missing or cannot be read, is out of range, or contradicts something else.
    """
    asked = options.assign or options.style or options.style_image or options.mask or options.recipe
    by_region = options.regions or options.label_map or options.show_regions  # which have words of their own
    require(
        input=options.input,
        style=asked or by_region,
        output=options.output or (options.show_regions and not asked),
    )
    bank, looks, size = _look(options)
    return StylizeOptions(
        bank=bank or DEFAULT_BANK,
        inputs=tuple(options.input),
        output=options.output or Path(),
        looks=looks,
        films=films_of(options),
        existing=Existing(options.overwrite, options.resume),
        size=size,
        tile=options.tile,
        quality=options.quality,
        precision=options.precision,
        strip_metadata=options.strip_metadata,
        recipe=recipe_from(looks, size, bank) if options.save_recipe else None,
    )


def webcam_of(options: argparse.Namespace) -> WebcamOptions:
    """What the arguments ask for with --webcam.

    Raises:
        ConfigError: options that say nothing about a camera; otherwise as `request_of`.
    """
    for name in _STILL:
        if getattr(options, name):
            raise ConfigError(f"--{name.replace('_', '-')} does not go with --webcam, which only shows a window.")
    bank, looks, size = _look(options)
    return WebcamOptions(
        camera=options.webcam,
        bank=bank or DEFAULT_BANK,
        looks=looks,
        size=size,
        tile=options.tile,
        stabilize=options.stabilize,
        device=options.device,
        precision=options.precision,
    )


def _look(options: argparse.Namespace) -> tuple[Path | None, LookOptions, int | None]:
    """Bank, looks and size, as options or a recipe say."""
    recipe = recipe_of(options)
    if recipe is None:
        return options.bank, looks_of(options), options.size
    bank = options.bank or (None if recipe.bank is None else Path(recipe.bank))
    return bank, looks_in(recipe), options.size or recipe.size


def _tile(text: str) -> int | None:
    return None if text == "auto" else at_least(16, "pixels")(text)  # None: tiles only where they are needed
