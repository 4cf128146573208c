"""Train small banks over a grid of parameters and compare them: what each parameter does."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stylebank.bars import above, load_torch
from stylebank.cli.arguments import CONFIG_HELP, at_least, config_overrides
from stylebank.signals import leaving_on_sigterm
from stylebank.sweeps.names import CSV, JSON, PICTURE, TABLE

if TYPE_CHECKING:  # else imported when there is work: it imports torch
    from stylebank.sweeps.study import StudyRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("what to vary")
    group.add_argument(
        "--vary",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE,...",
        help="config keys and their values (YAML); every combination is a run",
    )
    group.add_argument(
        "--seeds", type=at_least(0), nargs="+", metavar="N", help="train each combination with these seeds"
    )
    group = parser.add_argument_group("what all runs have in common")
    group.add_argument("--config", type=Path, metavar="FILE|NAME", help=CONFIG_HELP)
    group.add_argument("--content", type=Path, metavar="DIR", help="photographs, a folder tree (data.content)")
    group.add_argument(
        "--styles", type=Path, nargs="+", metavar="PATH", help="paintings: files or folders (data.styles)"
    )
    group.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group = parser.add_argument_group("where")
    group.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the study; the same command goes on there, other values of the same keys are added to it",
    )
    group.add_argument(
        "--photograph", type=Path, metavar="FILE", help=f"shown in {PICTURE}, else one that each run held out"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the study; 0 also when stopped by a signal, 1 if a run failed."""
    load_torch()
    from stylebank.sweeps.study import carry_out

    request = request_of(options)
    with leaving_on_sigterm():
        try:
            result = carry_out(request, above)
        except SystemExit:
            print("Stopped; the same command goes on.", file=sys.stderr)
            raise
    if not result.finished:
        print("Stopped; the same command goes on.")
        return 0
    files = f"{request.out / TABLE}, {CSV}, {JSON}" + (f" and {PICTURE}" if result.picture else "")
    print(f"{result.runs - len(result.failed)} of {result.runs} runs are done. Wrote {files}.")
    if count := len(result.failed):
        print(f"{count} failed, the reasons are in {TABLE}; the same command tries them again.", file=sys.stderr)
    return 1 if result.failed else 0


def request_of(options: argparse.Namespace) -> StudyRequest:
    """What the arguments ask for.

    Raises:
        ConfigError: a --set is not of the right form.
    """
    from stylebank.sweeps.study import StudyRequest

    return StudyRequest(
        out=options.out,
        vary=tuple(options.vary),
        seeds=tuple(options.seeds or ()),
        config=options.config,
        overrides=config_overrides(options),
        photograph=options.photograph,
        device=options.device,
        loss_weights=options.loss_weights,
    )
