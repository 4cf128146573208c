"""The loss of a picture as the function that is minimised: counted, remembered, and checked to be finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from stylebank.errors import TrainingError

Terms = Mapping[str, Tensor]
"""Loss terms by name, each of any shape."""
Total = Callable[[Terms], Tensor]
"""Terms -> the one number that is minimised."""


@dataclass(frozen=True)
class LossPoint:
    """The losses of one picture."""

    iteration: int
    """How many iterations the picture has been through: 0 is the start."""
    loss: float
    terms: Mapping[str, float]


class NotFiniteError(Exception):
    """A loss became infinite or not a number, after others that were finite."""


def sum_of_terms(terms: Terms) -> Tensor:
    """The sum of all terms, of all their elements: the usual total."""
    return torch.stack([value.sum() for value in terms.values()]).sum()


class LossFunction:
    """The total as a function of the picture as it is now; a picture asked about twice in a row is computed once.

    That matters for L-BFGS, where an iteration starts at the picture its last line search ended with.
    """

    def __init__(self, image: Tensor, objective: Callable[[Tensor], Terms], total: Total) -> None:
        self.image = image.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        self.best = self.image.detach().clone()
        self.best_point = LossPoint(0, math.inf, {})
        self.count = 0
        self._objective, self._total = objective, total
        self._known: Tensor | None = None
        self._loss = math.nan
        self._terms: dict[str, float] = {}
        self._iteration = 0

    def __call__(self) -> float:
        """The loss; its gradient is in `image.grad`. Raises NotFiniteError or TrainingError if it is not finite."""
        if self.is_known():
            return self._loss
        self.image.grad = None
        with torch.enable_grad():
            terms = self._objective(self.image)
            loss = self._total(terms)
            loss.backward()
        self.count += 1
        self._loss, self._known = float(loss.detach()), self.image.detach().clone()
        self._terms = {name: float(value.detach().mean()) for name, value in terms.items()}
        if not math.isfinite(self._loss):
            raise self._failure()
        if self._loss < self.best_point.loss:
            self.best.copy_(self._known)
            self.best_point = LossPoint(self._iteration, self._loss, self._terms)
        return self._loss

    def is_known(self) -> bool:
        """Whether the picture is the one that was computed last."""
        return self._known is not None and torch.equal(self._known, self.image)

    def point(self, iteration: int) -> LossPoint:
        """The losses of the picture as it is now, after so many iterations."""
        self._iteration = iteration
        loss = self()
        self._iteration = iteration + 1  # of whatever a line search tries from here
        return LossPoint(iteration, loss, self._terms)

    def _failure(self) -> Exception:
        if self.best_point.loss < math.inf:
            return NotFiniteError()
        named = ", ".join(f"{name} {value:g}" for name, value in self._terms.items())
        return TrainingError(f"The loss of the starting picture is not finite ({named}): there is nothing to minimise.")
