"""Stylize pictures and films with a bank."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from stylebank.checkpoint import find_bank, load_bank
from stylebank.cli import films, looks, webcam
from stylebank.cli.films import stylize_film
from stylebank.cli.jobs import Existing, Job, find_sources, plan
from stylebank.cli.looks import Looks
from stylebank.cli.pictures import show_regions, stylize_picture
from stylebank.errors import ConfigError, StyleBankError
from stylebank.images import SAVE_FORMATS
from stylebank.interrupt import StopRequest
from stylebank.stylizer import Stylizer

DEFAULT_BANK = Path("checkpoints/stylebank-4")
INTERRUPTED = 130  # exit code


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
    for name in ("input", *(() if options.show_regions and not options.assign else ("output",))):
        if not getattr(options, name):
            raise ConfigError(f"--{name} is missing.")
    stylizer = Stylizer.load(options.bank, options.device, options.precision)
    wanted = Looks(options, stylizer)
    sources = find_sources(options.input, options.output or Path(), options.frames)
    if any(sources.values()):
        films.check_options(options)
    elif wanted.moving:
        raise ConfigError(f"--mask {next(iter(wanted.moving))} moves; it takes a film to go with it.")
    if options.show_regions:
        _show_regions(wanted, list(sources), options)
        if not wanted.names:
            return 0
    if not wanted.names:
        raise ConfigError("--style is missing.")
    if not all(sources.values()) and options.quality is not None and not 1 <= options.quality <= 100:
        raise ConfigError(f"--quality {options.quality} is out of range; valid is 1 to 100 for pictures.")
    names = [" to ".join(options.style)] if options.sweep else wanted.names
    jobs = plan(sources, names, options.output, Existing(options.overwrite, options.resume), frames=options.frames)
    return _stylize_all(stylizer, wanted, names, jobs, options)


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


def _stylize_all(
    stylizer: Stylizer, wanted: Looks, names: Sequence[str], jobs: list[Job], options: argparse.Namespace
) -> int:
    """Does every job; one that fails is noted and the rest go on."""
    failures: list[str] = []
    to_do = [job for job in jobs if job.targets]
    with StopRequest() as requests:
        for count, job in enumerate(_bar(to_do)):
            if requests.requested:
                return _interrupted(count, len(to_do))
            try:
                _stylize_one(stylizer, wanted, job, options, lambda: requests.requested)
            except KeyboardInterrupt:
                return _interrupted(count, len(to_do))
            except StyleBankError as error:
                text = str(error)
                failures.append(text if str(job.source) in text else f"'{job.source}': {text}")
            except (MemoryError, torch.OutOfMemoryError):
                failures.append(
                    f"'{job.source}' does not fit into memory; give a --tile, or scale it down with --size."
                )
    kind = "film" if jobs and all(job.film for job in jobs) else "picture"
    skipped = f", {len(jobs) - len(to_do)} were there" if len(to_do) < len(jobs) else ""
    done = len(to_do) - len(failures)
    print(f"Stylized {done} of {len(jobs)} {kind}(s) in {', '.join(names)}{skipped}: {options.output}")
    for text in failures:
        print(f"Error: {text}", file=sys.stderr)
    return 1 if failures else 0


def _bar(jobs: list[Job]) -> tqdm[Job]:
    """Progress over pictures; films have bars of their own."""
    quiet = len(jobs) < 2 or any(job.film for job in jobs)
    return tqdm(jobs, unit="picture", disable=True if quiet else None)


def _stylize_one(
    stylizer: Stylizer, wanted: Looks, job: Job, options: argparse.Namespace, stopped: Callable[[], bool]
) -> None:
    if job.film:
        stylize_film(stylizer, wanted, job, options, stopped)
    else:
        stylize_picture(stylizer, wanted, job, options)


def _interrupted(done: int, total: int) -> int:
    print(
        f"Interrupted; {done} of {total} done. What there is of a film lies beside it as NAME.partial; the same "
        "command with --resume goes on.",
        file=sys.stderr,
    )
    return INTERRUPTED


def _tile(text: str) -> int | None:
    return None if text == "auto" else _size(text)  # None: tiles only where a whole picture would not fit


def _size(text: str) -> int:
    if not text.isdigit() or int(text) < 16:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of pixels from 16 up")
    return int(text)
