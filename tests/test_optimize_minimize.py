"""Minimising functions of a picture: optimizers, what counts as an iteration, the best picture, early ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import refused
from torch import Tensor

from stylebank.config import LossConfig
from stylebank.errors import TrainingError
from stylebank.losses.objective import Objective, style_grams
from stylebank.losses.vgg import load_loss_network
from stylebank.optimize import LBFGS, Adam, Descent, MinimizeProgress, minimize
from stylebank.optimize.loss_function import Terms
from stylebank.optimize.steps import Settings
from stylebank.styles import find_styles

START = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
EVERY: tuple[Settings, ...] = (Adam(lr=0.05), LBFGS(), Descent(step=0.05))


def valley(image: Tensor) -> Terms:
    """A curved valley between neighbouring pixels (Rosenbrock's, chained): no optimizer is through with it soon."""
    flat = image.flatten()
    return {"bend": 20 * (flat[1:] - flat[:-1].square()).square().sum(), "slope": (1 - flat[:-1]).square().sum()}


def bowl(image: Tensor) -> Terms:
    return {"bowl": (image - 0.25).square().sum()}


class Counted:
    """A function that remembers all that was asked of it."""

    def __init__(self, function: Callable[[Tensor], Terms]) -> None:
        self.function = function
        self.losses: list[float] = []

    def __call__(self, image: Tensor) -> Terms:
        terms = self.function(image)
        self.losses.append(float(sum(value.detach() for value in terms.values())))
        return terms


@pytest.mark.parametrize("settings", EVERY)
def test_losses_fall_and_everything_is_counted(settings: Settings) -> None:
    function, seen = Counted(valley), list[MinimizeProgress]()
    result = minimize(START, function, settings, 30, callback=seen.append)
    assert result.ended == "finished"
    assert [progress.iteration for progress in seen] == list(range(1, 31))
    assert result.iterations == 30
    assert result.evaluations == len(function.losses)
    assert [point.iteration for point in result.history] == list(range(31))
    assert result.history[0].loss == function.losses[0]
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert set(result.history[0].terms) == {"bend", "slope"}


@pytest.mark.parametrize("settings", EVERY)
def test_the_best_is_the_lowest_of_all_that_were_tried(settings: Settings) -> None:
    function = Counted(valley)
    result = minimize(START, function, settings, 25)
    assert result.best_point.loss == min(function.losses)
    assert float(sum(valley(result.best).values())) == pytest.approx(result.best_point.loss)
    assert float(sum(valley(result.image).values())) == pytest.approx(result.history[-1].loss)


def test_the_best_may_be_long_past() -> None:
    """Steps this large overshoot at once; the picture they began with is the best there was."""
    result = minimize(torch.full((1, 3, 4, 4), 0.26), bowl, Descent(step=5.0), 6)
    assert result.best_point.iteration == 0
    assert torch.equal(result.best, torch.full((1, 3, 4, 4), 0.26))
    assert result.history[-1].loss > result.best_point.loss


def test_the_start_is_left_alone() -> None:
    before = START.clone()
    result = minimize(START, valley, Adam(lr=0.1), 3)
    assert torch.equal(START, before)
    assert not result.image.requires_grad
    assert not torch.equal(result.image, before)


def test_adam_is_torchs() -> None:
    image = START.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.03, betas=(0.8, 0.95), eps=1e-6)
    for _ in range(7):
        optimizer.zero_grad()
        sum(valley(image).values()).backward()  # type: ignore[union-attr]
        optimizer.step()
    result = minimize(START, valley, Adam(0.03, 0.8, 0.95, 1e-6), 7)
    assert torch.allclose(result.image, image.detach(), rtol=1e-12, atol=0)
    assert result.evaluations == 8  # one for each iteration, and the last picture's loss


@pytest.mark.parametrize("iterations", [1, 2, 9])
def test_an_iteration_of_lbfgs_is_one_line_search(iterations: int) -> None:
    """The same path as torch's L-BFGS when it is told in one go to do so many iterations."""
    image = START.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [image],
        max_iter=iterations,
        max_eval=10_000,
        history_size=20,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack(list(valley(image).values())).sum()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    state = optimizer.state[image]
    result = minimize(START, valley, LBFGS(history=20), iterations)
    assert state["n_iter"] == iterations
    assert torch.allclose(result.image, image.detach(), rtol=1e-9, atol=0)
    assert result.evaluations <= state["func_evals"] + 1  # an iteration's start is not computed twice


def test_lbfgs_needs_few_iterations_where_adam_needs_many() -> None:
    lbfgs, adam = (minimize(START, valley, settings, 40).best_point.loss for settings in (LBFGS(), Adam(lr=0.05)))
    assert lbfgs < 0.5 * adam


def test_lbfgs_ends_at_the_bottom() -> None:
    result = minimize(START, bowl, LBFGS(), 200)
    assert result.ended == "converged"
    assert result.iterations < 20
    assert torch.allclose(result.best, torch.full_like(START, 0.25), atol=1e-9)


def test_descent_takes_steps_of_a_fixed_spread_down_the_gradient() -> None:
    result = minimize(START, bowl, Descent(step=0.02), 1)
    step = result.image - START
    assert float(step.std(correction=0)) == pytest.approx(0.02, rel=1e-6)
    gradient = 2 * (START - 0.25)
    assert torch.allclose(step / -gradient, (step / -gradient).flatten()[0].expand_as(step))


@pytest.mark.parametrize("settings", EVERY)
def test_bounds_hold(settings: Settings) -> None:
    seen: list[tuple[float, float]] = []
    minimize(
        START,
        lambda image: {"away": -image.square().sum() - image.sum()},
        settings,
        5,
        bounds=(0.1, 0.9),
        callback=lambda progress: seen.append((float(progress.image.min()), float(progress.image.max()))),
    )
    assert seen
    assert all(low >= 0.1 and high <= 0.9 for low, high in seen)


def test_terms_are_weighed_by_the_total() -> None:
    terms = {"a": torch.tensor([2.0]), "b": torch.tensor(3.0)}
    result = minimize(
        START,
        lambda image: {name: value * image.square().sum() for name, value in terms.items()},
        Adam(lr=0.01),
        1,
        total=lambda found: 10 * found["a"].sum() + found["b"],
    )
    square = float(START.square().sum())
    assert result.history[0].terms == pytest.approx({"a": 2 * square, "b": 3 * square})
    assert result.history[0].loss == pytest.approx(23 * square)


def test_it_stops_when_asked() -> None:
    seen: list[int] = []
    result = minimize(
        START,
        valley,
        LBFGS(),
        50,
        callback=lambda progress: seen.append(progress.iteration),
        stop=lambda: len(seen) == 4,
    )
    assert result.ended == "stopped"
    assert seen == [1, 2, 3, 4]
    assert result.iterations == 4
    assert torch.equal(result.image, minimize(START, valley, LBFGS(), 4).image)


@pytest.mark.parametrize("settings", EVERY)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_it_with_the_best_picture(settings: Settings, bad: float) -> None:
    calls: list[float] = []

    def breaking(image: Tensor) -> Terms:
        loss = valley(image)["bend"] * (bad if len(calls) >= 5 else 1)
        calls.append(float(loss.detach()))
        return {"bend": loss}

    result = minimize(START, breaking, settings, 50)
    assert result.ended == "not finite"
    assert len(calls) == 6
    assert result.best_point.loss == min(calls[:5])
    assert float(valley(result.best)["bend"]) == pytest.approx(result.best_point.loss)


def test_a_loss_that_was_never_finite_is_refused() -> None:
    with refused(TrainingError, "nan", "bowl"):
        minimize(START, lambda image: {"bowl": image.sum() * math.nan}, Adam(), 5)


def test_seconds_are_those_of_the_work() -> None:
    result = minimize(START, bowl, Adam(), 3, callback=lambda progress: time.sleep(0.2))
    assert 0 < result.seconds < 0.5


def test_pictures_at_chosen_iterations_can_be_kept() -> None:
    kept: dict[int, Tensor] = {}

    def keep(progress: MinimizeProgress) -> None:
        if progress.iteration in (2, 5):
            kept[progress.iteration] = progress.image.clone()

    result = minimize(START, valley, LBFGS(), 5, callback=keep)
    assert torch.equal(kept[5], result.image)
    assert torch.equal(kept[2], minimize(START, valley, LBFGS(), 2).image)


def test_the_banks_own_objective_can_be_minimised(random_vgg_weights: Path, style_images: Path) -> None:
    """What a filter is trained on, brought down on one picture: the ceiling for any bank."""
    config = LossConfig(content_layers=("relu2_2",), style_layers=("relu1_2", "relu2_2"))
    network = load_loss_network("vgg19", config.style_layers, weights=random_vgg_weights)
    objective = Objective(network, style_grams(network, find_styles([style_images]), config.style_layers, 48), config)
    photo = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    content = objective.content_of(photo)
    result = minimize(
        photo, lambda image: objective.stylizing_terms(photo, image, [1], content), LBFGS(), 10, total=objective.total
    )
    assert set(result.history[0].terms) == {"content", "style", "tv"}
    assert result.history[0].terms["content"] < 1e-9  # the photograph itself
    assert result.history[-1].terms["style"] < 0.5 * result.history[0].terms["style"]
    assert result.history[-1].loss < 0.6 * result.history[0].loss
