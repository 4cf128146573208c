"""Pictures of any size in bounded memory: tile by tile, with the same result as the whole picture at once.

The network sees each tile with a margin as wide as its kernels reach, and only the core is kept; mirroring happens
where the picture ends and nowhere else. Instance normalization wants mean and variance of the whole picture, so one
pass over the tiles gathers them for each such layer, with those before it settled, and a last pass makes the picture.
"""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import torch
from PIL import Image
from torch import Tensor, nn

from stylebank.errors import ConfigError
from stylebank.images import to_image, to_tensor
from stylebank.inference.blending import Recipe, fuse, region_masks
from stylebank.inference.encoded import Encoded
from stylebank.inference.inputs import size_of
from stylebank.inference.mixing import MixedFilters, filters_of
from stylebank.inference.recipes import RecipeBook
from stylebank.inference.tile_grid import Tile, cut, resized_part
from stylebank.network.layers import InstanceNorm, Moments, moments_of
from stylebank.network.model import StyleBank

SMALLEST_TILE = 16
FALLBACK_TILE = 512  # side in pixels where a whole picture turned out too large

TileProgress = Callable[[int, int], None]
"""Called after each tile with the number of those done and of all, over all passes."""
_Run = Callable[["Tile"], object]


class TiledPicture(Encoded):
    """A picture, or a batch, cut into tiles.

    Args:
        model: the network; it stays as it is.
        source: a PIL picture, of which only single tiles ever become floats, or a tensor (B, 3, H, W) in [0, 1].
        tile: side in pixels of what is kept of each tile; rounded up to a multiple of the network's `alignment`.
        device: where the network is.
        progress: called after each tile.

    Raises:
        ConfigError: the tiles are smaller than 16 pixels.
    """

    def __init__(
        self,
        model: StyleBank,
        recipes: RecipeBook,
        source: Image.Image | Tensor,
        tile: int,
        device: torch.device,
        progress: TileProgress | None = None,
    ) -> None:
        if tile < SMALLEST_TILE:
            raise ConfigError(f"The side of a tile must be at least {SMALLEST_TILE} pixels, not {tile}.")
        super().__init__(recipes)
        self.source, self.device, self.progress = source, device, progress
        self.model = _with_own_modules(model)
        self.size = size_of(source)
        self.tiles = cut(self.size, tile, self.model.margin, self.model.alignment)
        self._settled: set[nn.Module] = set()
        self._mixed: MixedFilters = {}
        self._seed = 0

    @torch.inference_mode()
    def picture(self, recipe: Recipe) -> Image.Image:
        canvas = Image.new("RGB", self.size[::-1])

        def paste(rows: slice, columns: slice, pixels: Tensor) -> None:
            canvas.paste(to_image(pixels), (columns.start, rows.start))

        self._make(recipe, paste)
        return canvas

    @torch.inference_mode()
    def pixels(self, recipe: Recipe) -> Tensor:
        batch = len(self.source) if isinstance(self.source, Tensor) else 1
        canvas = torch.empty(batch, 3, *self.size, device=self.device)

        def paste(rows: slice, columns: slice, pixels: Tensor) -> None:
            canvas[:, :, rows, columns] = pixels

        self._make(recipe, paste)
        return canvas

    def _make(self, recipe: Recipe, paste: Callable[[slice, slice, Tensor], None]) -> None:
        """Does all passes, and hands the last one's outputs over: rows, columns, (B, 3, rows, columns) in [0, 1]."""
        grid = tuple(-(-side // self.model.stride) for side in self.size)
        masks = region_masks(recipe, (grid[0], grid[1]), self.device)
        self._seed = recipe.seed
        decode = partial(self._decode, recipe=recipe, masks=masks)
        passes = self._passes(recipe, decode)
        total, done = (len(passes) + 1) * len(self.tiles), itertools.count(1)
        report = self.progress or (lambda *_: None)
        for norm, run in passes:
            gathered = Gathered(self.model.stride)
            for tile in self.tiles:
                norm.moments = partial(gathered.add_core, tile)
                with suppress(_Enough):
                    run(tile)
                report(next(done), total)
            norm.moments = gathered.moments(self.device)
            self._settled.add(norm)
        for tile in self.tiles:
            pixels = decode(tile)
            rows, columns = tile.core_within(self.size)
            paste(rows, columns, pixels)
            report(next(done), total)

    def _passes(self, recipe: Recipe, decode: _Run) -> list[tuple[InstanceNorm, _Run]]:
        """The layers whose statistics are still to be gathered, in order, and what runs a tile up to them."""
        model, passes = self.model, list[tuple[InstanceNorm, _Run]]()
        for part in (model.encoder, model.normalize):
            passes += [(norm, self._encode) for norm in _norms(part)]
        weights = [*(region.weights for region in recipe.regions), recipe.base]
        filters = [module for each in weights for module in filters_of(model, each, self._mixed)[0].values()]
        for module in dict.fromkeys(filters):
            passes += [(norm, partial(self._filter, module)) for norm in _norms(module)]
        passes = [each for each in passes if each[0] not in self._settled]
        return passes + [(norm, decode) for norm in _norms(model.decoder)]  # of another recipe: all anew

    def _read(self, rows: slice, columns: slice) -> Tensor:
        if isinstance(self.source, Tensor):
            return self.source[:, :, rows, columns]
        box = (columns.start, rows.start, columns.stop, rows.stop)
        return to_tensor(self.source.crop(box).convert("RGB"))[None]

    def _encode(self, tile: Tile) -> tuple[Tensor, Tensor]:
        pixels = self._read(tile.rows.seen, tile.columns.seen).to(self.device)
        features = self.model.encode(pixels)
        origin = (tile.rows.seen.start // self.model.stride, tile.columns.seen.start // self.model.stride)
        return features, self.model.filter_input(features, (self._seed,), origin)

    def _filter(self, module: nn.Module, tile: Tile) -> None:
        module(self._encode(tile)[1])

    def _decode(self, tile: Tile, recipe: Recipe, masks: Tensor) -> Tensor:
        features, inputs = self._encode(tile)
        stride = self.model.stride
        rows, columns = (slice(s.seen.start // stride, -(-s.seen.stop // stride)) for s in tile)
        fused = fuse(self.model, features, inputs, recipe, masks[:, rows, columns], self._mixed)
        rows, columns = tile.core_within(self.size)
        size = (rows.stop - tile.rows.seen.start, columns.stop - tile.columns.seen.start)
        output = self.model.decode(fused, size)
        output = output[:, :, rows.start - tile.rows.seen.start :, columns.start - tile.columns.seen.start :]
        output = output.float().clamp(0, 1)
        if recipe.keep_original:
            parts = [resized_part(region.mask, self.size, rows, columns) for region in recipe.regions]
            outside = (1 - torch.stack(parts).sum(0)).clamp_min(0).to(output.device)
            output = output + outside * (self._read(rows, columns).to(output.device) - output)
        return output


def fall_back(
    model: StyleBank, recipes: RecipeBook, source: Image.Image | Tensor, device: torch.device
) -> TiledPicture:
    """A picture that has turned out too large for the device's memory, ready for styles; a warning is logged."""
    message = "The picture is too large for the memory of device '%s'; it is done in tiles of %d pixels instead."
    logging.getLogger(__name__).warning(message, device, FALLBACK_TILE)
    return TiledPicture(model, recipes, source, FALLBACK_TILE, device)


class _Enough(Exception):
    """Ends a tile's run once the layer in question has been reached."""


@dataclass
class Gathered:
    """Mean and variance of every channel of a whole picture, gathered from its tiles' cores in float64."""

    stride: int
    """Of the network."""
    count: int = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    def add_core(self, tile: Tile, x: Tensor) -> NoReturn:
        """Takes a tile's core into account and ends its run."""
        core = tile.core_of(x, self.stride)
        mean, var = (moment.cpu().double() for moment in moments_of(core))  # in this order: MPS has no float64
        count = core.shape[2] * core.shape[3]
        self.count += count
        self.total = self.total + count * mean
        self.squares = self.squares + count * (var + mean.square())
        raise _Enough

    def moments(self, device: torch.device) -> Callable[[Tensor], Moments]:
        """What gives any tile the picture's mean and variance."""
        mean = torch.as_tensor(self.total) / self.count
        var = (torch.as_tensor(self.squares) / self.count - mean.square()).clamp_min(0)
        moments = mean.float().to(device), var.float().to(device)
        return lambda _: moments


def _norms(module: nn.Module) -> list[InstanceNorm]:
    return [each for each in module.modules() if isinstance(each, InstanceNorm)]


def _with_own_modules(model: StyleBank) -> StyleBank:
    """A copy that shares the weights but not the modules, so that statistics set in it do not reach the original."""
    return copy.deepcopy(model, {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())})
