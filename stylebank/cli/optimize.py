"""Optimize one picture itself, as the classic programs do: slow, no bank needed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from stylebank.cli import preset_options
from stylebank.errors import ConfigError, TrainingError
from stylebank.images import Picture, check_writable, load_picture, resize_short_side, save_picture
from stylebank.inference.colors import MODES
from stylebank.inference.masks import feather, load_mask
from stylebank.optimize import Optimized, Painting, Preset, Step, optimize_image
from stylebank.optimize.plot import check_plot, plot_losses
from stylebank.optimize.scales import iterations_of, sizes_of

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
        "--feather", type=float, default=0.0, metavar="PX", help="soften masks' edges, in their own pixels"
    )
    group.add_argument("--size", type=_size, metavar="N", help="scale the photograph to this short side in pixels")
    group.add_argument(
        "--preserve-colors",
        nargs="?",
        choices=MODES,
        default="none",
        const="luma",
        help="luma: the photograph's colours in their places; histogram: its palette",
    )
    preset_options.add_arguments(parser)
    group = parser.add_argument_group("the run")
    group.add_argument("--scales", type=int, metavar="N", help="sizes to go through, coarse to fine; 1 is none")
    group.add_argument("--seed", type=int, default=0, help="of the starting noise")
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument(
        "--checkpoint-every",
        type=_count,
        nargs="?",
        const=CHECKPOINTS,
        metavar="N",
        help=f"keep a picture every N iterations ({CHECKPOINTS} if N is not given), beside the output: NAME-0100.png",
    )
    group.add_argument("--progress-plot", type=Path, metavar="FILE", help="draw the losses (needs the extra 'plot')")
    group.add_argument(
        "--quality", type=int, choices=range(1, 101), default=95, metavar="1-100", help="of JPEG and WebP"
    )
    group.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(options: argparse.Namespace) -> int:
    """Optimizes the picture; 0 also when stopped by a signal, with the picture reached by then."""
    preset = preset_options.preset(options)
    photograph = load_picture(options.content, draft_short_side=options.size)
    if options.size:
        rgb = resize_short_side(photograph.rgb, options.size)
        photograph = replace(photograph, rgb=rgb, alpha=photograph.alpha and photograph.alpha.resize(rgb.size))
    total = sum(iterations_of(preset.iterations, len(sizes_of(photograph.rgb.size, options.scales))))
    _check_files(options, total)
    paintings = _paintings(options.style, options.mask, options.feather)
    initial = load_picture(options.initial).rgb if options.initial else None
    with tqdm(total=total, unit="it", dynamic_ncols=True) as bar:

        def follow(step: Step) -> None:
            bar.update()
            bar.set_postfix({name: f"{value:.3g}" for name, value in step.point.terms.items()}, refresh=False)
            if options.checkpoint_every and step.iteration % options.checkpoint_every == 0:
                _save(step.picture(), photograph, _checkpoint(options.output, step.iteration, total), options)

        result = optimize_image(
            photograph.rgb,
            paintings,
            preset,
            initial=initial,
            scales=options.scales,
            seed=options.seed,
            colors=options.preserve_colors,
            weights=options.loss_weights,
            device=options.device,
            callback=follow,
        )
    _save(result.picture, photograph, options.output, options)
    if options.progress_plot:
        plot_losses(result.history, options.progress_plot, options.overwrite)
    return _conclude(result, preset, options.output, total)


def _conclude(result: Optimized, preset: Preset, output: Path, total: int) -> int:
    seconds = sum(minimum.seconds for minimum in result.minima)
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


def _save(image: object, photograph: Picture, path: Path, options: argparse.Namespace) -> None:
    save_picture(image, path, alpha=photograph.alpha, overwrite=options.overwrite, quality=options.quality)  # type: ignore[arg-type]


def _check_files(options: argparse.Namespace, total: int) -> None:
    """Refuses before any work is done what could not be written after it."""
    check_writable(options.output, overwrite=options.overwrite)
    if options.progress_plot:
        check_plot(options.progress_plot, options.overwrite)
    if options.checkpoint_every:
        for iteration in range(options.checkpoint_every, total + 1, options.checkpoint_every):
            check_writable(_checkpoint(options.output, iteration, total), overwrite=options.overwrite)


def _checkpoint(output: Path, iteration: int, total: int) -> Path:
    return output.with_name(f"{output.stem}-{iteration:0{max(4, len(str(total)))}}{output.suffix}")


def _paintings(styles: Sequence[str], masks: Sequence[str], pixels: float) -> list[Painting]:
    files, paintings = [], []
    for text in styles:
        file, weight, scale = _style(text)
        files.append(file)
        paintings.append(Painting(load_picture(file).rgb, weight, scale))
    for text in masks:
        name, equals, mask = text.partition("=")
        if not equals or not mask:
            raise ConfigError(f"--mask {text}: write NAME=FILE.")
        i = _index(name, files)
        paintings[i] = replace(paintings[i], masks=[*paintings[i].masks, feather(load_mask(mask), pixels)])
    return paintings


def _style(text: str) -> tuple[Path, float, float]:
    """`FILE`, `FILE:WEIGHT` or `FILE:WEIGHT:SCALE`; a file whose name has colons is taken as it is."""
    match = re.fullmatch(r"(.+?)(?::([^:\\/]*))?(?::([^:\\/]*))?", text)
    if match is None or Path(text).is_file():
        return Path(text), 1.0, 1.0
    numbers = []
    for part in match.groups()[1:]:
        try:
            numbers.append(float(part) if part else 1.0)
        except ValueError as error:
            raise ConfigError(f"--style {text}: '{part}' is not a number; write FILE:WEIGHT:SCALE.") from error
    return Path(match[1]), numbers[0], numbers[1]


def _index(name: str, files: Sequence[Path]) -> int:
    """Which painting a mask is for."""
    if name.isdecimal() and int(name) < len(files):
        return int(name)
    stems = [file.stem for file in files]
    if stems.count(name) != 1:
        valid = ", ".join(f"{i} or {stem}" if stems.count(stem) == 1 else str(i) for i, stem in enumerate(stems))
        raise ConfigError(f"--mask names no painting '{name}', or several; there is {valid}.")
    return stems.index(name)


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < 16:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of pixels from 16 up")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)
