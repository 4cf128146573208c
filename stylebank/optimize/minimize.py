"""Minimising a function of a picture with Adam, L-BFGS or steps of a fixed size; knows no particular loss.

An iteration is one move of the picture. L-BFGS evaluates its function several times in some iterations (its line
search) and once in most; evaluations are counted by themselves. Seconds are those spent in here, callbacks excluded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stylebank.errors import TrainingError
from stylebank.optimize.steps import Settings

Terms = Mapping[str, Tensor]
"""Loss terms by name, each of any shape."""
Total = Callable[[Terms], Tensor]
"""Terms -> the one number that is minimised."""
Ended = Literal["finished", "stopped", "converged", "not finite"]


@dataclass(frozen=True)
class LossPoint:
    """The losses of one picture."""

    iteration: int
    """How many iterations the picture has been through: 0 is the start."""
    loss: float
    terms: Mapping[str, float]


@dataclass(frozen=True)
class MinimizeProgress:
    """Where the minimisation stands after an iteration. `image` and `best` go on changing: clone what shall stay."""

    iteration: int
    evaluations: int
    """How often the function and its gradient were computed so far."""
    seconds: float
    image: Tensor
    best: Tensor
    """The picture with the lowest loss seen."""
    point: LossPoint
    """The losses of the picture that this iteration started from; those of `image` are not known yet."""


@dataclass(frozen=True)
class Minimum:
    """What came of it."""

    image: Tensor
    """The last picture."""
    best: Tensor
    """The picture with the lowest loss seen, line searches included."""
    best_point: LossPoint
    history: list[LossPoint]
    """The start, then the picture after each iteration."""
    ended: Ended
    iterations: int
    evaluations: int
    seconds: float


def sum_of_terms(terms: Terms) -> Tensor:
    """The sum of all terms, of all their elements: the usual total."""
    return torch.stack([value.sum() for value in terms.values()]).sum()


def minimize(
    image: Tensor,
    objective: Callable[[Tensor], Terms],
    settings: Settings,
    iterations: int,
    *,
    total: Total = sum_of_terms,
    callback: Callable[[MinimizeProgress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    bounds: tuple[float, float] | None = None,
) -> Minimum:
    """Changes a picture so that a function of it becomes small.

    Args:
        image: the start, of any shape and range; it is not changed itself.
        objective: picture -> its loss terms, differentiable. It must be the same function every time.
        settings: the optimizer, see `stylebank.optimize.steps`.
        iterations: at most so many.
        total: weighs and sums the terms.
        callback: called after every iteration.
        stop: asked before every iteration; True ends it.
        bounds: lowest and highest pixel, kept by cutting off after every iteration.

    Returns:
        The last and the best picture. `ended` says why it ended; "not finite" means that the loss became infinite or
        not a number, and `best` is from before.

    Raises:
        TrainingError: already the loss of the start is not finite.
    """
    search = _Search(_Function(image, objective, total), settings, bounds)
    ended: Ended = "finished"
    for iteration in range(1, iterations + 1):
        if stop():
            ended = "stopped"
        elif not search.step(iteration):
            ended = "not finite"
        else:
            if callback:
                callback(search.progress(iteration))
            if search.has_converged():
                ended = "converged"
        if ended != "finished":
            break
    return search.minimum(ended)


class _Search:
    """A minimisation between two of its iterations."""

    def __init__(self, function: _Function, settings: Settings, bounds: tuple[float, float] | None) -> None:
        self.function, self.settings, self.bounds = function, settings, bounds
        self.optimizer, self.seconds = settings.optimizer(function.image), 0.0
        self.history: list[LossPoint] = []
        self.start = function.image.detach().clone()
        self.stuck = False

    def step(self, iteration: int) -> bool:
        """One iteration; False if the loss is not finite any more."""
        began, self.start = time.perf_counter(), self.function.image.detach().clone()
        try:
            self.history.append(self.function.point(iteration - 1))
            self.optimizer.step(self.function)
        except FloatingPointError:
            return False
        if self.bounds:
            self.function.image.data.clamp_(*self.bounds)
        self.seconds += time.perf_counter() - began
        return True

    def progress(self, iteration: int) -> MinimizeProgress:
        """Where it stands after an iteration."""
        function, image = self.function, self.function.image.detach()
        return MinimizeProgress(iteration, function.count, self.seconds, image, function.best, self.history[-1])

    def has_converged(self) -> bool:
        """Whether neither of the last two iterations moved the picture."""
        moved = not torch.equal(self.function.image, self.start)
        if self.stuck and not moved:
            return True
        if not moved:
            # A line search found nothing lower; its memory may mislead it: once more, from the gradient alone.
            self.optimizer = self.settings.optimizer(self.function.image)
        self.stuck = not moved
        return False

    def minimum(self, ended: Ended) -> Minimum:
        """What came of it, with the losses of the last picture."""
        began, function = time.perf_counter(), self.function
        if ended != "not finite":
            try:
                self.history.append(function.point(len(self.history)))
            except FloatingPointError:
                ended = "not finite"
        seconds = self.seconds + time.perf_counter() - began
        done = len(self.history) - 1
        return Minimum(
            image=function.image.detach(),
            best=function.best,
            best_point=function.best_point,
            history=self.history,
            ended=ended,
            iterations=done,
            evaluations=function.count,
            seconds=seconds,
        )


class _Function:
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
        """The loss; its gradient is in `image.grad`. Raises FloatingPointError if it is not finite."""
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
            return FloatingPointError()
        named = ", ".join(f"{name} {value:g}" for name, value in self._terms.items())
        return TrainingError(f"The loss of the starting picture is not finite ({named}): there is nothing to minimise.")
