"""Optimising one picture with a preset, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylebank.device import place, resolve_device
from stylebank.errors import ConfigError
from stylebank.images import to_image
from stylebank.inference.colors import preserve_colors
from stylebank.losses.vgg import load_loss_network
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
    counts = iterations_of(preset.iterations, len(sizes))
    recipe = recipe_of(paintings)
    check_size(sizes[0])
    target = resolve_device(device)
    network = place(
        load_loss_network(preset.network, [*preset.content_layers, *preset.style_layers], preset.pooling, weights),
        target,
    )
    to_oxford_scale(network)
    start = pixels_of(initial or content, sizes[0], target)
    image = preset.start.picture(start, network.mean * 255, seed)
    minima: list[Minimum] = []

    def finish(image: Tensor) -> Image.Image:
        full = _resized(image, content.size)
        return preserve_colors(to_image(full / 255), content, colors)

    def report(progress: MinimizeProgress) -> None:
        if callback is not None:
            wanted = progress.best if preset.keep_best else progress.image
            done = sum(minimum.iterations for minimum in minima)
            callback(Step(done + progress.iteration, sum(counts), size, progress.point, lambda: finish(wanted.clone())))

    with StopRequest() as request, torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        for size, count in zip(sizes, counts, strict=True):
            grams = grams_of(network, paintings, preset, size, size[0] / content.size[0])
            objective = PictureObjective(preset, network, pixels_of(content, size, target), grams, recipe)
            minimum = minimize(
                _resized(image, size),
                objective,
                preset.settings,
                count,
                total=objective.total,
                callback=report,
                stop=lambda: request.requested,
                bounds=preset.bounds,
            )
            minima.append(minimum)
            image = minimum.best if preset.keep_best or minimum.ended == "not finite" else minimum.image
            if minimum.ended in ("stopped", "not finite"):
                break
    return Optimized(finish(image), minima)


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
