"""Stylizing tried: the same as on the processor in float32, in every format, mixture, region and tile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn

from stylebank.device import import_torchvision, precisions
from stylebank.doctor.finding import Off
from stylebank.doctor.trial import STYLES, Trial, picture
from stylebank.evaluation.clock import Clock
from stylebank.images import to_tensor
from stylebank.inference.stylizer import Stylizer

LEVELS = {"float32": 0.25, "bfloat16": 2.0, "float16": 0.5}
"""Largest mean difference from float32 on the processor, in levels of 255; float32 may be TF32 on a GPU."""
SAME = 0.5  # as many, mean, between two ways of one device
SIDE = 512  # pixels of the picture that is timed

first, second = STYLES


def formats(trial: Trial) -> str:
    """A style in every number format that the device has."""
    wanted = trial.reference.stylize(picture(20), first)
    names = [name for name, there in precisions(trial.device).items() if there]
    found = {
        name: _difference(trial.load(str(trial.device), name).stylize(picture(20), first), wanted) for name in names
    }
    text = ", ".join(f"{name} {value:.2f} (allowed {LEVELS[name]:g})" for name, value in found.items())
    return _judged(f"mean difference in levels of 255: {text}", all(found[name] <= LEVELS[name] for name in names))


def mixtures(trial: Trial) -> str:
    """Two styles mixed, at some strength."""
    weights = {first: 0.6, second: 0.4}
    return _as_on_processor(trial, lambda stylizer: stylizer.stylize(picture(20), weights, alpha=0.8))


def regions(trial: Trial) -> str:
    """A style in a part of the picture, from a mask much larger than its features."""
    mask = torch.zeros(3000, 4000)
    mask[:, :2000] = 1
    return _as_on_processor(trial, lambda stylizer: stylizer.stylize(picture(20), first, masks={second: mask}))


def tiles(trial: Trial) -> str:
    """A picture tile by tile, as it is in one piece."""
    large = picture(21, 300, 260)
    whole, tiled = (trial.stylizer.stylize(large, first, tile=tile) for tile in (None, 96))
    value = _difference(whole, tiled)
    return _judged(f"mean difference from the whole {value:.2f} levels of 255 (allowed {SAME:g})", value <= SAME)


def compiled(trial: Trial) -> str:
    """Encoder and decoder through torch.compile.

    Raises:
        NotImplementedError: there is no compiler that torch could use.
    """
    import_torchvision()
    model = trial.load(str(trial.device), "float32").bank.model
    images = to_tensor(picture(22))[None].to(trial.device)
    model = model.to(trial.device).eval()
    try:
        with torch.inference_mode():
            expected = model.reconstruct(images)
            fast: nn.Module = torch.compile(model.decoder)  # type: ignore[assignment]
            found = fast(model.encode(images))[:, :, : images.shape[2], : images.shape[3]]
    except Exception as error:  # torch has a dozen kinds for it
        text = " ".join(str(error).split())
        if any(word in text.lower() for word in ("compiler", "triton", "python.h")):
            raise NotImplementedError(
                f"no compiler that torch can use, for train.compile only: {text[:120]}"
            ) from error
        raise
    value = float((found - expected).abs().mean()) * 255
    return _judged(f"mean difference {value:.2f} levels of 255 (allowed {SAME:g})", value <= SAME)


def speed(trial: Trial) -> str:
    """Times a picture in a style, in what the device does by itself."""
    large, clock = picture(23, SIDE, SIDE), Clock(trial.device)
    pixels = to_tensor(large)[None].to(trial.device)
    recipe = trial.stylizer.recipe(first)
    seconds = clock.median_of(lambda: trial.stylizer.encode_whole(pixels).pixels(recipe))
    return f"{1 / seconds:.1f} pictures/s of {SIDE}x{SIDE} px in {_name(trial.stylizer)}, a tiny network ({clock.name})"


def _as_on_processor(trial: Trial, make: Callable[[Stylizer], Image.Image]) -> str:
    value, allowed = _difference(make(trial.stylizer), make(trial.reference)), LEVELS[_name(trial.stylizer)]
    text = f"mean difference from the processor {value:.2f} levels of 255 (allowed {allowed:g})"
    return _judged(text, value <= allowed)


def _name(stylizer: Stylizer) -> str:
    return str(stylizer.dtype).removeprefix("torch.")


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Mean, in levels of 255."""
    a, b = (np.asarray(each, dtype=np.float64) for each in (one, other))
    return float(np.abs(a - b).mean())


def _judged(text: str, fine: bool) -> str:
    if not fine:
        raise Off(text)
    return text
