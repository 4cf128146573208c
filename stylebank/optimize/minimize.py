"""Minimising a function of a picture with Adam, L-BFGS or steps of a fixed size; knows no particular loss.

An iteration is one move of the picture. L-BFGS evaluates its function several times in some iterations (its line
search) and once in most; evaluations are counted by themselves. Seconds are those spent in here, callbacks excluded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stylebank.optimize.loss_function import LossFunction, LossPoint, NotFiniteError, Terms, Total, sum_of_terms
from stylebank.optimize.steps import Settings

Ended = Literal["finished", "stopped", "converged", "not finite"]


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
    search = _Search(LossFunction(image, objective, total), settings, bounds)
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

    def __init__(self, function: LossFunction, settings: Settings, bounds: tuple[float, float] | None) -> None:
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
        except NotFiniteError:
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
            except NotFiniteError:
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
