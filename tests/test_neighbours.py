"""Steady films: the made-up next frame of a photograph, and the term that compares what comes of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pictures import smooth
from tiny import trainer
from torch import Tensor

from stylebank.images import to_tensor
from stylebank.losses.terms import ContentLoss, Later, Made, TemporalLoss
from stylebank.training.branches import _shown_again
from stylebank.training.neighbours import GRAIN, LIGHT, MOTION, Neighbours, neighbours_of
from stylebank.training.trainer import Trainer

SEEDS = list(range(12))


def photographs(count: int = len(SEEDS)) -> Tensor:
    return to_tensor(smooth(80, 64)).expand(count, -1, -1, -1)


def moved_by_whole_pixels(made: Neighbours) -> Tensor:
    """Which neighbours are: their pixels were pixels before, (N,), bool."""
    width = made.grid.shape[2]
    places = ((made.grid[..., 0] + 1) * width - 1) / 2
    return (places - places.round()).abs().amax((1, 2)) < 1e-3


def test_the_next_frame_is_the_photograph_moved_and_lit_otherwise() -> None:
    made = neighbours_of(photographs(), SEEDS)
    known = made.known.expand_as(made.frames)
    assert 0.7 < known.float().mean() < 1
    assert (made.frames - made.expected(photographs()))[known].std() < GRAIN
    moved, unmoved = (made.expected(photographs()), photographs())
    assert (made.frames - unmoved)[known].abs().mean() > 1.5 * (made.frames - moved)[known].abs().mean()
    assert made.relit.abs().max() <= LIGHT + 1e-6


def test_half_of_them_move_by_whole_pixels_none_far() -> None:
    seeds = list(range(60))
    made = neighbours_of(photographs(60), seeds)
    assert 15 < moved_by_whole_pixels(made).sum() < 45
    middle = made.grid[:, 31:33, 39:41].mean((1, 2)) * torch.tensor([40, 32])
    assert middle.abs().max() <= MOTION + 0.5
    assert middle.abs().mean() > 2


def test_a_pixel_that_came_into_the_picture_is_not_known() -> None:
    made = neighbours_of(photographs(), SEEDS)
    marked = torch.ones(len(SEEDS), 3, 64, 80)
    marked[:, :, 1:-1, 1:-1] = 0  # what repeats the border beyond the edges
    beyond = (made.grid.abs() > 1 + 2 / 64).any(3)[:, None]
    assert not (beyond & made.known).any()
    assert (made.expected(marked) - made.relit)[beyond.expand_as(marked)].min() > 0.99


def test_the_same_seed_makes_the_same_frame_and_another_one_another() -> None:
    one, same, other = (neighbours_of(photographs(1), [seed]) for seed in (5, 5, 6))
    assert torch.equal(one.frames, same.frames)
    assert torch.equal(one.grid, same.grid)
    assert not torch.equal(one.frames, other.frames)


# -------------------------------------------------------------------------------------------------------- the terms


def made_of(outputs: Tensor, later: Later | None = None, cards: tuple[bool, ...] = ()) -> Made:
    features, photograph = {"a": outputs * 2}, {"a": torch.ones_like(outputs)}
    return Made(outputs, outputs, features, photograph, [0] * len(outputs), cards, later)


def test_the_temporal_term_is_the_squared_difference_where_it_is_known() -> None:
    outputs = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    known = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    known[:, :, :, 4:] = True
    expected = outputs[[1, 3]].clone()
    expected[:, :, :, :4] += 7  # unknown
    expected[1, :, :, 4:] += 0.1
    values = TemporalLoss(1.0)(made_of(outputs, Later([1, 3], outputs[[1, 3]], expected, known)))
    assert values.tolist() == pytest.approx([0, 0, 0, 2 * 0.01], abs=1e-6)  # half of the batch stands for all of it
    assert values.mean() == pytest.approx(0.005)  # the mean of 0 and 0.01
    assert TemporalLoss(1.0)(made_of(outputs)).tolist() == [0] * 4


def test_cards_need_not_keep_what_they_show() -> None:
    outputs = torch.rand(3, 3, 8, 8)
    all_of_it, some = ContentLoss(1.0, ["a"]), ContentLoss(1.0, ["a"], on_cards=0.25)
    plain = all_of_it(made_of(outputs, cards=(False, True, True)))
    assert torch.equal(some(made_of(outputs)), plain)
    assert torch.allclose(some(made_of(outputs, cards=(False, True, True))), plain * torch.tensor([1, 0.25, 0.25]))


# --------------------------------------------------------------------------------------------------------- training


@pytest.fixture
def make(photos: Path, style_images: Path, random_vgg_weights: Path, tmp_path: Path) -> Callable[..., Trainer]:
    """make(name, *overrides) -> a trainer of a new bank, always with the same weights to begin with."""

    def _make(name: str, *overrides: str) -> Trainer:
        torch.manual_seed(0)
        always = ("train.identity_pretrain_steps=0", "data.held_out=0")
        return trainer(photos, style_images, random_vgg_weights, tmp_path / name, *always, *overrides)

    return _make


def test_a_run_learns_to_be_steady(make: Callable[..., Trainer]) -> None:
    """The same crops and styles with and without the term: the error that it measures is lower with it."""
    errors = []
    for name, weight in (("without", 1e-6), ("with", 3000.0)):
        training = make(name, f"loss.temporal_weight={weight}", "train.steps=30")
        assert training.fit()
        assert list(training.run.objective.terms) == ["content", "style", "tv", "temporal", "identity"]
        errors.append(training.run.losses["loss/temporal"])
    assert 0 < errors[1] < 0.7 * errors[0]


def test_cards_are_not_looked_at_a_moment_later(make: Callable[..., Trainer]) -> None:
    training = make("cards", "loss.temporal_weight=10", "data.cards=1")
    assert training.fit()
    assert training.run.losses["loss/temporal"] == 0


@pytest.mark.parametrize(
    ("cards", "rows"),
    [
        ((), [0, 1]),
        ((True, False, False, False), [1, 2]),
        ((True, True, False, True), [0, 2]),  # always half of them, as compiled networks are for a number of images
        ((True, True, True, True), []),
    ],
)
def test_photographs_are_looked_at_before_cards(cards: tuple[bool, ...], rows: list[int]) -> None:
    assert _shown_again(4, cards) == rows
