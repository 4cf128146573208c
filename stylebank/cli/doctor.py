"""Check what this machine and what is installed on it can do, with --run by trying it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stylebank.bars import load_torch
from stylebank.cli.arguments import BANK_HELP

if TYPE_CHECKING:
    from stylebank.doctor.finding import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--bank", type=Path, metavar="DIR|NAME", help=BANK_HELP)
    parser.add_argument(
        "--run",
        dest="work",
        action="store_true",
        help="also work: train, stylize, film, optimize; a minute on a GPU, minutes without",
    )


def run(options: argparse.Namespace) -> int:
    """Prints a table; 1 if anything is to be mended."""
    load_torch()
    from stylebank.device import resolve_device
    from stylebank.doctor.finding import is_off
    from stylebank.doctor.machine import look_at_machine
    from stylebank.doctor.work import CHECKS, try_work

    device = resolve_device(options.device)
    found = _shown("The machine", look_at_machine(device, options.bank), 20)
    if options.work:
        found += _shown(f"Work on {device}", try_work(device), max(map(len, CHECKS)))
    count = sum(finding.state == "off" for finding in found)
    print(f"\n{count} of {len(found)} checks are off." if count else f"\nNothing of {len(found)} checks is off.")
    return int(is_off(found))


def _shown(heading: str, findings: Iterable[Finding], width: int) -> list[Finding]:
    """Prints each finding when it is there."""
    from stylebank.doctor.finding import row

    print(f"{heading}:", flush=True)
    found = []
    for finding in findings:
        print(row(finding, width), flush=True)
        found.append(finding)
    return found
