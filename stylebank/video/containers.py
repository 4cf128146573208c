"""Opening films with FFmpeg: only local regular files, and every failure is one sentence."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from stylebank.errors import relative_to
from stylebank.files import why_unreadable
from stylebank.images import check_megapixels, max_megapixels
from stylebank.video.frames import VideoError

# Formats that are lists of other files, or that FFmpeg takes nearly anything for: none is a film in one file.
_REFUSED = ("hls", "dash", "concat", "tty", "image2", "imf", "ffmetadata", "lrc", "srt", "ass", "webvtt")


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The opened film; every failure inside the `with` that FFmpeg reports becomes a VideoError."""
    _check_regular(path)
    with ffmpeg_errors(path), _open(path) as container:
        formats = container.format.name.split(",")
        if any(name in _REFUSED or name.endswith("_pipe") for name in formats):
            raise VideoError(f"'{path}' is not a film (FFmpeg takes it for '{container.format.name}').")
        yield container


def _open(path: Path) -> InputContainer:
    # `file:` keeps a colon in a name from being taken for a protocol; the whitelist keeps films from naming URLs.
    return av.open(f"file:{path}", "r", container_options={"protocol_whitelist": "file"}, metadata_errors="replace")


@contextmanager
def ffmpeg_errors(path: Path) -> Iterator[None]:
    """Turns FFmpeg's errors into a VideoError about reading `path`."""
    try:
        yield
    except av.error.FileNotFoundError as error:
        raise VideoError(f"'{path}' does not exist{relative_to(path)}.") from error
    except av.error.FFmpegError as error:
        with ffmpeg_log() as log, suppress(av.error.FFmpegError), _open(path):
            pass  # once more, to hear what it says
        reason = reason_of(error, log)
        raise VideoError(f"'{path}' is not a film, or is damaged or cut short ({reason}).") from error


@contextmanager
def ffmpeg_log() -> Iterator[list[tuple[int, str, str]]]:
    """(level, part, text) of what FFmpeg complains about in this thread, which it keeps to itself otherwise."""
    before, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(before)
        av.logging.set_skip_repeated(skips)


def reason_of(error: BaseException | None, log: Sequence[tuple[int, str, str]]) -> str:
    """Why FFmpeg failed, as far as it says; "Operation not permitted" is what it says where it gives no reason."""
    code = getattr(error, "errno", None)
    text = "" if code == errno.EPERM else str(getattr(error, "strerror", None) or error)
    said = " ".join(log[-1][2].split()).rstrip(".")[:200] if log else ""
    return ": ".join(part for part in (text, said) if part) or "FFmpeg gives no reason"


def main_video(container: InputContainer, path: Path) -> VideoStream:
    """The film's first real video stream; a cover picture in an audio file is none. Raises VideoError."""
    for stream in container.streams.video:
        if not is_cover(stream):
            if stream.codec_context is None:
                raise VideoError(f"'{path}': this build of FFmpeg has no decoder for its video.")
            return stream
    kinds = sorted({stream.type for stream in container.streams if not is_cover(stream)})
    raise VideoError(f"'{path}' has no video, only {' and '.join(kinds) or 'a cover picture'}.")


def limit_frames(stream: VideoStream, path: Path) -> None:
    """Refuses frames beyond the limit of pictures before they are decoded; to be called before the first one is.

    Raises:
        ImageError: the header says that they are. (Where later ones are, FFmpeg refuses them.)
    """
    context = stream.codec_context
    check_megapixels((context.width, context.height), f"'{path}'")
    padding = 64 * context.height  # FFmpeg counts rows as they lie in memory
    context.options = {"max_pixels": str(int(max_megapixels() * 1e6) + padding)}


def is_cover(stream: object) -> bool:
    """Whether a video stream is a single picture attached to the file."""
    wanted = Disposition.attached_pic | Disposition.timed_thumbnails
    return isinstance(stream, VideoStream) and bool(stream.disposition & wanted)


def time_base_of(stream: VideoStream) -> Fraction:
    """Seconds in one tick of the stream's timestamps."""
    return stream.time_base or Fraction(1, 90000)


def check_whole(container: InputContainer, path: Path) -> None:
    """Raises VideoError if the header places pictures or sound beyond the end of the file: it was cut."""
    for stream in container.streams:
        if len(stream.index_entries) == 0:
            continue
        last = stream.index_entries[-1]
        if last.pos + last.size > container.size > 0:
            raise VideoError(
                f"'{path}' is cut short: it has {container.size:,} bytes, its header speaks of at least "
                f"{last.pos + last.size:,}; copy or download it again."
            )


def _check_regular(path: Path) -> None:
    try:
        if reason := why_unreadable(path, "a film"):
            raise VideoError(f"'{path}' {reason}.")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise VideoError(f"'{path}' does not exist{relative_to(path)}.") from error
    except OSError as error:
        raise VideoError(f"'{path}' cannot be read: {error.strerror or error}.") from error
