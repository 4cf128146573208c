"""Kinds of command-line arguments."""

from __future__ import annotations

import argparse

import pytest

from stylebank.cli import main
from stylebank.cli.arguments import at_least


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("064", 64)])
def test_whole_numbers_are_taken(text: str, number: int) -> None:
    assert at_least(0)(text) == number


@pytest.mark.parametrize("text", ["15", "-16", "16.0", "1e3", "", "²", "sixteen"])
def test_others_are_refused_with_what_is_valid(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number of pixels from 16 up"):
        at_least(16, "pixels")(text)


def test_there_may_be_a_highest() -> None:
    assert at_least(2, highest=64)("64") == 64
    with pytest.raises(argparse.ArgumentTypeError, match="65 is not a whole number from 2 to 64"):
        at_least(2, highest=64)("65")


@pytest.mark.parametrize("command", ["train", "stylize", "evaluate", "study", "optimize"])
def test_help_tells_defaults_that_say_something(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: auto)" in text
    for nothing in ("None", "False", "[]"):
        assert f"(default: {nothing})" not in text
