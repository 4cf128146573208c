"""Train small banks over a grid of parameters and compare them: what each parameter does."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stylebank.cli.training_plan import overrides
from stylebank.device import resolve_device
from stylebank.errors import ConfigError
from stylebank.images import load_picture
from stylebank.signals import leaving_on_sigterm
from stylebank.sweeps import JSON, PICTURE, TABLE, Study, check, draw_grid, make_grid, run_study, write_table


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
    group.add_argument("--seeds", type=_seed, nargs="+", metavar="N", help="train each combination with these seeds")
    group = parser.add_argument_group("what all runs have in common")
    group.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration, see configs/study.yaml")
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
    if not options.vary and not options.seeds:
        raise ConfigError("There is nothing to vary; give --vary KEY=VALUE,... or --seeds.")
    with leaving_on_sigterm():
        try:
            return _run(options)
        except SystemExit:
            print("Stopped; the same command goes on.", file=sys.stderr)
            raise


def _run(options: argparse.Namespace) -> int:
    cells = make_grid(options.config, overrides(options), options.vary, options.seeds)
    study, device = Study(options.out, cells), resolve_device(options.device)
    if options.photograph:
        load_picture(options.photograph)  # or it would be missed only after the last run
    todo = sum(study.entries[cell.name].state != "done" for cell in cells)
    if todo:
        check(cells, options.loss_weights)
    _say(f"{len(cells)} runs, {len(cells) - todo} of them done already; {device}.")
    finished = run_study(study, cells, device, options.loss_weights, _say)
    if not finished:
        print("Stopped; the same command goes on.")
        return 0
    write_table(study)
    picture = draw_grid(study, options.device, options.photograph)
    failed = [cell.name for cell in cells if study.entries[cell.name].state == "failed"]
    files = f"{options.out / TABLE}, {JSON}" + (f" and {PICTURE}" if picture else "")
    print(f"{len(cells) - len(failed)} of {len(cells)} runs are done. Wrote {files}.")
    if failed:
        print(f"{len(failed)} failed, the reasons are in {TABLE}; the same command tries them again.", file=sys.stderr)
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # into a log file, too, as it happens


def _seed(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)
