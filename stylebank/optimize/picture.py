"""Optimising one picture with a preset, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylebank.device import place, resolve_device
from stylebank.errors import ConfigError
from stylebank.images import to_image
from stylebank.inference.blending import Recipe
from stylebank.inference.colors import preserve_colors
from stylebank.losses.vgg import LossNetwork, load_loss_network
from stylebank.optimize.activations import to_oxford_scale
from stylebank.optimize.minimize import Ended, LossPoint, MinimizeProgress, Minimum, minimize
from stylebank.optimize.objective import PictureObjective
from stylebank.optimize.paintings import Painting, check_size, grams_of, pixels_of, recipe_of
from stylebank.optimize.presets import PRESETS, Preset
from stylebank.optimize.scales import iterations_of, sizes_of
from stylebank.signals import StopRequest


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


def optimize_image(
    content: Image.Image,
    paintings: Sequence[Painting],
    preset: Preset | str = "gatys",
    *,
    initial: Image.Image | None = None,
    scales: int | None = None,
    seed: int = 0,
    colors: str = "none",
    weights: Path | None = None,
    device: str = "auto",
    callback: Callable[[Step], None] | None = None,
) -> Optimized:
    """Optimises a picture that has a photograph's content and one or more paintings' style.

    Ctrl-C and SIGTERM end it early, with the picture reached so far. The same seed gives the same picture.

    Args:
        content: the photograph, mode RGB; the result has its size.
        paintings: at least one.
        preset: or its name. Change a preset with `dataclasses.replace`.
        initial: the picture to blend the starting noise with, stretched to size; None is the photograph.
        scales: how many sizes to go through, each twice the one before; None decides by the picture's size. The first
            has the preset's number of iterations, each further one half of the one before.
        colors: see `stylebank.inference.colors.preserve_colors`.
        weights: the loss network's file, see `stylebank.losses.vgg.load_loss_network`.
        callback: called after every iteration.

    Raises:
        ConfigError: an option is out of range, a preset or device is unknown.
        ImageError: a picture is too small.
        WeightsError: the loss network's weights are missing or lack a layer.
        TrainingError: the loss is not finite from the start.
    """
    preset = find_preset(preset) if isinstance(preset, str) else preset
    sizes = sizes_of(content.size, scales)
    work = _Work(
        content,
        paintings,
        preset,
        iterations=dict(zip(sizes, iterations_of(preset.iterations, len(sizes)), strict=True)),
        recipe=recipe_of(paintings),
        colors=colors,
        callback=callback,
    )
    check_size(sizes[0])
    network = _network(preset, weights, resolve_device(device))
    start = pixels_of(initial or content, sizes[0], network.mean.device)
    image = preset.start.picture(start, network.mean * 255, seed)
    with StopRequest() as request, torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        return work.optimize(image, network, lambda: request.requested)


def _network(preset: Preset, weights: Path | None, device: torch.device) -> LossNetwork:
    layers = [*preset.content_layers, *preset.style_layers]
    network = place(load_loss_network(preset.network, layers, preset.pooling, weights), device)
    to_oxford_scale(network)
    return network


@dataclass
class _Work:
    """A picture on its way through the sizes."""

    content: Image.Image
    paintings: Sequence[Painting]
    preset: Preset
    iterations: Mapping[tuple[int, int], int]
    """(width, height), coarse to fine -> how many iterations at most."""
    recipe: Recipe
    colors: str
    callback: Callable[[Step], None] | None
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


def find_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"There is no preset '{name}'; valid are {', '.join(PRESETS)}.")
    return PRESETS[name]


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture (1, 3, H, W) at (width, height)."""
    width, height = size
    if tuple(image.shape[2:]) == (height, width):
        return image
    return F.interpolate(image, (height, width), mode="bicubic", antialias=True, align_corners=False)
