"""Encoding a film in short parts, each a file that can be decoded by itself and is there as a whole or not at all.

What joining the parts needs to know stands in their names: `FIRST_FRAMES_START_END_DELAY.nut` with the index of the
first frame, the number of frames, the timestamps at which they begin and end, and by how many frames decoding order
runs ahead of showing order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from stylebank.files import write_error
from stylebank.video.codecs import Codec
from stylebank.video.color_space import ColorSpace, RgbEncoder, tag_context
from stylebank.video.frames import Pixels, VideoError
from stylebank.video.scheduling import usual_scheduling


@dataclass(frozen=True)
class PictureEncoding:
    """How the pictures of a film to write are stored. `time_base` is that of all timestamps."""

    codec: Codec
    options: dict[str, str]
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    color: ColorSpace
    pixel_aspect: Fraction

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the pixel format."""
        return self.codec.pixel_format(*self.size)

    @property
    def is_rgb(self) -> bool:
        """Whether no YUV is involved."""
        return av.VideoFormat(self.pixel_format).is_rgb


@dataclass(frozen=True)
class Segment:
    """A finished part. `start` and `end` are timestamps, counted in the film's time base from its time zero."""

    path: Path
    first: int
    frames: int
    start: int
    end: int
    delay: int


def find_segments(folder: Path) -> list[Segment]:
    """The finished parts in a folder, in order, up to the first gap."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(ValueError):
            first, frames, start, end, delay = map(int, path.stem.split("_"))
            found.append(Segment(path, first, frames, start, end, delay))
    found.sort(key=lambda segment: segment.first)
    whole: list[Segment] = []
    for segment in found:
        if segment.first == sum(part.frames for part in whole):
            whole.append(segment)
    return whole


class SegmentEncoder:
    """Encodes one part of a film into `folder`. `first` is the index of its first frame, `start` its timestamp."""

    def __init__(self, folder: Path, encoding: PictureEncoding, first: int, start: int) -> None:
        self._folder, self._encoding = folder, encoding
        self._first, self._start, self._end = first, start, start
        self.frames = 0
        """How many frames were taken so far."""
        self._decoded: list[int] = []
        self._path = folder / ".current.tmp"
        self._to_frame = RgbEncoder(encoding.color, encoding.pixel_format)
        with _one_sentence(encoding, self._path):
            self._container = av.open(f"file:{self._path}", "w", format=encoding.codec.segment)
            self._stream = self._add_stream()

    def write(self, rgb: Pixels, pts: int, end: int) -> None:
        """Takes a frame (H, W, 3) shown from `pts` to `end`. Raises VideoError."""
        frame = self._to_frame(rgb)
        frame.pts, frame.time_base = pts - self._start, self._encoding.time_base
        frame.duration = end - pts
        self._mux(frame)
        self._end = end
        self.frames += 1

    def close(self) -> Segment | None:
        """Finishes the part; None if there is no frame in it. Raises VideoError."""
        self._mux(None)
        with _one_sentence(self._encoding, self._path):
            self._container.close()
        if not self._decoded:
            self._path.unlink(missing_ok=True)
            return None
        shown = sorted(self._decoded)
        rank = {pts: number for number, pts in enumerate(shown)}
        delay = max(number - rank[pts] for number, pts in enumerate(self._decoded))
        # Counted by what was encoded: Ctrl-C may fall between encoding a frame and taking note of it.
        frames, end = len(shown), max(self._end, self._start + shown[-1] + 1)
        name = f"{self._first:08d}_{frames}_{self._start}_{end}_{delay}.{self._encoding.codec.segment}"
        try:
            os.replace(self._path, self._folder / name)
        except OSError as error:
            raise write_error(self._folder / name, error) from error
        return Segment(self._folder / name, self._first, frames, self._start, end, delay)

    def abort(self) -> None:
        """Drops the part."""
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()
        self._path.unlink(missing_ok=True)

    def _add_stream(self) -> VideoStream:
        encoding = self._encoding
        stream = self._container.add_stream(encoding.codec.name, rate=encoding.rate, options=dict(encoding.options))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = encoding.size
        stream.pix_fmt = encoding.pixel_format
        stream.time_base = encoding.time_base
        context = stream.codec_context
        context.time_base = encoding.time_base
        context.sample_aspect_ratio = encoding.pixel_aspect
        tag_context(context, encoding.color, rgb=encoding.is_rgb)
        return stream

    def _mux(self, frame: av.VideoFrame | None) -> None:
        with _one_sentence(self._encoding, self._path), usual_scheduling():
            for packet in self._stream.encode(frame):
                assert packet.pts is not None
                self._decoded.append(int(packet.pts * packet.time_base / self._encoding.time_base))
                self._container.mux(packet)


@contextmanager
def _one_sentence(encoding: PictureEncoding, path: Path) -> Iterator[None]:
    """Turns the encoder's and the disk's errors into one sentence."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error
    except (av.error.FFmpegError, ValueError) as error:
        width, height = encoding.size
        raise VideoError(
            f"{encoding.codec.name} cannot encode {width}x{height} pictures with {encoding.options} ({error})."
        ) from error
