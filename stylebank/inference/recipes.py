"""What is to be done with a picture: names, weights and masks as people write them, checked against a bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylebank.config import LARGEST_SEED
from stylebank.errors import BankError, ConfigError, ImageError, did_you_mean, several
from stylebank.images import to_tensor
from stylebank.inference.blending import Recipe, Region, blend
from stylebank.inference.choices import ORIGINAL
from stylebank.inference.inputs import upright
from stylebank.inference.masks import check_gray, feather, load_mask
from stylebank.inference.mixing import StyleWeights
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.styles import IDENTITY

Style = str | StyleWeights | Recipe
Mask = Image.Image | Tensor | np.ndarray
"""A grey picture, or (H, W) as a tensor or array in [0, 1] or an array of uint8; of any size."""


@dataclass(frozen=True)
class RecipeBook:
    """Makes recipes for a bank with these styles."""

    styles: Sequence[str]

    def check_style(self, style: str) -> str:
        """Returns the name of a style that exists, or of the auto-encoder alone (`identity`).

        Raises:
            BankError: there is no such style.
        """
        if style == ORIGINAL and style not in self.styles:
            raise BankError(
                "'original' is no style: it is the photograph, kept where no mask is (--outside original; in a recipe "
                "the style, beside masks)."
            )
        if style != IDENTITY and style not in self.styles:
            guess = did_you_mean(style, [*self.styles, IDENTITY])
            raise BankError(f"The bank has no style '{style}'; it has {several(self.styles)} and {IDENTITY}.{guess}")
        return style

    def recipe(
        self,
        style: Style = IDENTITY,
        *,
        alpha: float = 1.0,
        masks: Mapping[str, Mask] | None = None,
        raw_weights: bool = False,
        seed: int = 0,
    ) -> Recipe:
        """What to do with a picture, checked against the bank.

        Args:
            style: a style's name or weights per style; with masks, what is done where no mask is (`original` keeps the
                photograph there).
            alpha: strength from 0 (the reconstruction) to 1 (the full style), of masked styles too.
            masks: style name -> where it goes.
            raw_weights: take weights as they are instead of scaling them to sum 1.
            seed: of the strokes in plain areas, 0 to 4294967295; only banks with noise channels know others than 0.

        Raises:
            BankError: there is no such style.
            ConfigError: weights, alpha or seed are out of range.
        """
        if isinstance(style, Recipe):
            return style
        _check_seed(seed)
        regions = [
            Region(blend({self.check_style(name): 1.0}, alpha), mask_tensor(mask))
            for name, mask in (masks or {}).items()
        ]
        if style == ORIGINAL and regions:
            return Recipe({IDENTITY: 1.0}, regions, keep_original=True, seed=seed)
        if not isinstance(style, str | Mapping):
            raise ConfigError(f"A style is a name, weights by name, or a recipe, not {type(style).__name__}.")
        weights = {style: 1.0} if isinstance(style, str) else style
        base = blend({self.check_style(name): w for name, w in weights.items()}, alpha, raw_weights)
        return Recipe(base, regions, seed=seed)

    def of_saved(self, saved: SavedRecipe, size: tuple[int, int], load: Callable[[str], Tensor] = load_mask) -> Recipe:
        """What a saved recipe does with a picture, checked against the bank; size, strokes and colours are not in it.

        Args:
            size: (W, H) of the picture in pixels, which its soft edges are counted in.
            load: reads a mask, (H, W) in [0, 1], by what the recipe calls it.

        Raises:
            BankError: there is no such style.
            ConfigError: weights are out of range, or the photograph is to stay everywhere.
            ImageError: a mask cannot be read.
        """
        regions = [
            Region(
                blend({self.check_style(each.style): each.strength}, saved.strength),
                feather(load(each.mask), saved.feather, size),
            )
            for each in saved.masks
        ]
        if saved.style == ORIGINAL:
            if not regions:
                raise ConfigError("The recipe's style 'original' keeps the photograph where no mask is: give it masks.")
            return Recipe({IDENTITY: 1.0}, regions, keep_original=True, seed=saved.seed)
        weights = {saved.style: 1.0} if isinstance(saved.style, str) else saved.style
        base = blend({self.check_style(name): w for name, w in weights.items()}, saved.strength, saved.raw_weights)
        return Recipe(base, regions, seed=saved.seed)


def _check_seed(seed: int) -> None:
    try:
        valid = 0 <= index(seed) <= LARGEST_SEED
    except TypeError:  # not a whole number
        valid = False
    if not valid:
        raise ConfigError(f"A seed is a whole number between 0 and {LARGEST_SEED}, not {seed!r}.")


def mask_tensor(mask: Mask) -> Tensor:
    """A mask as float (H, W) in [0, 1].

    Raises:
        ImageError: a picture in colour, a tensor of another shape or with values that are no shares, or no mask at all.
    """
    tensor = _as_tensor(mask)
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise ImageError(f"A mask must be of shape (H, W), not {tuple(tensor.shape)}.")
    lowest, highest = (float(value) for value in tensor.aminmax())
    if not (lowest >= 0 and highest <= 1):  # also if one is no number
        hint = "; divide by 255" if 1 < highest <= 255 and lowest >= 0 else ""
        raise ImageError(f"A mask must hold values from 0 to 1, not from {lowest:g} to {highest:g}{hint}.")
    return tensor.float()


def _as_tensor(mask: Mask) -> Tensor:
    if isinstance(mask, Tensor):
        return mask
    if isinstance(mask, Image.Image):
        return to_tensor(check_gray(upright(mask)).convert("L"))[0]
    array = np.asarray(mask)
    if array.dtype.kind not in "buf":
        what = f"{type(mask).__name__} of {array.dtype}"
        raise ImageError(f"A mask must be a grey picture, a tensor, or an array of uint8, bool or floats, not {what}.")
    shares = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return shares / np.iinfo(array.dtype).max if array.dtype.kind == "u" else shares
