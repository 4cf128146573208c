"""Print a script that completes commands, options, styles and files in a shell."""

from __future__ import annotations

import argparse
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bank.records import read_manifest
from stylebank.errors import BankError, MissingExtraError
from stylebank.shipped import DEFAULT_BANK
from stylebank.styles import IDENTITY

SHELLS = ("bash", "zsh", "fish", "tcsh")
_FILES = {"FILE", "PATH", "CLIP"}  # metavars, of several the first
_FOLDERS = {"DIR", "RUN"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("shell", choices=SHELLS, help="the shell to write for")


def run(options: argparse.Namespace) -> int:
    """Prints the script for the parser that `stylebank.cli` left a way to in the options."""
    print(script(options.whole(), options.shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a parser; it says what there is to complete itself, so that no key waits for Python.

    Raises:
        MissingExtraError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError("Completion needs shtab: pip install 'stylebank[completion]'.") from error
    styles = _styles()
    for action in _actions(parser):
        metavar = action.metavar.split("|")[0] if isinstance(action.metavar, str) else ""
        if action.dest == "style" and metavar.startswith("NAME"):
            action.choices = styles  # for the script alone: a mixture is none of them, and this parser parses nothing
        elif metavar in _FOLDERS or (not action.option_strings and action.type is Path):
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif metavar in _FILES or action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def _styles() -> list[str]:
    try:
        return [*read_manifest(find_bank(DEFAULT_BANK)).styles, IDENTITY, "all"]
    except BankError:
        return [IDENTITY, "all"]


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every option and argument of a parser and of its commands."""
    found: list[argparse.Action] = []
    for action in parser._actions:
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found += _actions(inner)
    return found
