"""A picture's way through the sizes: optimised small, then enlarged and refined, until it is finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylebank.images import to_image
from stylebank.inference.blending import Recipe
from stylebank.inference.colors import preserve_colors
from stylebank.losses.vgg import LossNetwork
from stylebank.optimize.loss_function import LossPoint
from stylebank.optimize.minimize import Ended, MinimizeProgress, Minimum, minimize
from stylebank.optimize.objective import PictureObjective
from stylebank.optimize.paintings import Painting, grams_of, pixels_of
from stylebank.optimize.presets import Preset


@dataclass(frozen=True)
class Step:
    """Where the optimisation stands, for callbacks."""

    iteration: int
    """Over all scales."""
    iterations: int
    """Of all scales together."""
    size: tuple[int, int]
    """(width, height) worked on now."""
    point: LossPoint
    picture: Callable[[], Image.Image]
    """Makes the picture as it would be if it all ended now."""


@dataclass(frozen=True)
class Optimized:
    """The result."""

    picture: Image.Image
    minima: list[Minimum] = field(repr=False)
    """What came of each scale, coarse to fine."""

    @property
    def ended(self) -> Ended:
        """How the last scale ended."""
        return self.minima[-1].ended

    @property
    def iterations(self) -> int:
        """Over all scales."""
        return sum(minimum.iterations for minimum in self.minima)

    @property
    def history(self) -> list[LossPoint]:
        """The losses of all scales, with iterations counted through."""
        points, done = list[LossPoint](), 0
        for minimum in self.minima:
            points += [LossPoint(done + point.iteration, point.loss, point.terms) for point in minimum.history]
            done += minimum.iterations
        return points


@dataclass
class CoarseToFine:
    """A picture on its way through the sizes."""

    content: Image.Image
    paintings: Sequence[Painting]
    preset: Preset
    iterations: Mapping[tuple[int, int], int]
    """(width, height), coarse to fine -> how many iterations at most."""
    recipe: Recipe
    colors: str
    callback: Callable[[Step], object] | None = None
    minima: list[Minimum] = field(default_factory=list)

    def optimize(self, image: Tensor, network: LossNetwork, stop: Callable[[], bool]) -> Optimized:
        """From the start (1, 3, H, W) of 0 to 255 at the first size to the finished picture."""
        for size in self.iterations:
            minimum = self._at(size, _resized(image, size), network, stop)
            self.minima.append(minimum)
            image = minimum.best if self.preset.keep_best or minimum.ended == "not finite" else minimum.image
            if minimum.ended in ("stopped", "not finite"):
                break
        return Optimized(self._finished(image), self.minima)

    def _at(self, size: tuple[int, int], image: Tensor, network: LossNetwork, stop: Callable[[], bool]) -> Minimum:
        preset, device = self.preset, network.mean.device
        grams = grams_of(network, self.paintings, preset, size, size[0] / self.content.size[0])
        content = pixels_of(self.content, size, device)
        objective = PictureObjective(preset, network, content, grams, self.recipe)
        return minimize(
            image,
            objective,
            preset.settings,
            self.iterations[size],
            total=objective.total,
            callback=partial(self._report, size),
            stop=stop,
            bounds=preset.bounds,
        )

    def _report(self, size: tuple[int, int], progress: MinimizeProgress) -> None:
        if self.callback is None:
            return
        wanted = progress.best if self.preset.keep_best else progress.image
        done = sum(minimum.iterations for minimum in self.minima) + progress.iteration
        total = sum(self.iterations.values())
        self.callback(Step(done, total, size, progress.point, lambda: self._finished(wanted.clone())))

    def _finished(self, image: Tensor) -> Image.Image:
        """The picture at full size, in the colours asked for."""
        full = _resized(image, self.content.size)
        return preserve_colors(to_image(full / 255), self.content, self.colors)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (1, 3, H, W) at (width, height)."""
    width, height = size
    if tuple(image.shape[2:]) == (height, width):
        return image
    return F.interpolate(image, (height, width), mode="bicubic", antialias=True, align_corners=False)
