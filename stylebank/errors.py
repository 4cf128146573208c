"""Errors meant for the person at the keyboard: one clear sentence each, caught only by the command line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path


def several(items: Collection[str], most: int = 20) -> str:
    """A list for a message: all of them, or the first ones and how many more there are."""
    more = len(items) - most
    shown = ", ".join(item if len(item) <= 100 else f"{item[:100]}..." for item in islice(items, most))
    return f"{shown} and {more} more" if more > 0 else shown


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to follow a message about a name that is not there, after a space; empty if no other is like it."""
    plain = {name.lower().replace("-", "_"): name for name in known}
    asked = word.lower().replace("-", "_").replace(" ", "_")
    near = difflib.get_close_matches(asked, plain, n=1, cutoff=0.6)
    if not near and len(asked) >= 3:  # a part of the name
        near = [name for name in plain if asked in name][:1]
    return f" Did you mean '{plain[near[0]]}'?" if near else ""


def relative_to(path: Path) -> str:
    """For a message about a path that is not there: ` (looked for in FOLDER)` if it is relative, else nothing."""
    return "" if path.is_absolute() else f" (looked for in {Path.cwd()})"


class StyleBankError(Exception):
    """Base of every error a user can cause or mend; its text says what was wrong, where, and what is valid."""


class ConfigError(StyleBankError):
    """A configuration or an option is unknown, of the wrong type, or out of range."""


class ImageError(StyleBankError):
    """A picture, or a set of pictures, cannot be read or written."""


class BankError(StyleBankError):
    """A bank or style on disk is missing, damaged, foreign, or does not fit the auto-encoder."""


class WeightsError(StyleBankError):
    """The loss network's weights are missing or do not fit."""


class TrainingError(StyleBankError):
    """Training cannot start or cannot go on."""


class ExportError(StyleBankError):
    """A bank cannot be exported, or an exported folder is damaged or computes something else than its bank."""


class MissingExtraError(StyleBankError):
    """An optional dependency is not installed; the text names the extra to install."""


class StyleBankWarning(UserWarning):
    """Something was left out that nothing else depends on; its text is one sentence."""
