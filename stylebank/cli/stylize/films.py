"""Stylizing films, animations and folders of frames, one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from stylebank.cli.stylize.jobs import Job
from stylebank.cli.stylize.looks import Looks, masked_weights
from stylebank.errors import ConfigError
from stylebank.files import sha256_of
from stylebank.films.moving_masks import MovingMask
from stylebank.films.stabilize import METHODS
from stylebank.films.stylize import FilmStylizer, Profile
from stylebank.inference.strokes import work_size
from stylebank.inference.stylizer import Stylizer
from stylebank.video import FrameReader, VideoError, open_reader, open_writer

DECISIVE = (
    *("style", "raw_weights", "alpha", "outside", "feather", "preserve_colors", "stroke"),
    *("size", "assign", "stabilize", "precision"),
)
"""The options that decide what frames look like."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options that are for films alone."""
    group = parser.add_argument_group("films, animations, folders of frames")
    group.add_argument(
        "--stabilize",
        nargs="?",
        const=METHODS[0],
        choices=METHODS,
        help=f"less flicker: {METHODS[0]} (quick) if no method is named, or flow (optical flow)",
    )
    group.add_argument("--start", type=float, metavar="SECONDS", help="begin here")
    group.add_argument("--end", type=float, metavar="SECONDS", help="end here")
    group.add_argument("--frames", action="store_true", help="folders are films' frames, and films become such folders")
    group.add_argument("--fps", type=float, metavar="N", help="frames per second of a folder of frames, else 25")
    group.add_argument("--codec", metavar="NAME", help="encoder, as FFmpeg calls it, else the container's usual one")
    group.add_argument("--preset", metavar="NAME", help="of the encoder: speed against size")
    group.add_argument("--batch", type=int, metavar="N", help="frames through the network at a time, else by size")
    group.add_argument("--lenient", action="store_true", help="read damaged films as far as possible")
    group.add_argument("--drop-streams", action="store_true", help="leave out sound and titles the output cannot hold")
    group.add_argument("--profile", action="store_true", help="print where the time went")


def check_options(options: argparse.Namespace) -> None:
    """Raises ConfigError for options that are for single pictures alone."""
    if options.sweep:
        raise ConfigError("--sweep makes a strip of one picture; it cannot be made of a film.")
    if options.regions or options.show_regions:
        raise ConfigError(
            "--regions and --show-regions would find other regions in every frame of a film; give it masks or a "
            "--label-map."
        )


def stylize_film(
    stylizer: Stylizer, looks: Looks, job: Job, options: argparse.Namespace, stopped: Callable[[], bool]
) -> None:
    """Writes one film in every look.

    Raises:
        StyleBankError: it cannot be read, stylized or written.
        KeyboardInterrupt: `stopped` said so; what is done is a film that can be played, and can be gone on with.
    """
    fps = options.fps if job.source.is_dir() else None
    reader = open_reader(job.source, options.start, options.end, fps=fps, strict=not options.lenient)
    size = _size(reader, options.size)
    work_size(size, options.stroke)
    first = Image.new("RGB", size)  # no recipe for films depends on what a frame shows
    for name, target in job.targets.items():
        moving = [
            (
                masked_weights(text, options, stylizer),
                MovingMask(path, reader, options.start, options.end, options.feather),
            )
            for text, path in looks.moving.items()
        ]
        film = FilmStylizer(
            stylizer,
            looks.recipes(first)[name],
            moving,
            size,
            options.stroke,
            options.preserve_colors,
            options.tile,
            options.batch,
            options.stabilize,
        )
        profile = _run(film, reader, target, {"look": name, **_settings(stylizer, looks, options)}, options, stopped)
        if options.profile:
            tqdm.write(f"{target}: {profile}")


def _run(
    film: FilmStylizer,
    reader: FrameReader,
    target: Path,
    settings: dict[str, Any],
    options: argparse.Namespace,
    stopped: Callable[[], bool],
) -> Profile:
    writer = open_writer(
        target,
        reader,
        film.size,
        codec=options.codec,
        quality=options.quality,
        preset=options.preset,
        overwrite=options.overwrite,
        resume=options.resume,
        settings=settings,
        drop=options.drop_streams,
    )
    done = writer.position.index
    with writer, tqdm(total=reader.expected, initial=done, unit="frame", desc=target.name, disable=None) as bar:
        profile = film.run(reader, writer, bar.update, stopped)
    for text in getattr(writer, "left_out", []):
        tqdm.write(f"{target}: left out {text}, which the container cannot hold.")
    return profile


def _size(reader: FrameReader, short_side: int | None) -> tuple[int, int]:
    """(W, H) of the output; scaled ones are even, as most players want them."""
    width, height = reader.info.size
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    if scale > 8:
        raise VideoError(f"'{reader.path}' is {width}x{height}; --size {short_side} enlarges it more than 8 times.")
    return max(16, round(width * scale / 2) * 2), max(16, round(height * scale / 2) * 2)


def _settings(stylizer: Stylizer, looks: Looks, options: argparse.Namespace) -> dict[str, Any]:
    """All that decides what the frames look like, to be compared when a film is gone on with."""
    files = [Path(text.partition("=")[2]) for text in options.mask] + ([options.label_map] if options.label_map else [])
    manifest = stylizer.bank.manifest
    return {
        **{name: getattr(options, name) for name in DECISIVE},
        "mask": [str(text) for text in options.mask],
        "label_map": options.label_map and str(options.label_map),
        "files": [sha256_of(file) if file.is_file() else len(list(file.iterdir())) for file in files],
        "bank": [manifest.autoencoder_sha256, *(record.sha256 for record in stylizer.bank.records.values())],
    }
