"""Inference: encode a picture once, then apply any styles, mixtures and regions to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylebank.bank.find import find_bank
from stylebank.bank.io import Bank, load_bank
from stylebank.device import compute_dtype, out_of_memory, place, resolve_device
from stylebank.errors import BankError, ConfigError
from stylebank.images import resize_short_side, to_tensor
from stylebank.inference.blending import Recipe, calibrate
from stylebank.inference.choices import ColorMode, Stroke, check_stroke
from stylebank.inference.colors import preserve_colors
from stylebank.inference.encoded import Encoded
from stylebank.inference.inputs import ImageLike, checked, pictures_of, size_of, take_apart
from stylebank.inference.instant import InstantStyles
from stylebank.inference.memory import tile_for
from stylebank.inference.recipes import Mask, RecipeBook, Style
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.inference.strokes import resize_to_work, restore_detail
from stylebank.inference.tiling import TiledPicture, TileProgress, fall_back
from stylebank.inference.whole import WholePicture
from stylebank.network.fused import add_filter, optimize_for_inference
from stylebank.network.model import StyleBank
from stylebank.shipped import DEFAULT_BANK
from stylebank.styles import IDENTITY, check_name

_logger = logging.getLogger(__name__)
_AS_USUAL = (1.0, False, 0, None, "auto", "none")


class Stylizer:
    """A bank ready to use.

    Example:
        ```python
        stylizer = Stylizer.load()  # the bank that comes with the program
        picture = stylizer.stylize(photograph, "starry_night")
        picture = stylizer.stylize(photograph, {"starry_night": 0.7, "great_wave": 0.3}, alpha=0.8)
        picture = stylizer.stylize(photograph, "the_scream", masks={"starry_night": sky})
        picture = stylizer.stylize(photograph, read_recipe("recipe.json"))

        encoded = stylizer.encode(photograph)  # once
        pictures = [encoded.stylize(name) for name in stylizer.styles]
        ```
    """

    def __init__(self, bank: Bank, device: torch.device, dtype: torch.dtype) -> None:
        self.bank = bank
        self.device, self.dtype = device, dtype
        self.model: StyleBank = place(optimize_for_inference(bank.model, dtype), device)
        calibrate(self.model)
        self.recipes = RecipeBook(tuple(self.model.names))

    @classmethod
    def load(cls, path: str | Path = DEFAULT_BANK, device: str = "auto", precision: str = "auto") -> Stylizer:
        """Loads a bank folder (or a run folder that has one), by default the bank that comes with the program.

        Args:
            path: a folder, or the bare name of a bank, see `find_bank`.
            device: auto, cpu, cuda, cuda:N or mps.
            precision: auto (bfloat16 where the hardware has it, else float32), bfloat16, float32, or float16 (GPUs).

        Raises:
            BankError: the bank is missing or damaged.
            ConfigError: the device is not there, or has no such numbers.
        """
        where = resolve_device(device)
        dtype, folder = compute_dtype(where, precision), find_bank(Path(path))
        bank = load_bank(folder)
        _logger.info("Bank %s: %d styles, on %s in %s.", folder, len(bank.records), where, str(dtype)[6:])
        return cls(bank, where, dtype)

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the bank's styles, in order."""
        return tuple(self.model.names)

    def add_instant(self, painting: ImageLike | Sequence[ImageLike], name: str) -> None:
        """Adds a painting as a style from now on, its filter predicted in one pass; nothing on disk changes.

        Args:
            painting: anything that `stylize` takes; several pictures are one style together.
            name: of the style, see `styles.check_name`.

        Raises:
            BankError: the bank has no predictor, or a style of that name.
            ConfigError: no style can have this name.
            ImageError: the painting is no picture, or smaller than 16 pixels.
        """
        if check_name(name) in self.model.names:
            raise BankError(f"The bank has a style '{name}' already; give the painting another name.")
        several = painting if isinstance(painting, Sequence) else [painting]
        pictures = [picture for each in several for picture in pictures_of(each)]
        add_filter(self.model, self._instant.filter_of(pictures), name, self.dtype)
        self.recipes = RecipeBook(tuple(self.model.names))

    @cached_property
    def _instant(self) -> InstantStyles:
        return InstantStyles(self.bank, self.device)

    def check_style(self, style: str) -> str:
        """Returns the name of a style that exists, or of the auto-encoder alone; see `RecipeBook.check_style`."""
        return self.recipes.check_style(style)

    def recipe(
        self,
        style: Style = IDENTITY,
        *,
        alpha: float = 1.0,
        masks: Mapping[str, Mask] | None = None,
        raw_weights: bool = False,
        seed: int = 0,
    ) -> Recipe:
        """What to do with a picture, checked against the bank; see `RecipeBook.recipe`."""
        return self.recipes.recipe(style, alpha=alpha, masks=masks, raw_weights=raw_weights, seed=seed)

    def stylize(
        self,
        image: ImageLike,
        style: Style | SavedRecipe = IDENTITY,
        *,
        alpha: float = 1.0,
        masks: Mapping[str, Mask] | None = None,
        raw_weights: bool = False,
        seed: int = 0,
        tile: int | None = None,
        size: int | None = None,
        stroke: Stroke = "auto",
        colors: ColorMode = "none",
    ) -> ImageLike:
        """The picture in a style, a mixture, or several by region; see `recipe` for the arguments.

        Args:
            image: a PIL picture of any mode; an array of uint8 or of floats in [0, 1], (H, W), (H, W, 3) or (H, W, 4),
                or a batch of those; or a float tensor (3, H, W) or (B, 3, H, W) in [0, 1].
            style: what `recipe` takes, or a saved recipe, beside which only `tile` is given.
            tile: see `encode`.
            size: short side in pixels that pictures and arrays are scaled to first.
            stroke: width of strokes, 0.5 to 16; `auto` widens them in pictures and arrays of more than a megapixel, so
                that they can be seen in the whole, and 1 keeps the style's own. Tensors always have the style's own.
            colors: `luma` or `histogram` keeps the photograph's colours; see `colors`. For pictures and arrays.

        Returns:
            The same kind, in colour, with the alpha that it had, and of the same size unless another was asked for; a
            tensor is clamped to [0, 1].

        Raises:
            BankError: there is no such style.
            ConfigError: weights, alpha, tile, stroke or colours are out of range.
            ImageError: the picture is of another kind, holds values that are no pixels, or is smaller than 16 pixels.
        """
        look: Recipe | SavedRecipe
        if isinstance(style, SavedRecipe):
            if masks is not None or (alpha, raw_weights, seed, size, stroke, colors) != _AS_USUAL:
                raise ConfigError("A saved recipe says how the picture shall look; nothing but tile goes beside it.")
            look, size, stroke, colors = style, style.size, style.stroke, style.colors
        else:
            look = self.recipe(style, alpha=alpha, masks=masks, raw_weights=raw_weights, seed=seed)
        check_stroke(stroke)
        inputs = take_apart(image)
        if isinstance(image, Tensor):
            if size is not None or stroke not in (1, "auto") or colors != "none":
                raise ConfigError("size, stroke and colors are for pictures and arrays, not for tensors.")
            recipe = self._settled(look, (image.shape[-1], image.shape[-2]))
            return self.encode(image, tile).pixels(recipe).to(image.device).reshape(image.shape)
        outputs = []
        for photograph in inputs.pictures:
            sized = photograph if size is None else resize_short_side(photograph, size)
            recipe = self._settled(look, sized.size)
            encoded = self.encode(resize_to_work(sized, stroke), tile)
            outputs.append(preserve_colors(restore_detail(encoded.picture(recipe), sized), sized, colors))
        result: ImageLike = inputs.back(outputs)  # type: ignore[assignment]  # of the kind that was given
        return result

    def _settled(self, look: Recipe | SavedRecipe, size: tuple[int, int]) -> Recipe:
        """What is done with a picture of `size` (W, H)."""
        return look if isinstance(look, Recipe) else self.recipes.of_saved(look, size)

    def encode(
        self, image: Image.Image | np.ndarray | Tensor, tile: int | None = None, progress: TileProgress | None = None
    ) -> Encoded:
        """Runs the encoder once, with strokes as the style has them; see `stylize` for what it takes and raises.

        Args:
            tile: side in pixels of the tiles to work in, which takes less memory and more time for the same result.
                By default the picture is done as a whole where it fits into memory.
            progress: called after each tile.
        """
        source = checked(image)
        count = len(source) if isinstance(source, Tensor) else 1
        if tile is None:
            tile = tile_for(count, size_of(source), self.model.architecture, self.dtype, self.device)
        if tile is not None:
            return TiledPicture(self.model, self.recipes, source, tile, self.device, progress)
        try:
            return self.encode_whole(source)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Outside of that block the error no longer holds what was allocated.
        return fall_back(self.model, self.recipes, source, self.device)

    def encode_whole(self, source: Image.Image | Tensor) -> WholePicture:
        """As `encode`, never in tiles: mode RGB, or float (B, 3, H, W) in [0, 1]. Raises RuntimeError."""
        batch = source if isinstance(source, Tensor) else to_tensor(source)[None]
        pixels = batch.to(self.device, memory_format=torch.channels_last)
        return WholePicture(self.model, self.recipes, pixels)
