"""Optimize one picture itself, as the classic programs do: slow, no bank needed."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from stylebank.bars import Bars, load_torch
from stylebank.cli import preset_options
from stylebank.cli.arguments import at_least
from stylebank.errors import ConfigError, TrainingError
from stylebank.images import check_writable
from stylebank.inference.choices import COLOR_MODES

if TYPE_CHECKING:  # else imported when there is work: they import torch
    from stylebank.optimize import Optimized, Step
    from stylebank.optimize.run import OptimizeRequest, PaintingFile

CHECKPOINTS = 100  # iterations from one to the next, unless said otherwise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("pictures")
    group.add_argument("--content", type=Path, required=True, metavar="FILE", help="the photograph")
    group.add_argument(
        "--style",
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE[:WEIGHT[:SCALE]]",
        help="paintings, each with a share and a size of strokes",
    )
    group.add_argument("--output", type=Path, required=True, metavar="FILE", help="the picture to write")
    group.add_argument(
        "--mask",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=FILE",
        help="a painting (its file's name without suffix, or its number from 0) only where a grey picture is white",
    )
    group.add_argument(
        "--feather", type=float, default=0.0, metavar="PX", help="soften masks' edges, in pixels of the output"
    )
    group.add_argument(
        "--size", type=at_least(16, "pixels"), metavar="N", help="scale the photograph to this short side in pixels"
    )
    group.add_argument(
        "--preserve-colors",
        nargs="?",
        choices=COLOR_MODES,
        default="none",
        const="luma",
        help="luma: the photograph's colours in their places; histogram: its palette",
    )
    preset_options.add_arguments(parser)
    _add_run_arguments(parser)


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run")
    group.add_argument("--scales", type=int, metavar="N", help="sizes to go through, coarse to fine; 1 is none")
    group.add_argument("--seed", type=at_least(0), default=0, help="of the starting noise")
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument(
        "--checkpoint-every",
        type=at_least(1),
        nargs="?",
        const=CHECKPOINTS,
        metavar="N",
        help=f"keep a picture every N iterations ({CHECKPOINTS} if N is not given), beside the output: NAME-0100.png",
    )
    group.add_argument("--progress-plot", type=Path, metavar="FILE", help="draw the losses (needs the extra 'plot')")
    group.add_argument(
        "--quality", type=int, choices=range(1, 101), default=95, metavar="1-100", help="of JPEG and WebP"
    )
    group.add_argument(
        "--strip-metadata", action="store_true", help="leave out the photograph's date, camera, place, author"
    )
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(options: argparse.Namespace) -> int:
    """Optimizes the picture; 0 also when stopped by a signal, with the picture reached by then."""
    check_writable(options.output, overwrite=options.overwrite)
    load_torch()
    from stylebank.optimize.run import optimize_files

    request = request_of(options)
    with Bars() as bars:

        def follow(step: Step) -> None:
            losses = ", ".join(f"{name}={value:.3g}" for name, value in step.point.terms.items())
            bars.show(step.iteration, step.iterations, note=losses)

        result = optimize_files(request, on_start=lambda total: bars.show(0, total), on_step=follow, say=print)
    return _conclude(result, request, total=bars.total or 0)


def request_of(options: argparse.Namespace) -> OptimizeRequest:
    """What the arguments ask for.

    Raises:
        ConfigError: a text is not of the right form, or an option does not go with the preset.
    """
    from stylebank.cli.preset_choice import preset
    from stylebank.optimize.run import OptimizeRequest

    return OptimizeRequest(
        content=options.content,
        styles=tuple(map(_painting, options.style)),
        output=options.output,
        preset=preset(options),
        masks=tuple(map(_mask, options.mask)),
        feather=options.feather,
        size=options.size,
        colors=options.preserve_colors,
        initial=options.initial,
        scales=options.scales,
        seed=options.seed,
        loss_weights=options.loss_weights,
        device=options.device,
        checkpoint_every=options.checkpoint_every,
        progress_plot=options.progress_plot,
        quality=options.quality,
        overwrite=options.overwrite,
        strip_metadata=options.strip_metadata,
    )


def _conclude(result: Optimized, request: OptimizeRequest, total: int) -> int:
    seconds = sum(minimum.seconds for minimum in result.minima)
    output, preset = request.output, request.preset
    if result.ended == "not finite":
        raise TrainingError(
            f"The loss was no finite number any more after iteration {result.iterations}; the best picture until then "
            f"is in {output}. A lower --lr may help."
        )
    if result.ended == "stopped":
        print(f"Stopped after iteration {result.iterations} of {total}; the picture reached is in {output}.")
        return 0
    best = result.minima[-1].best_point
    which = f", best of iteration {best.iteration} at its size" if preset.keep_best else ""
    print(f"Optimized with {preset.name}, {result.iterations} iterations in {seconds:.0f} s{which}: {output}")
    return 0


def _mask(text: str) -> tuple[str, Path]:
    name, equals, mask = text.partition("=")
    if not equals or not mask:
        raise ConfigError(f"--mask {text}: write NAME=FILE.")
    return name, Path(mask)


def _painting(text: str) -> PaintingFile:
    """`FILE`, `FILE:WEIGHT` or `FILE:WEIGHT:SCALE`; a file whose name has colons is taken as it is."""
    from stylebank.optimize.run import PaintingFile

    match = re.fullmatch(r"(.+?)(?::([^:\\/]*))?(?::([^:\\/]*))?", text)
    if match is None or Path(text).is_file():
        return PaintingFile(Path(text))
    numbers = []
    for part in match.groups()[1:]:
        try:
            numbers.append(float(part) if part else 1.0)
        except ValueError as error:
            raise ConfigError(f"--style {text}: '{part}' is not a number; write FILE:WEIGHT:SCALE.") from error
    return PaintingFile(Path(match[1]), numbers[0], numbers[1])
