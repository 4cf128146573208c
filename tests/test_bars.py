"""Progress: bars in a terminal, lines now and then elsewhere, and nothing for work of a moment."""

from __future__ import annotations

import io
import re

import pytest

from stylebank import bars
from stylebank.bars import Bars, above, bar, counter


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    time = [1000.0]
    monkeypatch.setattr("stylebank.bars.time.monotonic", lambda: time[0])
    return time


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    assert list(bar([1, 2, 3], name="counting", unit="thing")) == [1, 2, 3]
    assert "\r" in screen.getvalue()
    assert "counting: 100%|" in screen.getvalue()


def test_a_pipe_has_a_line_now_and_then(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    with counter(7000, name="training", unit="step") as shown:
        for _ in range(7000):
            now[0] += 0.1  # of 700 seconds
            shown.update()
            shown.set_postfix_str("loss=1.5", refresh=False)
    error = capsys.readouterr().err
    lines = error.splitlines()
    assert "\r" not in error
    assert 700 / bars.EVERY <= len(lines) <= 700 / bars.EVERY + 2
    assert re.match(r"training: +1% 5\d/7000 \[00:05<11:\d\d, +10\.\d+step/s", lines[0])
    assert re.match(r"training: 100% 7000/7000 .*loss=1\.5\]$", lines[-1])


def test_a_pipe_has_nothing_of_what_takes_a_moment(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    for _ in bar(range(100)):
        now[0] += bars.FIRST_LINE / 101
    assert capsys.readouterr().err == ""


def test_lines_make_way_for_nothing(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    with counter(2) as shown:
        above("a word")
        above("a warning", error=True)
        shown.update()
    assert capsys.readouterr() == ("a word\n", "a warning\n")


def test_the_first_of_several_processes_shows_its_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], now: list[float]
) -> None:
    for rank, lines in (("0", 1), ("1", 0)):
        monkeypatch.setenv("RANK", rank)
        with counter(1) as shown:
            now[0] += bars.FIRST_LINE + 1
            shown.update()
        assert len(capsys.readouterr().err.splitlines()) == lines


def test_bars_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with Bars() as shown:
        shown.show(0, 2, name="first", unit="file")
        shown.show(2, 2, name="first", unit="file", note="the last")
        shown.show(1, 3, name="second")
        assert shown.total == 3
    text = screen.getvalue()
    assert text.index("first: 100%") < text.index("second:  33%")
    assert "the last" in text
