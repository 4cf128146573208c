"""Optimising one picture with a preset, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image

from stylebank.device import place, repeatable, resolve_device
from stylebank.inference.colors import check_mode
from stylebank.losses.vgg import LossNetwork, load_loss_network
from stylebank.losses.weights import settle_network
from stylebank.optimize.activations import to_oxford_scale
from stylebank.optimize.coarse_to_fine import CoarseToFine, Optimized, Step
from stylebank.optimize.paintings import Painting, check_size, pixels_of, recipe_of
from stylebank.optimize.presets import Preset, find_preset, with_network
from stylebank.optimize.scales import iterations_of, sizes_of
from stylebank.signals import StopRequest


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
    callback: Callable[[Step], object] | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], object] = lambda _: None,
) -> Optimized:
    """Optimises a picture that has a photograph's content and one or more paintings' style.

    Ctrl-C and SIGTERM (in the main thread) end it early, with the picture reached so far, and so does `stop` (in any).
    The same seed gives the same picture.

    Args:
        content: the photograph, mode RGB; the result has its size.
        paintings: at least one.
        preset: or its name. Change a preset with `dataclasses.replace`.
        initial: the picture to blend the starting noise with, stretched to size; None is the photograph.
        scales: how many sizes to go through, each twice the one before; None decides by the picture's size. The first
            has the preset's number of iterations, each further one half of the one before.
        colors: see `stylebank.inference.colors.preserve_colors`.
        weights: the loss network's file, see `stylebank.losses.weights.read_weights`. If it holds the other network
            than the preset's, the preset is carried over to that.
        callback: called after every iteration.
        stop: asked before every iteration; True ends it.
        say: called with a sentence if `weights` hold the other network.

    Raises:
        ConfigError: an option is out of range, a preset or device is unknown.
        ImageError: a picture is too small.
        WeightsError: the loss network's weights are missing or lack a layer.
        TrainingError: the loss is not finite from the start.
    """
    preset = find_preset(preset) if isinstance(preset, str) else preset
    check_mode(colors)
    preset = with_network(preset, settle_network(preset.network, weights, say))
    sizes = sizes_of(content.size, scales)
    iterations = dict(zip(sizes, iterations_of(preset.iterations, len(sizes)), strict=True))
    way = CoarseToFine(content, paintings, preset, iterations, recipe_of(paintings), colors, callback)
    check_size(sizes[0])
    network = _network(preset, weights, resolve_device(device))
    start = pixels_of(initial or content, sizes[0], network.mean.device)
    image = preset.start.picture(start, network.mean * 255, seed)
    with StopRequest() as request, repeatable():
        return way.optimize(image, network, lambda: request.requested or stop())


def _network(preset: Preset, weights: Path | None, device: torch.device) -> LossNetwork:
    layers = [*preset.content_layers, *preset.style_layers]
    network = place(load_loss_network(preset.network, layers, preset.pooling, weights), device)
    to_oxford_scale(network)
    return network
