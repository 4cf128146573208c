"""Stylize pictures with a bank."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from stylebank.checkpoint import find_bank, load_bank
from stylebank.cli import looks
from stylebank.cli.jobs import Job, plan
from stylebank.colors import preserve_colors
from stylebank.errors import ConfigError, StyleBankError
from stylebank.fusion import Recipe
from stylebank.images import find_images, load_picture, resize_short_side, save_picture
from stylebank.strokes import bring_back, check_stroke, resize_to_work
from stylebank.stylizer import Stylizer

DEFAULT_BANK = Path("checkpoints/stylebank-4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument(
        "--bank", type=Path, default=DEFAULT_BANK, metavar="DIR", help="a bank, or the run that made it"
    )
    parser.add_argument("--list", action="store_true", help="print the bank's styles and leave")
    parser.add_argument(
        "--input", nargs="+", action="extend", default=[], metavar="PATH", help="files, folders or glob patterns"
    )
    looks.add_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="PATH", help="a file for one picture, else a folder")
    parser.add_argument("--size", type=_size, metavar="N", help="scale to this short side in pixels first")
    parser.add_argument(
        "--tile", type=_tile, metavar="N|auto", help="work in tiles of N pixels: same result, less memory"
    )
    parser.add_argument(
        "--quality", type=int, choices=range(1, 101), default=95, metavar="1-100", help="of JPEG and WebP"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="auto", help="of the network")


def run(options: argparse.Namespace) -> int:
    """Stylizes every picture in every style asked for; 1 if any of them failed."""
    if options.list:
        return _list(options.bank)
    for name in ("input", "output"):
        if not getattr(options, name):
            raise ConfigError(f"--{name} is missing.")
    check_stroke(options.stroke)
    stylizer = Stylizer.load(options.bank, options.device, options.precision)
    recipes = looks.recipes(options, stylizer)
    jobs = plan(find_images(options.input), list(recipes), options.output, options.overwrite)
    failures = _stylize_all(stylizer, recipes, jobs, options)
    done = len(jobs) - len(failures)
    print(f"Stylized {done} of {len(jobs)} picture(s) in {', '.join(recipes)}: {options.output}")
    for text in failures:
        print(f"Error: {text}", file=sys.stderr)
    return 1 if failures else 0


def _list(bank: Path) -> int:
    for name, record in load_bank(find_bank(bank)).records.items():
        print(f"{name:<32} {record.title}")
    return 0


def _stylize_all(
    stylizer: Stylizer, recipes: dict[str, Recipe], jobs: list[Job], options: argparse.Namespace
) -> list[str]:
    """Does every job; a picture that fails is noted and the rest go on."""
    failures = []
    for job in tqdm(jobs, unit="picture", disable=None if len(jobs) > 1 else True):
        try:
            _stylize_one(stylizer, recipes, job, options)
        except StyleBankError as error:
            text = str(error)
            failures.append(text if str(job.source) in text else f"'{job.source}': {text}")
        except (MemoryError, torch.OutOfMemoryError):
            failures.append(f"'{job.source}' does not fit into memory; give a --tile, or scale it down with --size.")
    return failures


def _stylize_one(stylizer: Stylizer, recipes: dict[str, Recipe], job: Job, options: argparse.Namespace) -> None:
    picture = load_picture(job.source, draft_short_side=options.size)
    rgb, alpha = picture.rgb, picture.alpha
    if options.size:
        rgb = resize_short_side(rgb, options.size)
        alpha = alpha.resize(rgb.size) if alpha else None
    encoded = stylizer.encode(resize_to_work(rgb, options.stroke), options.tile)
    for look, target in job.targets.items():
        image = preserve_colors(bring_back(encoded.stylize(recipes[look]), rgb), rgb, options.preserve_colors)
        save_picture(image, target, alpha=alpha, overwrite=options.overwrite, quality=options.quality)


def _tile(text: str) -> int | None:
    return None if text == "auto" else _size(text)  # None: tiles only where a whole picture would not fit


def _size(text: str) -> int:
    if not text.isdigit() or int(text) < 16:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of pixels from 16 up")
    return int(text)
