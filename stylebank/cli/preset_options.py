"""The options that choose a preset of `optimize` and change it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from stylebank.errors import ConfigError
from stylebank.optimize import LBFGS, PRESETS, Adam, Descent, Preset, find_preset
from stylebank.optimize.presets import blended_content, equal_weights, growing_weights, with_network
from stylebank.optimize.steps import Settings

_OPTIMIZERS: dict[str, type[Adam] | type[LBFGS] | type[Descent]] = {"adam": Adam, "lbfgs": LBFGS, "descent": Descent}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options. None stands for the preset's own value."""
    group = parser.add_argument_group("the preset, and changes to it")
    group.add_argument("--preset", choices=tuple(PRESETS), required=True, help="the program to follow")
    group.add_argument("--iterations", type=int, metavar="N", help="at the first scale")
    group.add_argument("--network", choices=("vgg16", "vgg19"), help="the loss network")
    group.add_argument("--pooling", choices=("max", "average"), help="of the loss network")
    group.add_argument(
        "--content-layers", nargs="+", metavar="LAYER", help="such as relu4_2, or conv4_2 before its ReLU"
    )
    group.add_argument("--style-layers", nargs="+", metavar="LAYER", help="all of the same weight")
    group.add_argument("--content-weight", type=float, metavar="W", help="of the content loss")
    group.add_argument(
        "--content-weight-blend",
        type=float,
        metavar="0..1",
        help="neural-style: share of relu4_2, the rest is relu5_2's",
    )
    group.add_argument("--style-weight", type=float, metavar="W", help="of the style loss")
    group.add_argument(
        "--style-layer-weight-exp", type=float, metavar="F", help="each style layer weighs F times the one before"
    )
    group.add_argument("--tv-weight", type=float, metavar="W", help="of the total variation")
    group.add_argument("--initial", type=Path, metavar="FILE", help="start from this picture")
    group.add_argument(
        "--noise",
        type=float,
        metavar="0..1",
        help="share of noise at the start; the rest is --initial or the photograph",
    )
    group.add_argument("--optimizer", choices=tuple(_OPTIMIZERS), help="descent: gradient steps of a fixed spread")
    group.add_argument(
        "--lr", type=float, help="learning rate, for pixels of 0 to 255; of descent, the spread of a step"
    )
    group.add_argument("--beta1", type=float, help="of Adam")
    group.add_argument("--beta2", type=float, help="of Adam")
    group.add_argument("--eps", type=float, help="of Adam")


def preset(options: argparse.Namespace) -> Preset:
    """The preset asked for, with the changes asked for.

    Raises:
        ConfigError: a number is out of range, or an option does not go with the preset.
    """
    chosen = find_preset(options.preset)
    if options.network:
        chosen = with_network(chosen, options.network)
    if options.content_weight_blend is not None:
        chosen = blended_content(chosen, options.content_weight_blend)
    changes: dict[str, Any] = {}
    for field in ("content_layers", "style_layers"):
        if names := getattr(options, field):  # the weights of a term's layers keep their sum
            changes[field] = equal_weights(names, sum(getattr(chosen, field).values()))
    for field in ("iterations", "pooling", "content_weight", "style_weight", "tv_weight"):
        if getattr(options, field) is not None:
            changes[field] = getattr(options, field)
    chosen = replace(chosen, **changes)
    if options.style_layer_weight_exp is not None:
        layers = growing_weights(chosen.style_layers, options.style_layer_weight_exp)
        chosen = replace(chosen, style_layers=layers)
    share = options.noise if options.noise is not None else 0.0 if options.initial else chosen.start.share
    return replace(chosen, start=replace(chosen.start, share=share), settings=_settings(options, chosen.settings))


def _settings(options: argparse.Namespace, settings: Settings) -> Settings:
    if options.optimizer and not isinstance(settings, _OPTIMIZERS[options.optimizer]):
        settings = _OPTIMIZERS[options.optimizer]()
    fields = {name: getattr(options, name) for name in ("lr", "beta1", "beta2", "eps")}
    given = {name: value for name, value in fields.items() if value is not None}
    if isinstance(settings, Adam):
        return replace(settings, **given)
    rate = {"step" if isinstance(settings, Descent) else "lr": given.pop("lr")} if "lr" in given else {}
    settings = replace(settings, **rate)
    if given:
        names = ", ".join(f"--{name}" for name in given)
        raise ConfigError(f"{names}: only Adam has that; choose it with --optimizer adam.")
    return settings
