"""Stylize pictures and films with a bank."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch

from stylebank.bank.io import find_bank, load_bank
from stylebank.cli.arguments import DEFAULT_BANK
from stylebank.cli.stylize import films, looks, webcam
from stylebank.cli.stylize.bulk import INTERRUPTED, stylize_all, summary
from stylebank.cli.stylize.images import show_regions
from stylebank.cli.stylize.jobs import Existing, find_sources, plan
from stylebank.cli.stylize.looks import Looks
from stylebank.distributed import Processes, SaidElsewhere, join
from stylebank.errors import ConfigError
from stylebank.images import SAVE_FORMATS
from stylebank.inference.stylizer import Stylizer

PATIENCE = timedelta(days=30)  # of a process that has done its share, until the others have


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "--bank", type=Path, default=DEFAULT_BANK, metavar="DIR", help="a bank, or the run that made it"
    )
    parser.add_argument("--list", action="store_true", help="print the bank's styles and leave")
    parser.add_argument(
        "--input",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="PATH",
        help="pictures and films: files, folders or glob patterns",
    )
    parser.add_argument(
        "--webcam", nargs="?", const="0", metavar="N", help="show a camera's pictures in a window; several looks: key n"
    )
    parser.add_argument("--output", type=Path, metavar="PATH", help="a file for one picture or film, else a folder")
    parser.add_argument("--size", type=_size, metavar="N", help="scale to this short side in pixels first")
    parser.add_argument(
        "--tile", type=_tile, metavar="N|auto", help="work in tiles of N pixels: same result, less memory"
    )
    parser.add_argument(
        "--quality", type=int, metavar="N", help="of JPEG and WebP 1 to 100 (best), else 95; of films the encoder's own"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--resume", action="store_true", help="skip files that exist, go on with films begun")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="auto", help="of the network")
    looks.add_arguments(parser)
    films.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Stylizes everything in every look asked for; 1 if any of it failed, 130 if interrupted."""
    if options.list:
        return _list(options.bank)
    if options.webcam is not None:
        return webcam.run(options)
    with join(options.device, PATIENCE) as (processes, device):
        try:
            return _run(options, processes, device)
        except SaidElsewhere:
            time.sleep(1)  # torchrun ends all with the first that fails: let the one speak that has to
            return 1


def _run(options: argparse.Namespace, processes: Processes, device: torch.device) -> int:
    with processes.together():  # nobody begins before everybody has seen what exists
        for name in ("input", *(() if options.show_regions and not options.assign else ("output",))):
            if not getattr(options, name):
                raise ConfigError(f"--{name} is missing.")
        stylizer = Stylizer.load(options.bank, str(device), options.precision)
        wanted = Looks(options, stylizer)
        sources = find_sources(options.input, options.output or Path(), options.frames)
        _check(options, wanted, sources)
        if options.show_regions and processes.is_main:
            _show_regions(wanted, list(sources), options)
        if not wanted.names:
            return 0
        names = [" to ".join(options.style)] if options.sweep else wanted.names
        jobs = plan(sources, names, options.output, Existing(options.overwrite, options.resume), frames=options.frames)
    to_do = [job for job in jobs if job.targets]
    own = stylize_all(
        stylizer, wanted, to_do[processes.rank :: processes.world_size], options, quiet=not processes.is_main
    )
    outcomes = processes.gather(own)
    code = max(outcome.code for outcome in outcomes)
    if processes.is_main:
        text = summary(outcomes, len(to_do), len(jobs) - len(to_do))
        print(
            f"{text}, in {', '.join(names)}: {options.output}", file=sys.stderr if code == INTERRUPTED else sys.stdout
        )
        for failure in (text for outcome in outcomes for text in outcome.failures):
            print(f"Error: {failure}", file=sys.stderr)
    elif code:
        time.sleep(1)  # as in `run`
    return code


def _check(options: argparse.Namespace, wanted: Looks, sources: dict[Path, bool]) -> None:
    """Raises ConfigError for options that do not go with what was found."""
    if any(sources.values()):
        films.check_options(options)
    elif wanted.moving:
        raise ConfigError(f"--mask {next(iter(wanted.moving))} moves; it takes a film to go with it.")
    if not wanted.names and not options.show_regions:
        raise ConfigError("--style is missing.")
    if not all(sources.values()) and options.quality is not None and not 1 <= options.quality <= 100:
        raise ConfigError(f"--quality {options.quality} is out of range; valid is 1 to 100 for pictures.")


def _list(bank: Path) -> int:
    for name, record in load_bank(find_bank(bank)).records.items():
        print(f"{name:<32} {record.title}")
    return 0


def _show_regions(wanted: Looks, sources: list[Path], options: argparse.Namespace) -> None:
    path: Path = options.show_regions
    is_file = path.suffix.lower() in SAVE_FORMATS and not path.is_dir()
    if is_file and len(sources) > 1:
        raise ConfigError(f"--show-regions {path} names one file for {len(sources)} pictures; give a folder.")
    for source in sources:
        target = path if is_file else path / f"{source.stem}.png"
        print("Wrote " + ", ".join(map(str, show_regions(wanted, source, target, options))))


def _tile(text: str) -> int | None:
    return None if text == "auto" else _size(text)  # None: tiles only where a whole picture would not fit


def _size(text: str) -> int:
    if not text.isdigit() or int(text) < 16:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of pixels from 16 up")
    return int(text)
