"""Kinds of command-line arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from stylebank.errors import ConfigError
from stylebank.shipped import DEFAULT_BANK, shipped_configs

BANK_HELP = f"a bank's folder or name, or the run that made it; else {DEFAULT_BANK.name}, which comes with the program"
CONFIG_HELP = f"YAML configuration: a file, or one that comes with the program: {', '.join(shipped_configs())}"


class UsageError(ConfigError):
    """Something was not said that a command needs: wrong usage, as argparse has it, whose exit code is 2."""


def require(**given: object) -> None:
    """Returns if every option has a value.

    Args:
        given: what an option was given, by its name with underscores.

    Raises:
        UsageError: with all that are missing.
    """
    missing = [f"--{name.replace('_', '-')}" for name, value in given.items() if not value]
    if missing:
        *others, last = missing
        raise UsageError(f"{', '.join(others)} and {last} are missing." if others else f"{last} is missing.")


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


def config_overrides(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of configuration keys: `--set`, then the options that stand for some.

    Raises:
        ConfigError: a text is not `section.key=value`; with all else that is wrong in the configuration.
    """
    from stylebank.config_files import load_config, read_overrides

    tree, problems = read_overrides(options.set)
    given = {"content": options.content, "styles": tuple(options.styles) if options.styles else None}
    for key, value in given.items():
        if value is not None:
            tree.setdefault("data", {})[key] = value
    if problems:
        load_config(options.config, tree, problems=problems)
    return tree
