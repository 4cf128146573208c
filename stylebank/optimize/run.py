"""An optimisation of files: pictures are read, optimised and written. The function behind `stylebank optimize`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from stylebank.errors import ConfigError
from stylebank.images import Picture, check_writable, load_picture, resize_short_side, save_picture
from stylebank.inference.masks import feather, load_mask
from stylebank.losses.weights import settle_network
from stylebank.optimize.coarse_to_fine import Optimized, Step
from stylebank.optimize.paintings import Painting
from stylebank.optimize.picture import optimize_image
from stylebank.optimize.plot import check_plot, plot_losses
from stylebank.optimize.presets import Preset, with_network
from stylebank.optimize.scales import iterations_of, sizes_of


@dataclass(frozen=True)
class PaintingFile:
    """A painting on disk, with its share and its size of strokes; see `Painting`."""

    path: Path
    weight: float = 1.0
    scale: float = 1.0


@dataclass(frozen=True)
class OptimizeRequest:
    """A photograph to optimise in the style of paintings."""

    content: Path
    styles: Sequence[PaintingFile]
    output: Path
    preset: Preset
    masks: Sequence[tuple[str, Path]] = ()
    """(painting, grey picture): it goes only where that is white. It is called by its file's stem, or its number."""
    feather: float = 0.0
    """Width of the masks' soft edges, in their own pixels."""
    size: int | None = None
    """Short side in pixels to scale the photograph to."""
    colors: str = "none"
    initial: Path | None = None
    """The picture to start from, else the photograph."""
    scales: int | None = None
    seed: int = 0
    loss_weights: Path | None = None
    device: str = "auto"
    checkpoint_every: int | None = None
    """Iterations from one picture that is kept beside the output to the next: NAME-0100.png."""
    progress_plot: Path | None = None
    quality: int = 95
    overwrite: bool = False
    strip_metadata: bool = False
    """Leave out what the photograph's file says of it: date, camera, place, author."""


def optimize_files(
    request: OptimizeRequest,
    *,
    on_start: Callable[[int], object] = lambda _: None,
    on_step: Callable[[Step], object] = lambda _: None,
    say: Callable[[str], object] = lambda _: None,
) -> Optimized:
    """Optimizes the picture and writes it, with the pictures in between and the plot that were asked for.

    Stopped by a signal, or by a loss that is not finite, it writes the picture reached by then.

    Args:
        on_start: called with the number of iterations to come, over all scales.
        on_step: called after every iteration.
        say: called with what a person should know beforehand: the weights given are of
            another network than the preset's.

    Raises:
        ConfigError: an option is out of range, or a mask names no painting.
        ImageError: a picture cannot be read or written, or a file exists and may not be replaced.
        WeightsError: the loss network's weights are missing or lack a layer.
        TrainingError: the loss is not finite from the start.
    """
    photograph = _photograph(request)
    total = total_iterations(request, photograph.rgb.size)
    _check_files(request, total)
    paintings = _paintings(request, photograph.rgb.size)
    initial = load_picture(request.initial).rgb if request.initial else None
    preset = with_network(request.preset, settle_network(request.preset.network, request.loss_weights, say))
    on_start(total)

    def follow(step: Step) -> None:
        on_step(step)
        if request.checkpoint_every and step.iteration % request.checkpoint_every == 0:
            _save(step.picture(), photograph, _checkpoint(request.output, step.iteration, total), request)

    result = optimize_image(
        photograph.rgb,
        paintings,
        preset,
        initial=initial,
        scales=request.scales,
        seed=request.seed,
        colors=request.colors,
        weights=request.loss_weights,
        device=request.device,
        callback=follow,
    )
    _save(result.picture, photograph, request.output, request)
    if request.progress_plot:
        plot_losses(result.history, request.progress_plot, request.overwrite)
    return result


def total_iterations(request: OptimizeRequest, size: tuple[int, int]) -> int:
    """How many iterations there are at most over all scales, for a photograph of (width, height)."""
    return sum(iterations_of(request.preset.iterations, len(sizes_of(size, request.scales))))


def _photograph(request: OptimizeRequest) -> Picture:
    photograph = load_picture(request.content, draft_short_side=request.size, with_metadata=not request.strip_metadata)
    if not request.size:
        return photograph
    rgb = resize_short_side(photograph.rgb, request.size)
    return replace(photograph, rgb=rgb, alpha=photograph.alpha and photograph.alpha.resize(rgb.size))


def _save(image: Image.Image, photograph: Picture, path: Path, request: OptimizeRequest) -> None:
    save_picture(
        image,
        path,
        alpha=photograph.alpha,
        overwrite=request.overwrite,
        quality=request.quality,
        metadata=photograph.metadata,
    )


def _check_files(request: OptimizeRequest, total: int) -> None:
    """Refuses before any work is done what could not be written after it."""
    check_writable(request.output, overwrite=request.overwrite)
    if request.progress_plot:
        check_plot(request.progress_plot, request.overwrite)
    if request.checkpoint_every:
        for iteration in range(request.checkpoint_every, total + 1, request.checkpoint_every):
            check_writable(_checkpoint(request.output, iteration, total), overwrite=request.overwrite)


def _checkpoint(output: Path, iteration: int, total: int) -> Path:
    return output.with_name(f"{output.stem}-{iteration:0{max(4, len(str(total)))}}{output.suffix}")


def _paintings(request: OptimizeRequest, size: tuple[int, int]) -> list[Painting]:
    """The paintings with their masks, for a photograph of `size` (W, H)."""
    paintings = [Painting(load_picture(file.path).rgb, file.weight, file.scale) for file in request.styles]
    for name, mask in request.masks:
        i = _index(name, [file.path for file in request.styles])
        masks = [*paintings[i].masks, feather(load_mask(mask), request.feather, size)]
        paintings[i] = replace(paintings[i], masks=masks)
    return paintings


def _index(name: str, files: Sequence[Path]) -> int:
    """Which painting a mask is for."""
    if name.isdecimal() and int(name) < len(files):
        return int(name)
    stems = [file.stem for file in files]
    if stems.count(name) != 1:
        valid = ", ".join(f"{i} or {stem}" if stems.count(stem) == 1 else str(i) for i, stem in enumerate(stems))
        raise ConfigError(f"--mask names no painting '{name}', or several; there is {valid}.")
    return stems.index(name)
