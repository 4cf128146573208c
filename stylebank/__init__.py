"""StyleBank: one shared auto-encoder, one convolution filter per style (Chen et al., CVPR 2017, arXiv:1703.09210).

The front doors, each imported when it is first asked for:

- `Stylizer`: a bank applied to pictures; `read_recipe`: how they shall look, from a JSON file
- `train`, `add_style`: what `train.py` does
- `evaluate`: what `stylebank evaluate` does
- `optimize_image`: one picture optimised by itself, without a bank

All of them raise `stylebank.errors.StyleBankError`, whose text is one sentence for the person at the keyboard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stylebank.late import late

if TYPE_CHECKING:
    from stylebank.evaluation.run import evaluate
    from stylebank.inference.saved_recipe import read_recipe
    from stylebank.inference.stylizer import Stylizer
    from stylebank.optimize import optimize_image
    from stylebank.training.run import add_style, train

__version__ = "0.1.0"

_DOORS = {
    "Stylizer": "stylebank.inference.stylizer",
    "add_style": "stylebank.training.run",
    "evaluate": "stylebank.evaluation.run",
    "optimize_image": "stylebank.optimize",
    "read_recipe": "stylebank.inference.saved_recipe",
    "train": "stylebank.training.run",
}

__all__ = ["Stylizer", "__version__", "add_style", "evaluate", "optimize_image", "read_recipe", "train"]


__getattr__ = late(__name__, _DOORS)


def __dir__() -> list[str]:
    return sorted(__all__)
