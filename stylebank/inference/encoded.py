"""What a picture is once the encoder has run: something that waits for styles, whole or in tiles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from PIL import Image
from torch import Tensor

from stylebank.inference.blending import Recipe
from stylebank.inference.recipes import Mask, RecipeBook, Style


class Encoded(ABC):
    """One picture, or a batch, waiting for any number of styles."""

    def __init__(self, recipes: RecipeBook) -> None:
        self.recipes = recipes

    def stylize(self, style: Style, *, alpha: float = 1.0, masks: Mapping[str, Mask] | None = None) -> Image.Image:
        """The picture as `Stylizer.stylize` makes it, as a PIL picture. Raises as `RecipeBook.recipe` does."""
        return self.picture(self.recipes.recipe(style, alpha=alpha, masks=masks))

    def decode(self, style: Style) -> Tensor:
        """The pictures in a style: (B, 3, H, W) float32, clamped to [0, 1]. Raises as `RecipeBook.recipe` does."""
        return self.pixels(self.recipes.recipe(style))

    @abstractmethod
    def picture(self, recipe: Recipe) -> Image.Image:
        """What a recipe makes of a single picture, as a PIL picture (mode RGB)."""

    @abstractmethod
    def pixels(self, recipe: Recipe) -> Tensor:
        """What a recipe makes of the pictures: (B, 3, H, W) float32, clamped to [0, 1]."""
