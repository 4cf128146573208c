"""Kinds of command-line arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def at_least(lowest: int, unit: str = "", highest: int | None = None) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `lowest` up, or up to `highest`.

    Args:
        unit: what is counted, for the message: `at_least(16, "pixels")`.
    """

    def whole_number(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < lowest or (highest is not None and number > highest):
            limits = f"from {lowest} up" if highest is None else f"from {lowest} to {highest}"
            what = " ".join(("a whole number", *(["of", unit] if unit else []), limits))
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return number

    return whole_number
