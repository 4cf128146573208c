"""Where a new style's filter starts: at the filter of the style in the bank that looks most like it.

Deviation from Chen et al. 2017, section 3.4, where it starts from noise. A filter that has been trained already speaks
the decoder's language; only its accent has to change. Paintings of a bank's styles are not kept in it, so what a style
looks like is seen from what its filter makes of a few photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylebank.losses import gram, style_distance
from stylebank.model import StyleBank
from stylebank.objective import Grams, Objective
from stylebank.report import photograph
from stylebank.runtime import autocast

PHOTOGRAPHS = 3  # stylized to see what a style looks like
SIDE = 128  # of these, in pixels


@torch.no_grad()
def start_from_nearest(
    model: StyleBank,
    first_new: int,
    objective: Objective,
    files: Sequence[Path],
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, str]:
    """Copies into every new filter that of the nearest old style, by the distance of Gram matrices.

    Args:
        model: the bank, whose filters from `first_new` on are new.
        objective: has the loss network, and the new styles' Gram matrices in the same order.
        files: photographs, of which the first few are used.
        dtype: number format of the convolutions.

    Returns:
        New style -> the old one it starts from; empty if there is no old style or no photograph.

    Raises:
        ImageError: a photograph cannot be read.
    """
    if not first_new or not files:
        return {}
    pictures = [photograph(file, device, SIDE) for file in files[:PHOTOGRAPHS]]
    with autocast(device, dtype):
        looks = [_look(model, objective, pictures, old) for old in range(first_new)]
    chosen = {}
    for new in range(first_new, len(model.names)):
        wanted = {name: stack[new - first_new : new - first_new + 1] for name, stack in objective.grams.items()}
        nearest = min(range(first_new), key=lambda old: _distance(looks[old], wanted))
        model.filters[new].load_state_dict(model.filters[nearest].state_dict())
        chosen[model.names[new]] = model.names[nearest]
    return chosen


def _look(model: StyleBank, objective: Objective, pictures: Sequence[Tensor], style: int) -> Grams:
    """Layer -> mean Gram matrix (1, C, C) of photographs in an old style."""
    layers = objective.config.style_layers
    grams = []
    for picture in pictures:
        features = objective.network(model.stylize(picture, [style]).clamp(0, 1))
        grams.append({name: gram(features[name]) for name in layers})
    return {name: torch.stack([each[name] for each in grams]).mean(0) for name in layers}


def _distance(look: Grams, wanted: Grams) -> float:
    return float(torch.stack([style_distance(look[name], target) for name, target in wanted.items()]).mean())
