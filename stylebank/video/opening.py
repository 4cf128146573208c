"""The right reader and the right writer for a path: film, animation or folder of frames."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stylebank.errors import ImageError
from stylebank.images import IMAGE_SUFFIXES
from stylebank.images import probe as picture_size
from stylebank.video.animation import ANIMATIONS, AnimationReader, is_animation, is_moving
from stylebank.video.animation_writer import AnimationWriter
from stylebank.video.codecs import CONTAINERS
from stylebank.video.containers import main_video, opened
from stylebank.video.folders import DEFAULT_FPS, FolderReader, FolderWriter
from stylebank.video.frames import FrameReader, FrameWriter, VideoError
from stylebank.video.reader import Seconds, VideoReader
from stylebank.video.stream_plan import DEFAULT_RULES, StreamRules
from stylebank.video.writer import VideoWriter

_READ_ONLY = (
    *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".mjpeg"),
    *(".mod", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod", ".ts"),
    *(".vob", ".wmv", ".wtv", ".y4m"),
)
FILM_SUFFIXES = frozenset([*CONTAINERS, *_READ_ONLY])
"""Suffixes (lower case, with dot) of films in folders; a file that is named is judged by its content."""


def is_film(path: Path) -> bool:
    """Whether the file is a film or an animation of more than one frame.

    By its content, but that a suffix of films or pictures is believed of what does not begin as an animation.
    """
    suffix = path.suffix.lower()
    if is_moving(path) or suffix in FILM_SUFFIXES:
        return True
    if suffix in IMAGE_SUFFIXES and suffix not in ANIMATIONS:
        return False
    try:
        picture_size(path)
    except ImageError:
        return _holds_pictures(path)
    return False


def _holds_pictures(path: Path) -> bool:
    """Whether FFmpeg finds a film in the file."""
    with suppress(VideoError), opened(path) as container:
        main_video(container, path)
        return True
    return False


def open_reader(
    path: str | Path,
    start: Seconds | None = None,
    end: Seconds | None = None,
    *,
    fps: Seconds | None = None,
    strict: bool = True,
) -> FrameReader:
    """The frames of a film, an animation or a folder.

    Args:
        path: a folder is one of frames; what begins as GIF, WebP or a moving PNG is an animation; the rest films.
        start: seconds, None for the beginning.
        end: seconds, None for the end.
        fps: frames per second of a folder, None for 25; the others know their own.
        strict: for films, see `VideoReader`.

    Raises:
        VideoError: cannot be read, or no frames in that range.
        ImageError: a folder without pictures.
    """
    path = Path(path)
    if path.is_dir():
        return FolderReader(path, start, end, fps=DEFAULT_FPS if fps is None else fps)
    if fps is not None:
        raise VideoError(f"'{path}' has its own frame rate; only a folder of frames takes one.")
    if is_animation(path) or (path.suffix.lower() in ANIMATIONS and not _holds_pictures(path)):
        return AnimationReader(path, start, end)
    return VideoReader(path, start, end, strict=strict)


def open_writer(
    path: str | Path,
    like: FrameReader,
    size: tuple[int, int] | None = None,
    *,
    codec: str | None = None,
    quality: int | None = None,
    preset: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    settings: Mapping[str, Any] | None = None,
    rules: StreamRules = DEFAULT_RULES,
) -> FrameWriter:
    """A writer by the suffix of `path`: a film's, an animation's, or none for a folder of PNG frames.

    The arguments are those of `VideoWriter`, `AnimationWriter` and `FolderWriter`; `codec` and `preset` are for
    films alone, `quality` for films and WebP.

    Raises:
        VideoError: the suffix or an option does not fit, or `path` exists and nothing allows for it.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in CONTAINERS:
        return VideoWriter(
            path,
            like,
            size,
            codec=codec,
            quality=quality,
            preset=preset,
            overwrite=overwrite,
            resume=resume,
            settings=settings,
            rules=rules,
        )
    if codec is not None or preset is not None:
        raise VideoError(f"'{path}' takes no codec and no preset; only films do ({' '.join(CONTAINERS)}).")
    if suffix in ANIMATIONS:
        return AnimationWriter(path, like, quality=quality, overwrite=overwrite, resume=resume, settings=settings)
    if suffix and not path.is_dir():
        valid = " ".join([*CONTAINERS, *ANIMATIONS])
        raise VideoError(f"'{path}' has no suffix that can be written; valid are {valid}, or none for a folder.")
    if quality is not None:
        raise VideoError(f"'{path}' is a folder of PNG frames, which takes no quality.")
    return FolderWriter(path, like, overwrite=overwrite, resume=resume, settings=settings)
