"""How a picture is moved down its loss: the settings of Adam and L-BFGS (torch's own), and steps of a fixed size.

All raise ConfigError for numbers that are out of range, which are called as the command line calls them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylebank.errors import ConfigError

_EVALUATIONS = 25  # of one line search at most


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba, 2015)."""

    lr: float = 10.0
    """In units of the picture: about how far a pixel moves in one of the first iterations."""
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _check_positive("--lr", self.lr)
        _check_share("--beta1", self.beta1)
        _check_share("--beta2", self.beta2)
        _check_positive("--eps", self.eps)

    def optimizer(self, image: Tensor) -> torch.optim.Optimizer:
        """A new optimizer of a picture."""
        return torch.optim.Adam([image], self.lr, (self.beta1, self.beta2), self.eps)


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS with a line search that meets the strong Wolfe conditions (Nocedal & Wright, 2006, chapters 3 and 7)."""

    lr: float = 1.0
    """The step that a line search tries first, as a share of the quasi-Newton step."""
    history: int = 20
    """Iterations remembered; each costs the memory of two pictures."""

    def __post_init__(self) -> None:
        _check_positive("--lr", self.lr)

    def optimizer(self, image: Tensor) -> torch.optim.Optimizer:
        """A new optimizer of a picture; a call of `step` is one iteration and no more."""
        return torch.optim.LBFGS(
            [image],
            self.lr,
            max_iter=1,
            max_eval=1 + _EVALUATIONS,  # by default it would follow from max_iter and leave none to the line search
            history_size=self.history,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )


@dataclass(frozen=True)
class Descent:
    """Down the gradient, by a step whose pixels have a fixed spread."""

    step: float = 10.0
    """Standard deviation of a step over all pixels and channels, in units of the picture."""

    def __post_init__(self) -> None:
        _check_positive("--lr", self.step)

    def optimizer(self, image: Tensor) -> torch.optim.Optimizer:
        """A new optimizer of a picture."""
        return _Descent(image, self.step)


Settings = Adam | LBFGS | Descent


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} must be a number above 0, not {value:g}.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"{name} must be at least 0 and below 1, not {value:g}.")


class _Descent(torch.optim.Optimizer):
    def __init__(self, image: Tensor, step: float) -> None:
        super().__init__([image], {"step": step})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        assert closure is not None
        loss = closure()
        for group in self.param_groups:
            for image in group["params"]:
                spread = image.grad.std(correction=0) + 1e-8
                image.data.sub_(image.grad * (group["step"] / spread))
        return loss
