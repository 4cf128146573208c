"""Finds the bank that a person means: by a folder, a run's folder, or the name of one that comes with the program."""

from __future__ import annotations

import os
from pathlib import Path

from stylebank.bank.records import MANIFEST
from stylebank.errors import BankError, did_you_mean, relative_to
from stylebank.files import standing_folders
from stylebank.shipped import BANKS, is_bare


def find_bank(path: Path) -> Path:
    """The bank folder a user means: the folder itself, or the `bank` inside a run folder. Nothing on disk changes.

    A bare name that is neither is looked for in `checkpoints/` of the current folder, then among the banks that come
    with the program. While a writer replaces it, this may be where the old one was put aside;
    `records.read_standing` follows it from there.

    Raises:
        BankError: there is no bank.
    """
    places = [Path("checkpoints", path.name), BANKS / path.name] if is_bare(path) else []
    try:
        for place in (path, *places):
            for folder in (place, place / "bank"):
                for here in standing_folders(folder):
                    if (here / MANIFEST).is_file():
                        return here
        there = "holds no bank.json" if path.exists() else "does not exist"
    except (OSError, ValueError) as error:
        there = f"cannot be looked at ({getattr(error, 'strerror', None) or error})"
    guess = did_you_mean(path.name, shipped_banks()) if places else _similar_bank(path)
    known = f"; those that come with the program: {', '.join(shipped_banks())}" if places else ""
    raise BankError(f"{path} is not a bank: it {there}{relative_to(path)}{known}.{guess}")


def _similar_bank(path: Path) -> str:
    """Asks for a bank or run of a similar name in the same folder."""
    try:
        banks = [
            each for each in path.parent.iterdir() if any((each / part / MANIFEST).is_file() for part in ("", "bank"))
        ]
    except (OSError, ValueError):
        return ""
    guess = did_you_mean(path.name, [bank.name for bank in banks if bank.name != path.name])
    return guess.replace("'", f"'{path.parent}{os.sep}", 1) if path.parent != Path() else guess


def shipped_banks() -> list[str]:
    """Names of the banks that come with the program."""
    return sorted(file.parent.name for file in BANKS.glob(f"*/{MANIFEST}"))
