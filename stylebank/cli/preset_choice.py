"""The preset of `optimize` that the options ask for."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from stylebank.errors import ConfigError
from stylebank.optimize import LBFGS, Adam, Descent, Preset, find_preset
from stylebank.optimize.presets import blended_content, equal_weights, growing_weights, with_network
from stylebank.optimize.steps import Settings

OPTIMIZERS: dict[str, type[Adam] | type[LBFGS] | type[Descent]] = {"adam": Adam, "lbfgs": LBFGS, "descent": Descent}


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
    if options.optimizer and not isinstance(settings, OPTIMIZERS[options.optimizer]):
        settings = OPTIMIZERS[options.optimizer]()
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
