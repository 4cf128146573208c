"""Measure a bank, or any folder of outputs, against baselines and the optimisation of pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stylebank.bars import Bars, load_torch
from stylebank.cli.arguments import BANK_HELP, at_least, require
from stylebank.errors import ConfigError
from stylebank.evaluation.choices import FIGURE, ITERATIONS, JSON, MEANS, OUTPUTS, REPORT, SIZES, SMALLEST
from stylebank.evaluation.progress import EvaluationProgress
from stylebank.shipped import DEFAULT_BANK

if TYPE_CHECKING:  # else imported when there is work: they import torch
    from stylebank.evaluation.request import EvaluationRequest, FilmRequest

_SIZES = " ".join(f"{side}:{count}" for side, count in SIZES.items())
_BARS = {"outputs": ("outputs", "photograph"), "cards": ("cards", "style"), "optimization": ("optimisation", "it")}
"""Stage -> what its bar is called, and counts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("what is measured")
    subject = group.add_mutually_exclusive_group()
    subject.add_argument("--bank", type=Path, metavar="DIR|NAME", help=BANK_HELP)
    subject.add_argument("--outputs", type=Path, metavar="DIR", help="any program's outputs instead: STYLE/NAME.png")
    pictures = group.add_mutually_exclusive_group(required=True)
    pictures.add_argument(
        "--video", type=Path, metavar="CLIP", help="print how much a film flickers, frame by frame and stabilised"
    )
    pictures.add_argument("--content", nargs="+", metavar="PATH", help="photographs: files, folders, glob patterns")
    pictures.add_argument("--held-out-of", type=Path, metavar="RUN", help="the photographs this run held out")
    group.add_argument("--limit", type=at_least(1), metavar="N", help="take the first N photographs (or frames) only")
    group.add_argument(
        "--styles", type=Path, nargs="+", required=True, metavar="PATH", help="paintings named like the styles"
    )
    group.add_argument(
        "--style-size", type=at_least(1), metavar="N", help="short side of the paintings, else as trained"
    )
    group.add_argument(
        "--sizes",
        nargs="+",
        type=_size,
        metavar="N[:COUNT]",
        help=f"short sides of the photographs, and how many at each, else {_SIZES}; --outputs have their own",
    )
    group = parser.add_argument_group("the report, and how")
    group.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder for {REPORT}, {JSON}, {OUTPUTS}, {MEANS}, {FIGURE}"
    )
    group.add_argument("--overwrite", action="store_true", help="replace a report that is there")
    group.add_argument(
        "--network",
        choices=("vgg19", "vgg16"),
        help="for --outputs: the loss network, else what --loss-weights hold, else vgg19",
    )
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="its weights, .safetensors or .pth")
    group.add_argument("--lpips", action="store_true", help="fetch AlexNet for LPIPS if it is not there")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument(
        "--precision",
        choices=("auto", "bfloat16", "float32"),
        default="auto",
        help="of the bank's and the optimisation's convolutions",
    )
    _add_baseline_arguments(parser.add_argument_group("the optimisation that outputs are compared with"))


def _add_baseline_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--iterations",
        type=at_least(1),
        nargs="+",
        default=list(ITERATIONS),
        metavar="N",
        help="what it is measured after",
    )
    group.add_argument(
        "--no-optimization", "--no-optimisation", action="store_true", help="leave it out; it takes nearly all the time"
    )
    group.add_argument(
        "--pairs-per-photograph", type=at_least(1), metavar="N", help="in N styles each, dealt round, else in all"
    )
    group.add_argument(
        "--long-pairs",
        type=at_least(0),
        metavar="N",
        help="only N pairs of a size go on after the first of --iterations",
    )


def run(options: argparse.Namespace) -> int:
    """Evaluates, writes the report and prints the first part of it; of a film it only prints."""
    require(out=options.video or options.out)
    load_torch()
    if options.video:
        return _measure_film(film_of(options))
    from stylebank.evaluation.run import evaluate

    with Bars() as bars:

        def show(progress: EvaluationProgress) -> None:
            name, unit = _BARS[progress.stage]
            bars.show(progress.done, progress.total, name=name, unit=unit, note=progress.pair)

        result = evaluate(request_of(options), say=_remark, on_progress=show)
    print(result.text.split("## Every measure", 1)[0].rstrip())
    names = [JSON, OUTPUTS, MEANS, *([FIGURE] if result.has_figure else [])]
    print(f"\nWrote {options.out / REPORT}, {', '.join(names[:-1])} and {names[-1]}.")
    return 0


def _measure_film(request: FilmRequest) -> int:
    from stylebank.evaluation.flicker import flicker_table
    from stylebank.evaluation.run import evaluate_film

    with Bars() as bars:

        def show(done: int) -> None:
            bars.show(done, None, name=request.video.name, unit="frame")

        measured = evaluate_film(request, say=_remark, on_frame=show)
    print(flicker_table(measured))
    return 0


def request_of(options: argparse.Namespace) -> EvaluationRequest:
    """What the arguments ask for.

    Raises:
        ConfigError: they contradict each other.
    """
    from stylebank.evaluation.request import EvaluationRequest

    return EvaluationRequest(
        styles=tuple(options.styles),
        out=options.out,
        bank=None if options.outputs else options.bank or DEFAULT_BANK,
        outputs=options.outputs,
        content=tuple(options.content or ()),
        held_out_of=options.held_out_of,
        limit=options.limit,
        sizes=dict(options.sizes) if options.sizes else None,
        style_size=options.style_size,
        network=options.network,
        loss_weights=options.loss_weights,
        lpips=options.lpips,
        iterations=() if options.no_optimization else tuple(options.iterations),
        pairs_per_photograph=options.pairs_per_photograph,
        long_pairs=options.long_pairs,
        overwrite=options.overwrite,
        device=options.device,
        precision=options.precision,
    )


def film_of(options: argparse.Namespace) -> FilmRequest:
    """What the arguments ask for with --video.

    Raises:
        ConfigError: options that do not go with a film.
    """
    from stylebank.evaluation.request import FilmRequest

    if options.outputs:
        raise ConfigError("--video is for banks; it cannot be measured with --outputs.")
    if options.network:
        raise ConfigError("--network is for --outputs; a bank is measured with the network it was trained on.")
    if options.sizes and len(options.sizes) > 1:
        raise ConfigError("A film is measured at one size; give --sizes one number, or leave it out.")
    return FilmRequest(
        bank=options.bank or DEFAULT_BANK,
        video=options.video,
        styles=tuple(options.styles),
        size=options.sizes[0][0] if options.sizes else None,
        limit=options.limit,
        style_size=options.style_size,
        loss_weights=options.loss_weights,
        device=options.device,
        precision=options.precision,
    )


def _remark(text: str) -> None:
    print(text, file=sys.stderr)


def _size(text: str) -> tuple[int, int | None]:
    side, colon, count = text.partition(":")
    try:
        return at_least(SMALLEST, "pixels")(side), at_least(1)(count) if colon else None
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text} is not N or N:COUNT, a short side from {SMALLEST} up and a number from 1 up"
        ) from error
