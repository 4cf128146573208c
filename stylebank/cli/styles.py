"""Show the styles of a bank: their names, and what they are painted after."""

from __future__ import annotations

import argparse
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bank.records import read_style_records
from stylebank.cli.arguments import BANK_HELP
from stylebank.shipped import DEFAULT_BANK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("--bank", type=Path, metavar="DIR|NAME", help=BANK_HELP)


def run(options: argparse.Namespace) -> int:
    """Prints a line for each style."""
    records = read_style_records(find_bank(options.bank or DEFAULT_BANK))
    width = max(map(len, records), default=0)
    for name, record in records.items():
        state = f"  unfinished ({record.unfinished})" if record.unfinished else ""
        print(f"{name:<{width}}  {record.title}{state}")
    return 0
