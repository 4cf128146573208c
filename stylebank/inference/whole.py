"""Pictures encoded as a whole, which is quickest where they fit into memory."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from stylebank.device import out_of_memory
from stylebank.images import to_image
from stylebank.inference.blending import Recipe, fuse, region_masks
from stylebank.inference.encoded import Encoded
from stylebank.inference.recipes import RecipeBook
from stylebank.inference.tiling import fall_back
from stylebank.network.model import StyleBank


class WholePicture(Encoded):
    """Features of one picture, or of a batch.

    Args:
        pixels: (B, 3, H, W) in [0, 1], on the network's device.
        features: (B, C, h, w), by default those that the network's encoder makes of them.

    Raises:
        RuntimeError: among others if memory could not be had, see `device.out_of_memory`.
    """

    @torch.inference_mode()
    def __init__(self, model: StyleBank, recipes: RecipeBook, pixels: Tensor, features: Tensor | None = None) -> None:
        super().__init__(recipes)
        self.model, self.source = model, pixels
        self.features = model.encode(pixels) if features is None else features
        self._inputs: tuple[int, Tensor] | None = None

    def with_features(self, features: Tensor) -> WholePicture:
        """The same pictures with other features (B, C, h, w)."""
        return WholePicture(self.model, self.recipes, self.source, features)

    def picture(self, recipe: Recipe) -> Image.Image:
        return to_image(self.pixels(recipe))

    def pixels(self, recipe: Recipe) -> Tensor:
        try:
            return self._decode(recipe)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Outside of that block the error no longer holds what was allocated.
        return fall_back(self.model, self.recipes, self.source, self.source.device).pixels(recipe)

    @torch.inference_mode()
    def _decode(self, recipe: Recipe) -> Tensor:
        model, device = self.model, self.source.device
        size = (self.source.shape[2], self.source.shape[3])
        masks = region_masks(recipe, (self.features.shape[2], self.features.shape[3]), device)
        fused = fuse(model, self.features, self._filter_input(recipe.seed), recipe, masks)
        output = model.decode(fused, size).clamp(0, 1)
        if recipe.keep_original:
            outside = region_masks(recipe, size, device)[-1]  # (H, W)
            output = output + outside * (self.source - output)
        return output

    def _filter_input(self, seed: int) -> Tensor:
        """(B, C + Z, h, w), as the filters want the features; kept for the next style."""
        kept = self._inputs  # read once: another thread may ask for another seed
        if kept is None or kept[0] != seed:
            kept = self._inputs = seed, self.model.filter_input(self.features, (seed,))
        return kept[1]
