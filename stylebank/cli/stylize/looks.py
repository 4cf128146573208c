"""The looks asked for, by name, as recipes for the bank's styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from stylebank.cli.stylize.look_options import LookOptions, MaskChoice, StyleChoice
from stylebank.cli.stylize.regions import RegionFinder
from stylebank.errors import BankError, ConfigError, ImageError
from stylebank.images import load_picture
from stylebank.inference.blending import Recipe, Region, blend
from stylebank.inference.choices import ORIGINAL
from stylebank.inference.masks import feather, load_mask
from stylebank.inference.mixing import StyleWeights
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import IDENTITY
from stylebank.video import is_film


class Looks:
    """The looks asked for: a name for each, and the recipes, which may depend on the picture.

    Raises:
        ConfigError: the options contradict each other or are out of range.
        BankError: there is no such style.
        ImageError: a mask or label map cannot be read.
    """

    def __init__(self, options: LookOptions, stylizer: Stylizer) -> None:
        for name, path in options.paintings.items():
            if name not in stylizer.styles or name in stylizer.bank.manifest.styles:  # else another look has brought it
                _add_painting(stylizer, name, path)
        self.finder = RegionFinder(options, stylizer)
        self.moving: list[tuple[StyleWeights, MaskChoice]] = []
        """Masks that are films or folders of frames, and what is done in them."""
        self._masked: list[Region] = []
        self._feather = options.feather
        for mask in options.masks:
            weights = _masked_weights(mask, options.alpha, stylizer)
            if is_moving(mask.path):
                self.moving.append((weights, mask))
            else:
                self._masked.append(Region(weights, load_mask(mask.path)))
        self._bases = _bases(options, stylizer)
        self._seed = options.regions.seed

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every look."""
        return tuple(self._bases)

    def recipes(self, photograph: Image.Image) -> dict[str, Recipe]:
        """What to do with a picture (mode RGB), by look."""
        masked = [Region(each.weights, feather(each.mask, self._feather, photograph.size)) for each in self._masked]
        parts = [*masked, *self.finder.regions(photograph)]
        return {name: replace(base, regions=parts, seed=self._seed) for name, base in self._bases.items()}

    def check_still(self) -> None:
        """Raises ConfigError if a mask moves."""
        for _, mask in self.moving:
            raise ConfigError(f"--mask {mask.text} moves; it takes a film to go with it.")


def _add_painting(stylizer: Stylizer, name: str, path: Path) -> None:
    if name in stylizer.styles:
        raise BankError(f"'{path}' would be called '{name}', as a style of the bank is; rename the file.")
    painting = load_picture(path).rgb
    try:
        stylizer.add_instant(painting, name)
    except ImageError as error:  # which knows no file
        raise ImageError(f"'{path}' cannot be a style: {error}") from error


def is_moving(path: Path) -> bool:
    """Whether a mask is a film, an animation or a folder of frames."""
    return path.is_dir() or is_film(path)


def _bases(options: LookOptions, stylizer: Stylizer) -> dict[str, Recipe]:
    """Name of the look -> what is done where no region is."""
    if options.sweep:
        return _sweep_recipes(options.styles, options.sweep, options.alpha, stylizer)
    if options.styles:
        weights = _styles(options.styles, stylizer)
        return {name: Recipe(blend(each, options.alpha, options.raw_weights)) for name, each in weights.items()}
    if options.masks or options.regions.assign:
        return {"regions": Recipe({IDENTITY: 1.0}, keep_original=options.outside == ORIGINAL)}
    return {}


def _sweep_recipes(styles: Sequence[StyleChoice], count: int, alpha: float, stylizer: Stylizer) -> dict[str, Recipe]:
    if len(styles) != 2 or any(style.name == "all" for style in styles):
        given = ", ".join(style.text for style in styles) or "none"
        raise ConfigError(f"--sweep goes from one style to another: give --style two names, not {given}.")
    if weighted := next((style for style in styles if style.weight is not None), None):
        raise ConfigError(f"{weighted.option} {weighted.text}: --sweep goes through all weights; give the name alone.")
    one, other = (stylizer.check_style(style.name) for style in styles)
    if one == other:
        raise ConfigError(f"--sweep goes from one style to another, not from '{one}' to itself.")
    shares = [i / (count - 1) for i in range(count)]
    return {_sweep_caption(one, other, share): Recipe(blend({one: 1 - share, other: share}, alpha)) for share in shares}


def _sweep_caption(one: str, other: str, share: float) -> str:
    """The styles' names at the ends, between them the percentages of both."""
    return {0.0: one, 1.0: other}.get(share, f"{100 - round(100 * share)} : {round(100 * share)}")


def _styles(styles: Sequence[StyleChoice], stylizer: Stylizer) -> dict[str, dict[str, float]]:
    """Name of the look -> weights per style."""
    if any(style.weight is not None for style in styles):
        weights = _mixture(styles, stylizer)
        return {"+".join(weights): weights}
    names = [name for style in styles for name in (stylizer.styles if style.name == "all" else [style.name])]
    if not names:
        raise BankError(f"The bank has no style at all, only '{IDENTITY}'.")
    return {stylizer.check_style(name): {name: 1.0} for name in names}


def _mixture(styles: Sequence[StyleChoice], stylizer: Stylizer) -> dict[str, float]:
    weights: dict[str, float] = {}
    for style in styles:
        if style.name == "all":
            raise ConfigError(f"--style {style.text}: all is every style by itself; for their strength give --alpha.")
        if style.weight is None:
            raise ConfigError(
                f"{style.option} {style.text}: give every style a weight, as in {style.text}:0.5, or none."
            )
        weights[stylizer.check_style(style.name)] = style.weight
    if len(weights) < len(styles):
        raise ConfigError(f"--style names a style twice: {' '.join(style.text for style in styles)}.")
    return weights


def _masked_weights(mask: MaskChoice, alpha: float, stylizer: Stylizer) -> dict[str, float]:
    return blend({stylizer.check_style(mask.name): 1.0 if mask.alpha is None else mask.alpha}, alpha)
