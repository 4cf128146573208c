"""Train a bank on photographs and paintings, or add styles to one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylebank.bars import above, load_torch
from stylebank.cli.arguments import CONFIG_HELP, at_least, config_overrides, require

if TYPE_CHECKING:  # else imported when there is work: they import torch
    from stylebank.training.request import TrainRequest

MOST_STYLES = 20  # whose numbers are printed at the end


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("what to train")
    group.add_argument("--config", type=Path, metavar="FILE|NAME", help=CONFIG_HELP)
    group.add_argument("--content", type=Path, metavar="DIR", help="photographs, a folder tree (data.content)")
    group.add_argument(
        "--styles", type=Path, nargs="+", metavar="PATH", help="paintings: files or folders (data.styles)"
    )
    group.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    group.add_argument(
        "--start-from",
        type=Path,
        metavar="DIR",
        help="begin with a bank's auto-encoder, and its filters for styles of the same names; all of them train on",
    )
    group = parser.add_argument_group("adding styles to a bank")
    group.add_argument(
        "--bank",
        type=Path,
        metavar="DIR|NAME",
        help="the bank to add to, or to train a predictor for; not modified without --in-place",
    )
    group.add_argument("--add-style", type=Path, nargs="+", metavar="PATH", help="paintings to add: files or folders")
    group.add_argument(
        "--name", nargs="+", metavar="NAME", help="names of the added styles, else from the files' names"
    )
    group.add_argument(
        "--start",
        choices=("auto", "identity", "predicted", "own"),
        default="auto",
        help="what added filters begin as: near the identity, as the bank's predictor makes them, or as the bank's own "
        "filter of the same name, which is trained on and takes its place in the result; auto: predicted, if the bank "
        "has a predictor, else identity",
    )
    group.add_argument("--in-place", action="store_true", help="write the result over --bank instead of to --out")
    group = parser.add_argument_group("where")
    group.add_argument("--out", type=Path, metavar="DIR", help="folder of the run, or of the new bank with --add-style")
    group.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        choices=["auto"],
        help="go on with the run in --out; auto: begin it if there is none yet",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    group.add_argument(
        "--skip-nonfinite",
        type=at_least(0),
        default=0,
        metavar="K",
        help="leave out up to K steps of a run whose loss or gradient is not finite, instead of stopping at the first",
    )


def run(options: argparse.Namespace) -> int:
    """Trains, resumes or adds styles as asked; 0 also when stopped by a signal after saving."""
    _check(options)
    load_torch()
    from stylebank.distributed import SaidElsewhere
    from stylebank.training.run import train

    try:
        result = train(request_of(options), say=above)
    except SystemExit:
        print("Stopped; what was saved stays, and --resume goes on from it.", file=sys.stderr)
        raise
    except SaidElsewhere:
        return 1
    if result.report_file is None:  # another process speaks
        return 0
    if result.finished:
        for line in _measured(result.report):
            print(line)
        print(f"Done: the bank is in {result.bank}, the report in {result.report_file}.")
    else:
        print(f"Stopped after step {result.step} of {result.steps}; the same command with --resume goes on.")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises UsageError for all that is missing, before anything is imported that takes a while."""
    needed = {"out": options.out or options.in_place}
    if options.add_style and not options.resume:
        needed |= {"bank": options.bank}
    require(**needed)


def _measured(report: Mapping[str, Any]) -> Iterator[str]:
    """What the new styles came to on the photographs held out, a line each; nothing if there were none."""
    styles = report["metrics"].get("styles", {})
    count = report.get("photographs_per_style", len(report["held_out"]))
    for name, metrics in list(styles.items())[:MOST_STYLES]:
        yield (
            f"{name}: style gap closed {metrics['style_gap_closed']:.2f} (0 is the photograph, 1 the painting's own "
            f"texture), content distance {metrics['content_distance']:.2f}, on {count} photograph(s) held out."
        )
    if more := len(styles) - MOST_STYLES:
        yield from [f"... and {more} more styles in the report."] if more > 0 else []


def request_of(options: argparse.Namespace) -> TrainRequest:
    """What the arguments ask for.

    Raises:
        ConfigError: a --set is not of the right form.
    """
    from stylebank.training.request import TrainRequest

    return TrainRequest(
        out=options.out,
        config=options.config,
        overrides=config_overrides(options),
        start_from=options.start_from,
        bank=options.bank,
        add_style=tuple(options.add_style or ()),
        names=tuple(options.name or ()),
        start=options.start,
        in_place=options.in_place,
        resume=options.resume,
        device=options.device,
        loss_weights=options.loss_weights,
        skip_nonfinite=options.skip_nonfinite,
    )
