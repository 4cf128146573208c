"""Style transfer by optimising the picture itself, as it was first done (Gatys et al. 2016).

`optimize_image` runs one of three presets after well-known programs. `minimize` underneath takes any loss of a
picture, the bank's training objective for one:

    content = objective.content_of(photo)
    minimize(photo, lambda x: objective.stylizing_terms(photo, x, [0], content), LBFGS(), 500, total=objective.total)
"""

from stylebank.optimize.coarse_to_fine import Optimized, Step
from stylebank.optimize.loss_function import LossPoint
from stylebank.optimize.minimize import MinimizeProgress, Minimum, minimize
from stylebank.optimize.paintings import Painting
from stylebank.optimize.picture import optimize_image
from stylebank.optimize.presets import PRESETS, Preset, find_preset
from stylebank.optimize.steps import LBFGS, Adam, Descent

__all__ = [
    "LBFGS",
    "PRESETS",
    "Adam",
    "Descent",
    "LossPoint",
    "MinimizeProgress",
    "Minimum",
    "Optimized",
    "Painting",
    "Preset",
    "Step",
    "find_preset",
    "minimize",
    "optimize_image",
]
