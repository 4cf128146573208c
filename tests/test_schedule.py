"""Which branch trains when, and how fast: the paper's cycle, pretraining, and the learning rates."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylebank.config import TrainConfig
from stylebank.training.schedule import Schedule


def schedule(joint: bool = True, **train: Any) -> Schedule:
    return Schedule(TrainConfig(**({"identity_pretrain_steps": 0} | train)), joint)


def branches(one: Schedule, steps: int) -> str:
    return "".join("I" if one.is_identity(step) else "s" for step in range(steps))


# ------------------------------------------------------------------------------------------------- branches


@pytest.mark.parametrize(
    ("cycle", "pretraining", "expected"),
    [(2, 0, "ssIssIssIs"), (1, 0, "sIsIsIsIsI"), (4, 0, "ssssIssssI"), (2, 3, "IIIssIssIs")],
)
def test_a_cycle_is_t_stylizing_steps_and_then_one_identity_step(cycle: int, pretraining: int, expected: str) -> None:
    one = schedule(steps_per_cycle=cycle, identity_pretrain_steps=pretraining)
    assert branches(one, len(expected)) == expected


def test_no_identity_steps_at_weight_zero_but_pretraining_stays() -> None:
    assert branches(schedule(identity_weight=0), 7) == "sssssss"
    assert branches(schedule(identity_weight=0, identity_pretrain_steps=2), 7) == "IIsssss"


def test_added_styles_train_at_every_step() -> None:
    one = schedule(joint=False, identity_pretrain_steps=5)
    assert branches(one, 9) == "sssssssss"
    assert [one.stylizing_steps_before(step) for step in range(9)] == list(range(9))


@given(st.integers(1, 5), st.integers(0, 7), st.sampled_from([0.0, 1.0]), st.booleans())
def test_stylizing_steps_are_counted_right(cycle: int, pretraining: int, weight: float, joint: bool) -> None:
    one = schedule(joint, steps_per_cycle=cycle, identity_pretrain_steps=pretraining, identity_weight=weight)
    for step in range(40):
        assert one.stylizing_steps_before(step) == branches(one, step).count("s")


# --------------------------------------------------------------------------------------------- batches of crops


def test_small_crops_come_first() -> None:
    assert schedule(steps=9, crop_size=64, small_crop_steps=4).stages() == [(range(4), 32), (range(4, 9), 64)]
    assert schedule(steps=9, crop_size=64).stages() == [(range(0), 32), (range(9), 64)]
    assert schedule(steps=3, crop_size=64, small_crop_steps=5).stages() == [(range(3), 32), (range(3, 3), 64)]


def test_kept_batches_come_again_within_their_own_crop_size() -> None:
    one = schedule(steps=10, crop_size=64, small_crop_steps=5, kept_batches=2)
    assert [one.batch_number(step) for step in range(10)] == [0, 1, 0, 1, 0, 5, 6, 5, 6, 5]
    fresh = schedule(steps=10, crop_size=64, small_crop_steps=5)
    assert [fresh.batch_number(step) for step in range(10)] == list(range(10))


# ------------------------------------------------------------------------------------------- learning rates


def test_constant_rate_after_a_linear_rise() -> None:
    one = schedule(lr=0.1, lr_schedule="constant", warmup_steps=4, steps=20)
    rates = [one.learning_rate(step) for step in range(20)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5:] == [0.1] * 15


def test_without_warm_up_the_first_step_is_a_whole_one() -> None:
    assert schedule(lr=0.1, lr_schedule="constant", warmup_steps=0).learning_rate(0) == 0.1


def test_step_schedule_decays_at_its_steps() -> None:
    one = schedule(lr=0.1, lr_schedule="step", lr_decay=0.8, lr_decay_every=10, warmup_steps=0, steps=40)
    rates = [one.learning_rate(step) for step in range(40)]
    assert rates == pytest.approx([0.1] * 10 + [0.08] * 10 + [0.064] * 10 + [0.0512] * 10)


def test_cosine_falls_from_the_whole_rate_to_nearly_nothing() -> None:
    one = schedule(lr=0.1, lr_schedule="cosine", warmup_steps=0, steps=1000)
    rates = [one.learning_rate(step) for step in range(1000)]
    assert rates[0] == 0.1
    assert rates[500] == pytest.approx(0.05)
    assert rates[-1] < 1e-5
    assert all(earlier > later for earlier, later in pairwise(rates))


@given(st.sampled_from(["constant", "step", "cosine"]), st.integers(1, 60), st.integers(0, 80), st.floats(1e-6, 1))
def test_the_rate_is_never_zero_nor_above_the_highest(kind: str, steps: int, warmup: int, lr: float) -> None:
    one = schedule(lr=lr, lr_schedule=kind, warmup_steps=warmup, steps=steps, lr_decay_every=7)
    assert all(0 < one.learning_rate(step) <= lr for step in range(steps))
