"""Work done ahead: in order, not too far, and errors where they belong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from stylebank.training.ahead import ahead


def test_results_come_in_the_order_of_the_items() -> None:
    def slowest_first(i: int) -> int:
        time.sleep(0.02 * (i == 0))
        return i * i

    assert list(ahead(slowest_first, range(20), most=4)) == [i * i for i in range(20)]
    assert list(ahead(slowest_first, [])) == []


def test_it_is_ahead_by_so_many_and_no_more() -> None:
    begun: list[int] = []
    third = threading.Event()

    def work(i: int) -> int:
        begun.append(i)
        if len(begun) == 3:
            third.set()
        return i

    results: Iterator[int] = ahead(work, iter(range(100)), most=3)
    assert next(results) == 0
    assert third.wait(10)  # begun without being asked for
    time.sleep(0.05)
    assert sorted(begun)[-1] <= 3


def test_what_goes_wrong_is_raised_when_its_turn_comes_and_ends_the_rest() -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        if i == 2:
            raise ValueError("no picture")
        return i

    results = ahead(work, range(1000), most=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="no picture"):
        next(results)
    assert len(begun) < 10
