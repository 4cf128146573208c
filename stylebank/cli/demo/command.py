"""Show what StyleBank does: every style, a new one learned, mixtures, regions, a film."""

from __future__ import annotations

import argparse
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bars import load_torch
from stylebank.cli.arguments import BANK_HELP, at_least
from stylebank.shipped import DEFAULT_BANK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("--bank", type=Path, metavar="DIR|NAME", help=BANK_HELP)
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"), metavar="DIR", help="folder for everything")
    parser.add_argument("--size", type=at_least(16, "pixels"), default=384, metavar="N", help="short side in pixels")
    parser.add_argument("--quick", action="store_true", help="leave out the new style, which takes most of the time")


def run(options: argparse.Namespace) -> int:
    """Shows every part and a sheet of all, and says where everything is; 130 if the training was interrupted."""
    bank = find_bank(options.bank or DEFAULT_BANK)
    load_torch()
    from stylebank.cli.demo.show import show_all

    return show_all(bank, options.out, options.size, quick=options.quick)
