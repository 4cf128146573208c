"""Stylizing films, animations and folders of frames, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from stylebank.bars import above, counter
from stylebank.cli.stylize.jobs import Job
from stylebank.cli.stylize.look_options import LookOptions
from stylebank.cli.stylize.looks import Looks
from stylebank.cli.stylize.options import StylizeOptions
from stylebank.errors import ConfigError
from stylebank.files import fingerprint_of, sha256_of
from stylebank.films.moving_masks import MovingMask
from stylebank.films.profile import Profile
from stylebank.films.stylize import FilmStylizer, output_size
from stylebank.inference.strokes import stroke_for, work_size
from stylebank.inference.stylizer import Stylizer
from stylebank.video import FrameReader, open_reader, open_writer


def check_films(looks: LookOptions) -> None:
    """Raises ConfigError for options that are for single pictures alone."""
    if looks.sweep:
        raise ConfigError("--sweep makes a strip of one picture; it cannot be made of a film.")
    if looks.regions.method or looks.regions.show:
        raise ConfigError(
            "--regions and --show-regions would find other regions in every frame of a film; give it masks or a "
            "--label-map."
        )


def stylize_film(
    stylizer: Stylizer, looks: Looks, job: Job, options: StylizeOptions, stopped: Callable[[], bool]
) -> list[str]:
    """Writes one film in every look. Returns which of its streams were left out.

    Raises:
        StyleBankError: it cannot be read, stylized or written.
        KeyboardInterrupt: `stopped` said so; what is done is a film that can be played, and can be gone on with.
    """
    how = options.films
    fps = how.fps if job.source.is_dir() else None
    reader = open_reader(job.source, how.start, how.end, fps=fps, strict=not how.lenient)
    size = output_size(reader, options.size)
    work_size(size, options.looks.stroke)
    left_out: list[str] = []
    first = Image.new("RGB", size)  # no recipe for films depends on what a frame shows
    for name, target in job.targets.items():
        film = FilmStylizer(
            stylizer,
            looks.recipes(first)[name],
            moving=[
                (weights, MovingMask(mask.path, reader, how.start, how.end, options.looks.feather, size))
                for weights, mask in looks.moving
            ],
            size=size,
            stroke=options.looks.stroke,
            colors=options.looks.colors,
            tile=options.tile,
            batch=how.batch,
            stabilize=how.stabilize,
        )
        profile, without = _run(
            film, reader, target, {"look": name, **decisive(stylizer, options, size)}, options, stopped
        )
        left_out += without
        if how.profile:
            above(f"{target}: {profile}")
    return left_out


def _run(
    film: FilmStylizer,
    reader: FrameReader,
    target: Path,
    settings: dict[str, Any],
    options: StylizeOptions,
    stopped: Callable[[], bool],
) -> tuple[Profile, list[str]]:
    """How the time went, and what was left out, with the film's name."""
    writer = open_writer(
        target,
        reader,
        film.size,
        codec=options.films.codec,
        quality=options.quality,
        preset=options.films.preset,
        overwrite=options.existing.overwrite,
        resume=options.existing.resume,
        settings=settings,
        rules=options.films.streams,
    )
    done = writer.position.index
    with writer, counter(reader.expected, name=target.name, done=done, unit="frame") as shown:
        profile = film.run(reader, writer, shown.update, stopped)
    for text in writer.left_out:
        above(f"{target}: left out {text}, which the container cannot hold.")
    return profile, [f"{text} ({target.name})" for text in writer.left_out]


def decisive(stylizer: Stylizer, options: StylizeOptions, size: tuple[int, int]) -> dict[str, Any]:
    """All that decides what frames of `size` (W, H) look like, to be compared when a film is gone on with.

    Films that were begun hold it on disk: other keys or values, and they could no longer be gone on with.
    """
    looks, label_map = options.looks, options.looks.regions.label_map
    files = [*(mask.path for mask in looks.masks), *([label_map] if label_map else [])]
    return {
        "style": [style.text for style in looks.styles],
        "raw_weights": looks.raw_weights,
        "alpha": looks.alpha,
        "outside": looks.outside,
        "feather": looks.feather,
        "preserve_colors": looks.colors,
        "stroke": stroke_for(size, looks.stroke),
        "size": options.size,
        "assign": looks.regions.assign,
        **({"seed": looks.regions.seed} if looks.regions.seed else {}),
        "stabilize": options.films.stabilize,
        "precision": options.precision,
        "mask": [mask.text for mask in looks.masks],
        "label_map": label_map and str(label_map),
        "mask_frames": [fingerprint_of(sorted(file.iterdir())) for file in files if file.is_dir()],
        "files": [sha256_of(file) if file.is_file() else len(list(file.iterdir())) for file in files],
        "bank": [stylizer.bank.manifest.autoencoder_sha256, *(each.sha256 for each in stylizer.bank.records.values())],
    }
