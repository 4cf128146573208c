"""Recipes on the command line: a file instead of the options that say how pictures shall look, and the other way."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import ValidationError

from stylebank.cli.stylize.look_options import LookOptions, MaskChoice, StyleChoice
from stylebank.cli.stylize.region_options import RegionOptions
from stylebank.errors import ConfigError
from stylebank.inference.choices import ORIGINAL
from stylebank.inference.saved_recipe import MaskedStyle, SavedRecipe, problem_of, read_recipe
from stylebank.styles import IDENTITY

_USUAL: dict[str, object] = {
    "style": [],
    "style_image": [],
    "raw_weights": False,
    "sweep": None,
    "alpha": 1.0,
    "mask": [],
    "outside": IDENTITY,
    "feather": 0.0,
    "preserve_colors": "none",
    "stroke": "auto",
    "seed": 0,
    "regions": None,
    "label_map": None,
    "show_regions": None,
    "assign": None,
}
"""What a recipe says instead, and what stands there if nothing was written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    group = parser.add_argument_group("recipes")
    group.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="a JSON file that says how pictures shall look, masks and size included; --bank and --size count above it",
    )
    group.add_argument(
        "--save-recipe", type=Path, metavar="FILE", help="write what the options say of one look as such a file"
    )


def recipe_of(options: argparse.Namespace) -> SavedRecipe | None:
    """The recipe of --recipe, if there is one.

    Raises:
        ConfigError: it cannot be read, or other options say how pictures shall look, too.
    """
    if options.recipe is None:
        return None
    given = [f"--{name.replace('_', '-')}" for name, usual in _USUAL.items() if getattr(options, name) != usual]
    if given:
        raise ConfigError(f"--recipe says how pictures shall look; {', '.join(given)} does not go beside it.")
    return read_recipe(options.recipe)


def looks_in(recipe: SavedRecipe) -> LookOptions:
    """A recipe as the options that say the same."""
    if recipe.style == ORIGINAL and not recipe.masks:
        raise ConfigError("The recipe's style 'original' keeps the photograph where no mask is: give it masks.")
    styles: tuple[StyleChoice, ...] = ()
    if not isinstance(recipe.style, str):
        styles = tuple(StyleChoice(f"{name}:{weight!r}", name, weight) for name, weight in recipe.style.items())
    elif recipe.style != ORIGINAL:
        styles = (StyleChoice(recipe.style, recipe.style),)
    return LookOptions(
        styles=styles,
        raw_weights=recipe.raw_weights,
        alpha=recipe.strength,
        masks=tuple(_mask(mask) for mask in recipe.masks),
        outside=ORIGINAL if recipe.style == ORIGINAL else IDENTITY,
        feather=recipe.feather,
        colors=recipe.colors,
        stroke=recipe.stroke,
        regions=RegionOptions(seed=recipe.seed),
    )


def recipe_from(looks: LookOptions, size: int | None, bank: Path | None) -> SavedRecipe:
    """The options of one look as a recipe.

    Raises:
        ConfigError: they are for several looks, or need what a recipe does not hold.
    """
    if looks.sweep or looks.regions.method or looks.regions.label_map:
        raise ConfigError("--save-recipe keeps styles and masks; --sweep, --regions and --label-map do not go with it.")
    if looks.paintings:
        raise ConfigError(
            "--save-recipe keeps the bank's styles; add the painting to it first: stylebank bank predict."
        )
    several = len(looks.styles) > 1 and all(style.weight is None for style in looks.styles)
    if several or any(style.name == "all" for style in looks.styles):
        raise ConfigError("--save-recipe keeps one look: one style, or several with weights.")
    style: str | dict[str, float] = looks.outside
    if looks.styles:
        first = looks.styles[0]
        weights = {each.name: 1.0 if each.weight is None else each.weight for each in looks.styles}
        style = first.name if first.weight is None else weights
    try:
        return SavedRecipe(
            bank=None if bank is None else str(bank),
            style=style,
            strength=looks.alpha,
            raw_weights=looks.raw_weights,
            seed=looks.regions.seed,
            stroke=looks.stroke,
            colors=looks.colors,
            size=size,
            feather=looks.feather,
            masks=tuple(
                MaskedStyle(style=mask.name, strength=1.0 if mask.alpha is None else mask.alpha, mask=str(mask.path))
                for mask in looks.masks
            ),
        )
    except ValidationError as error:
        raise ConfigError(f"There is no recipe for this look: {problem_of(error)}.") from error


def _mask(mask: MaskedStyle) -> MaskChoice:
    strength = None if mask.strength == 1 else mask.strength
    text = mask.style if strength is None else f"{mask.style}:{strength!r}"
    return MaskChoice(f"{text}={mask.mask}", mask.style, strength, Path(mask.mask))
