"""Inference: encode a picture once, then apply any styles, mixtures and regions to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylebank.bank.io import Bank, find_bank, load_bank
from stylebank.device import compute_dtype, place, resolve_device
from stylebank.errors import BankError, ImageError
from stylebank.images import to_image, to_tensor
from stylebank.inference.blending import Recipe, Region, StyleWeights, blend, calibrate, fuse, region_masks
from stylebank.inference.memory import tile_for
from stylebank.inference.tiling import TiledPicture, TileProgress
from stylebank.network.fused import optimize_for_inference
from stylebank.network.model import MIN_SIDE, StyleBank
from stylebank.styles import IDENTITY

ORIGINAL = "original"  # outside all masks: the photograph itself
FALLBACK_TILE = 512  # side in pixels where a whole picture turned out too large

ImageLike = TypeVar("ImageLike", Image.Image, np.ndarray, Tensor)
Style = str | StyleWeights | Recipe
Mask = Image.Image | Tensor
"""A grey picture, or a tensor (H, W) in [0, 1]; of any size."""


class Stylizer:
    """A bank ready to use.

    Example:
        stylizer = Stylizer.load("checkpoints/stylebank-14")
        picture = stylizer.stylize(photograph, "starry_night")
        picture = stylizer.stylize(photograph, {"starry_night": 0.7, "great_wave": 0.3}, alpha=0.8)
        picture = stylizer.stylize(photograph, "the_scream", masks={"starry_night": sky})

        encoded = stylizer.encode(photograph)  # once
        pictures = [encoded.stylize(name) for name in stylizer.styles]
    """

    def __init__(self, bank: Bank, device: torch.device, dtype: torch.dtype) -> None:
        self.bank = bank
        self.device, self.dtype = device, dtype
        self.model: StyleBank = place(optimize_for_inference(bank.model, dtype), device)
        calibrate(self.model)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", precision: str = "auto") -> Stylizer:
        """Loads a bank folder (or a run folder that has one).

        Args:
            device: auto, cpu, cuda, cuda:N or mps.
            precision: auto (bfloat16 where the hardware has it), bfloat16 or float32.

        Raises:
            BankError: the bank is missing or damaged.
            ConfigError: the device is not there.
        """
        where = resolve_device(device)
        return cls(load_bank(find_bank(Path(path))), where, compute_dtype(where, precision))

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the bank's styles, in order."""
        return tuple(self.model.names)

    def check_style(self, style: str) -> str:
        """Returns the name of a style that exists, or of the auto-encoder alone (`identity`).

        Raises:
            BankError: there is no such style.
        """
        if style != IDENTITY and style not in self.model.names:
            raise BankError(f"The bank has no style '{style}'; it has {', '.join(self.styles)} and {IDENTITY}.")
        return style

    def recipe(
        self,
        style: Style = IDENTITY,
        *,
        alpha: float = 1.0,
        masks: Mapping[str, Mask] | None = None,
        raw_weights: bool = False,
    ) -> Recipe:
        """What to do with a picture, checked against the bank.

        Args:
            style: a style's name or weights per style; with masks, what is done where no mask is (`original` keeps the
                photograph there).
            alpha: strength from 0 (the reconstruction) to 1 (the full style), of masked styles too.
            masks: style name -> where it goes.
            raw_weights: take weights as they are instead of scaling them to sum 1.

        Raises:
            BankError: there is no such style.
            ConfigError: weights or alpha are out of range.
        """
        if isinstance(style, Recipe):
            return style
        regions = [
            Region(blend({self.check_style(name): 1.0}, alpha), mask_tensor(mask))
            for name, mask in (masks or {}).items()
        ]
        if style == ORIGINAL and regions:
            return Recipe({IDENTITY: 1.0}, regions, keep_original=True)
        weights = {style: 1.0} if isinstance(style, str) else style
        return Recipe(blend({self.check_style(name): w for name, w in weights.items()}, alpha, raw_weights), regions)

    def stylize(
        self,
        image: ImageLike,
        style: Style = IDENTITY,
        *,
        alpha: float = 1.0,
        masks: Mapping[str, Mask] | None = None,
        raw_weights: bool = False,
        tile: int | None = None,
    ) -> ImageLike:
        """The picture in a style, a mixture, or several by region; see `recipe` for the arguments.

        Args:
            image: a PIL picture; a uint8 array (H, W, 3); or a float tensor (3, H, W) or (B, 3, H, W) in [0, 1].
            tile: see `encode`.

        Returns:
            The same kind and size; a tensor is clamped to [0, 1].

        Raises:
            BankError: there is no such style.
            ConfigError: weights, alpha or tile are out of range.
            ImageError: the picture is of another kind or smaller than 16 pixels.
        """
        recipe = self.recipe(style, alpha=alpha, masks=masks, raw_weights=raw_weights)
        encoded = self.encode(image, tile)
        if isinstance(image, Tensor):
            return encoded.decode(recipe).to(image.device).reshape(image.shape)
        picture = encoded.stylize(recipe)
        if isinstance(image, np.ndarray):
            return np.array(picture)
        return picture

    def encode(
        self, image: Image.Image | np.ndarray | Tensor, tile: int | None = None, progress: TileProgress | None = None
    ) -> Encoded | TiledPicture:
        """Runs the encoder once; see `stylize` for what it takes and raises.

        Args:
            tile: side in pixels of the tiles to work in, which takes less memory and more time for the same result.
                By default the picture is done as a whole where it fits into memory.
            progress: called after each tile.
        """
        source = _checked(image)
        size = (source.shape[-2], source.shape[-1]) if isinstance(source, Tensor) else (source.height, source.width)
        count = len(source) if isinstance(source, Tensor) else 1
        tile = tile or tile_for(count, size, self.model.architecture, self.dtype, self.device)
        if tile:
            return TiledPicture(self, source, tile, progress)
        try:
            return self.encode_whole(source)
        except torch.OutOfMemoryError:
            pass  # go on outside of this block, where the error no longer holds what was allocated
        return self.in_tiles(source)

    @torch.inference_mode()
    def encode_whole(self, source: Image.Image | Tensor) -> Encoded:
        """As `encode`, never in tiles: mode RGB, or float (B, 3, H, W) in [0, 1]. Raises torch.OutOfMemoryError."""
        batch = source if isinstance(source, Tensor) else to_tensor(source)[None]
        pixels = batch.to(self.device, memory_format=torch.channels_last)
        features = self.model.encode(pixels)
        return Encoded(self, pixels, features, self.model.normalize(features))

    def in_tiles(self, source: Image.Image | Tensor) -> TiledPicture:
        """A picture that has turned out too large for the device's memory, ready for styles; a warning is logged."""
        message = "The picture is too large for the memory of device '%s'; it is done in tiles of %d pixels instead."
        logging.getLogger(__name__).warning(message, self.device, FALLBACK_TILE)
        return TiledPicture(self, source, FALLBACK_TILE)


@dataclass(frozen=True)
class Encoded:
    """Features of one picture, or of a batch, waiting for styles."""

    stylizer: Stylizer
    pixels: Tensor
    """(B, 3, H, W)"""
    features: Tensor
    """(B, C, h, w)"""
    normalized: Tensor
    """(B, C, h, w), as the filters want them."""

    def stylize(self, style: Style, *, alpha: float = 1.0, masks: Mapping[str, Mask] | None = None) -> Image.Image:
        """The encoded picture as `Stylizer.stylize` makes it, as a PIL picture."""
        return to_image(self.decode(self.stylizer.recipe(style, alpha=alpha, masks=masks)))

    def decode(self, style: Style) -> Tensor:
        """The encoded pictures in a style: (B, 3, H, W) float32, clamped to [0, 1]."""
        recipe = self.stylizer.recipe(style)
        try:
            return self._decode(recipe)
        except torch.OutOfMemoryError:
            pass  # as in `Stylizer.encode`
        return self.stylizer.in_tiles(self.pixels).decode(recipe)

    @torch.inference_mode()
    def _decode(self, recipe: Recipe) -> Tensor:
        model, device = self.stylizer.model, self.stylizer.device
        size = (self.pixels.shape[2], self.pixels.shape[3])
        masks = region_masks(recipe, (self.features.shape[2], self.features.shape[3]), device)
        output = model.decode(fuse(model, self.features, self.normalized, recipe, masks), size).clamp(0, 1)
        if recipe.keep_original:
            outside = region_masks(recipe, size, device)[-1]  # (H, W)
            output = output + outside * (self.pixels - output)
        return output


def mask_tensor(mask: Mask) -> Tensor:
    """A mask as float (H, W) in [0, 1].

    Raises:
        ImageError: a tensor of another shape, or with values that are no shares.
    """
    tensor = mask if isinstance(mask, Tensor) else to_tensor(mask.convert("L"))[0]
    if tensor.ndim != 2 or not bool(((tensor >= 0) & (tensor <= 1)).all()):
        raise ImageError(f"A mask must be a tensor (H, W) of values from 0 to 1, not of shape {tuple(tensor.shape)}.")
    return tensor.float()


def _checked(image: Image.Image | np.ndarray | Tensor) -> Image.Image | Tensor:
    """Any accepted picture as RGB or as a tensor (B, 3, H, W) float32."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ImageError(f"An array must be uint8 of shape (H, W, 3), not {image.dtype} {image.shape}.")
        image = Image.fromarray(image)
    if not isinstance(image, (Image.Image, Tensor)):
        raise ImageError(f"A picture must be a PIL picture, a NumPy array or a tensor, not {type(image).__name__}.")
    if isinstance(image, Image.Image):
        _check_size(image.height, image.width)
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point():
        raise ImageError(f"A tensor must be float (3, H, W) or (B, 3, H, W), not {image.dtype} {tuple(image.shape)}.")
    _check_size(image.shape[-2], image.shape[-1])
    return image.reshape(-1, *image.shape[-3:]).float()


def _check_size(height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE:
        raise ImageError(f"The picture is {width}x{height}; the smallest side must be at least {MIN_SIDE} pixels.")
