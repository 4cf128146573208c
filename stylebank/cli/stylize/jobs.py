"""Which file becomes which: worked out, and refused if need be, before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylebank.errors import ConfigError, ImageError
from stylebank.images import IMAGE_SUFFIXES, SAVE_FORMATS, check_writable, find_files, find_unread, probe
from stylebank.regions import label_map_files
from stylebank.video import ANIMATIONS, CONTAINERS, FILM_SUFFIXES, VideoError, is_film
from stylebank.video.animation import is_animation

MOVING_FORMATS = (*CONTAINERS, *ANIMATIONS)
"""Suffixes of films and animations that can be written."""


@dataclass(frozen=True)
class Job:
    """One picture or film, and the file each of its looks is written to."""

    source: Path
    targets: dict[str, Path]
    film: bool = False


@dataclass(frozen=True)
class Existing:
    """What to do about outputs that exist: replace them, or leave what is done and go on with what is begun."""

    overwrite: bool = False
    resume: bool = False


def find_sources(inputs: Sequence[Path], output: Path, frames: bool) -> dict[Path, bool]:
    """The pictures and films that `inputs` name: path -> whether it is a film.

    A folder is searched for both; with `frames`, or if the output is one film, it is itself a film: its pictures are
    the frames. A file is judged by its content; a moving GIF, WebP or PNG is a film unless the output is a still
    picture.

    Raises:
        ImageError: an input that yields nothing.
    """
    suffix = output.suffix.lower()
    still = suffix in SAVE_FORMATS and suffix not in ANIMATIONS and not output.is_dir()
    folders_are_films = frames or (suffix in MOVING_FORMATS and not output.is_dir())
    found: dict[Path, bool] = {}
    for item in inputs:
        if folders_are_films and item.is_dir():
            found[item] = True
            continue
        for path in find_files([item], IMAGE_SUFFIXES | FILM_SUFFIXES, "pictures or films"):
            found.setdefault(path, is_film(path) and not (still and is_animation(path)))
    return found


def what_is_unread(inputs: Sequence[Path]) -> list[str]:
    """Why pictures in the folders named are not read, one sentence for each; `find_sources` passes them over."""
    reasons = []
    for path in find_unread(inputs):
        try:
            probe(path)
            reasons.append(f"'{path}' is passed over: in folders, no {path.suffix} is looked for.")
        except ImageError as error:
            reasons.append(str(error))
    return reasons


def plan(
    sources: dict[Path, bool],
    looks: Sequence[str],
    output: Path,
    existing: Existing = Existing(),
    *,
    frames: bool = False,
) -> list[Job]:
    """The files to write.

    One picture or film in one look goes to `output` itself if that names such a file. Otherwise `output` is a folder:
    pictures keep their names there (as PNG), films and animations theirs, with several looks in one subfolder per
    look. With `frames` every film becomes a folder of pictures: `output` itself if there is only one.

    Raises:
        ImageError: a file exists (and nothing allows for it), two would get the same name, or a picture would become
            something that it cannot be.
        VideoError: likewise for films.
    """
    single = len(sources) == len(looks) == 1
    is_file = not frames and _names_a_file(output)
    if is_file and not single:
        raise ImageError(
            f"--output {output} names one file, but {len(sources)} picture(s) or film(s) in {len(looks)} style(s) or "
            "mixture(s) are to be written; give a folder."
        )
    if not is_file and not frames and output.suffix and not output.is_dir() and single:
        valid = ", ".join(sorted({*SAVE_FORMATS, *MOVING_FORMATS}))
        raise ImageError(f"--output {output}: '{output.suffix}' cannot be written; use {valid}.")
    jobs, taken = [], dict[Path, Path]()
    for source, film in sources.items():
        targets = {}
        for look in looks:
            folder = output / look if len(looks) > 1 else output
            target = output if is_file or (frames and single) else folder / _name(source, film, frames)
            if target in taken:
                raise ImageError(f"{taken[target]} and {source} would both be written to {target}; rename one.")
            taken[target] = source
            if _check(source, target, film, existing):
                targets[look] = target
        jobs.append(Job(source, targets, film))
    return jobs


def plan_maps(
    sources: Sequence[Path], show: Path, jobs: Sequence[Job], read: Sequence[Path], overwrite: bool
) -> dict[Path, Path]:
    """The label map of every picture: `show` itself if that names a picture file, else one in that folder.

    Args:
        jobs: what is written beside the maps.
        read: files that are read beside the sources; no map takes their place, whatever is overwritten.

    Raises:
        ConfigError: a map or its key would be a file that is read, or that something else is written to.
        ImageError: a file exists.
    """
    is_file = show.suffix.lower() in SAVE_FORMATS and not show.is_dir()
    if is_file and len(sources) > 1:
        raise ConfigError(f"--show-regions {show} names one file for {len(sources)} pictures; give a folder.")
    taken = {target.absolute(): "written as a picture, too" for job in jobs for target in job.targets.values()}
    taken |= dict.fromkeys(map(Path.absolute, [*sources, *read]), "one of the files to read")
    maps = {}
    for source in sources:
        maps[source] = target = show if is_file else show / f"{source.stem}.png"
        for file in label_map_files(target):
            if (why := taken.get(file.absolute())) is not None:
                raise ConfigError(f"--show-regions would write '{file}' for {source}, and it is {why}; rename one.")
            if file.exists() and not overwrite:
                raise ImageError(f"'{file}' exists; pass --overwrite to replace it.")
            taken[file.absolute()] = f"written for {source}, too"
    return maps


def _names_a_file(output: Path) -> bool:
    return output.suffix.lower() in (*SAVE_FORMATS, *MOVING_FORMATS) and not output.is_dir()


def _name(source: Path, film: bool, frames: bool) -> str:
    if not film:
        return f"{source.stem}.png"
    if frames:
        return source.stem
    if source.is_dir():
        return f"{source.name}.mp4"
    suffix = source.suffix.lower()
    return f"{source.stem}{suffix if suffix in MOVING_FORMATS else '.mp4'}"


def _check(source: Path, target: Path, film: bool, existing: Existing) -> bool:
    """Whether there is anything to do; raises if it may not be done."""
    suffix = target.suffix.lower()
    if film and suffix in SAVE_FORMATS and suffix not in ANIMATIONS:
        raise VideoError(f"'{source}' is a film; '{target}' cannot hold one, {' '.join(MOVING_FORMATS)} can.")
    if not film and suffix not in SAVE_FORMATS:
        probe(source)  # or it is not even a picture
        raise ImageError(f"'{source}' is a still picture, no film; '{target}' must be one, too, or a folder.")
    if existing.resume and existing.overwrite:
        raise ConfigError("--resume keeps what is done and --overwrite replaces it; give one of them.")
    if existing.resume and target.exists():
        return False
    if not film:
        check_writable(target, overwrite=existing.overwrite)
    elif target.exists() and not existing.overwrite:
        raise VideoError(f"'{target}' exists; pass --overwrite to replace it.")
    return True
