"""Measure a bank, or any folder of outputs, against baselines and the optimisation of pictures."""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from stylebank.cli.stylize.command import DEFAULT_BANK
from stylebank.device import compute_dtype, resolve_device
from stylebank.errors import ConfigError
from stylebank.evaluation import (
    BankPainter,
    Clock,
    Design,
    Evaluation,
    Fidelity,
    FolderPainter,
    Painter,
    Style,
    load_styles,
    settings_of,
    write_report,
)
from stylebank.evaluation.flicker import flicker_table, frames_of, measure_flicker
from stylebank.evaluation.metrics import StyleMetrics
from stylebank.evaluation.photographs import check_names, held_out_by
from stylebank.evaluation.targets import of_bank, remarks
from stylebank.evaluation.write import FIGURE, JSON, REPORT, check_new
from stylebank.images import find_images
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import StyleSource, find_styles
from stylebank.video import open_reader

SIZES = {256: 10, 512: 5}
ITERATIONS = [50, 100, 300, 500]
COURSES = "optimised"
"""Subfolder of --out for what is kept of optimisations."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    subject = parser.add_mutually_exclusive_group()
    subject.add_argument("--bank", type=Path, metavar="DIR", default=DEFAULT_BANK, help="a bank, or a run that has one")
    subject.add_argument("--outputs", type=Path, metavar="DIR", help="any program's outputs instead: STYLE/NAME.png")
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument(
        "--video", type=Path, metavar="CLIP", help="print how much a film flickers, frame by frame and stabilised"
    )
    pictures.add_argument("--content", nargs="+", metavar="PATH", help="photographs: files, folders, glob patterns")
    pictures.add_argument("--held-out-of", type=Path, metavar="RUN", help="the photographs this run held out")
    parser.add_argument("--limit", type=_positive, metavar="N", help="take the first N photographs (or frames) only")
    parser.add_argument(
        "--styles", type=Path, nargs="+", required=True, metavar="PATH", help="paintings named like the styles"
    )
    parser.add_argument(
        "--style-size", type=_positive, metavar="N", help="short side of the paintings, else as trained"
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=_size,
        metavar="N[:COUNT]",
        help="short sides of the photographs, and how many at each, else 256:10 512:5; --outputs have their own",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"folder for {REPORT}, {JSON}, {FIGURE}")
    parser.add_argument("--overwrite", action="store_true", help="replace a report that is there")
    parser.add_argument("--network", choices=("vgg19", "vgg16"), help="loss network for --outputs, else vgg19")
    parser.add_argument("--loss-weights", type=Path, metavar="FILE", help="its weights, .safetensors or .pth")
    parser.add_argument("--lpips", action="store_true", help="fetch AlexNet for LPIPS if it is not there")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision",
        choices=("auto", "bfloat16", "float32"),
        default="auto",
        help="of the bank's and the optimisation's convolutions",
    )
    group = parser.add_argument_group("the optimisation that outputs are compared with")
    group.add_argument(
        "--iterations", type=_positive, nargs="+", default=ITERATIONS, metavar="N", help="what it is measured after"
    )
    group.add_argument(
        "--no-optimization", "--no-optimisation", action="store_true", help="leave it out; it takes nearly all the time"
    )
    group.add_argument(
        "--pairs-per-photograph", type=_positive, metavar="N", help="in N styles each, dealt round, else in all"
    )
    group.add_argument(
        "--long-pairs", type=_count, metavar="N", help="only N pairs of a size go on after the first of --iterations"
    )


def run(options: argparse.Namespace) -> int:
    """Evaluates, writes the report and prints the first part of it; of a film it only prints."""
    _check(options)
    device = resolve_device(options.device)
    stylizer = None if options.outputs else Stylizer.load(options.bank, options.device, options.precision)
    sources = find_styles(options.styles)
    if stylizer:
        sources = of_bank(stylizer, sources)
    notes = remarks(stylizer, sources) if stylizer else []
    for note in notes:
        print(note, file=sys.stderr)
    configs = settings_of(stylizer, [source.name for source in sources], options.network)
    files = [] if options.video else _photographs(options)
    painter = _painter(stylizer, sources, files, options)
    styles = load_styles(sources, configs, options.loss_weights, device, options.style_size)
    if stylizer and options.video:
        _print_flicker(stylizer, styles, options)
        return 0
    fidelity = Fidelity(device, options.lpips)
    dtype = compute_dtype(device, options.precision)
    evaluation = Evaluation(
        painter, files, styles, _design(options), fidelity, options.out / COURSES, device, dtype, Clock(device)
    )
    result = evaluation.run()
    name = (options.outputs or options.bank).resolve().name
    text = write_report(name, evaluation, result, [*notes, fidelity.note], options.out)
    print(text.split("## Every measure", 1)[0].rstrip())
    print(f"\nWrote {options.out / REPORT}, {JSON}" + (f" and {FIGURE}." if result.courses else "."))
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.outputs and options.sizes:
        raise ConfigError("--sizes is for banks; --outputs are measured at the size they have.")
    if not options.outputs and options.network:
        raise ConfigError("--network is for --outputs; a bank is measured with the network it was trained on.")
    if options.video:
        if options.outputs:
            raise ConfigError("--video is for banks; it cannot be measured with --outputs.")
        if options.sizes and len(options.sizes) > 1:
            raise ConfigError("A film is measured at one size; give --sizes one number, or leave it out.")
        return
    if not options.out:
        raise ConfigError("--out is missing.")
    check_new(options.out, options.overwrite)


def _design(options: argparse.Namespace) -> Design:
    sizes: dict[int | None, int | None] = dict(options.sizes or SIZES.items())
    return Design(
        {None: None} if options.outputs else sizes,
        () if options.no_optimization else tuple(sorted(set(options.iterations))),
        options.pairs_per_photograph,
        options.long_pairs,
    )


def _photographs(options: argparse.Namespace) -> list[Path]:
    """The photographs asked for: named, or those a run held out from its training."""
    found = held_out_by(options.held_out_of) if options.held_out_of else find_images(options.content)
    files = found[: options.limit]
    check_names(files)
    return files


def _painter(
    stylizer: Stylizer | None, sources: list[StyleSource], files: list[Path], options: argparse.Namespace
) -> Painter:
    if stylizer:
        return BankPainter(stylizer)
    return FolderPainter(options.outputs, files, [source.name for source in sources])


def _print_flicker(stylizer: Stylizer, styles: list[Style], options: argparse.Namespace) -> None:
    size = options.sizes[0][0] if options.sizes else None
    frames = islice(frames_of(open_reader(options.video), size), options.limit)
    bar = tqdm(frames, options.video.name, unit="frame", disable=None)
    paintings = {style.name: style.grams for style in styles}
    print(flicker_table(measure_flicker(stylizer, bar, paintings, StyleMetrics(styles[0].objective.network))))


def _size(text: str) -> tuple[int, int | None]:
    side, colon, count = text.partition(":")
    if not side.isdigit() or int(side) < 16 or (colon and not (count.isdigit() and int(count))):
        raise argparse.ArgumentTypeError(f"{text} is not N or N:COUNT, a short side from 16 up and a number from 1 up")
    return int(side), int(count) if colon else None


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)
