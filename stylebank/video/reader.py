"""Reading films frame by frame, with exact times, in memory that does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from stylebank.video.color_space import RgbDecoder
from stylebank.video.containers import limit_frames, opened
from stylebank.video.frames import Frame, FrameReader, Position, VideoError, VideoInfo
from stylebank.video.probe import examine
from stylebank.video.timeline import Clock

_SEEK_MARGIN = 2  # seconds: pictures right after a seek may refer to others before it
_SHORTFALL = 1  # seconds: headers and pictures may disagree by less in a film that is whole

START = Position()
Ticks = int | Fraction
Seconds = float | Fraction


class VideoReader(FrameReader):
    """The frames of a film between `start` and `end` (seconds from its beginning), upright and in RGB.

    The first frame kept is the first at or after `start`; with a `start`, it is time zero, and `end` itself is no
    longer kept. Without one the film keeps its own clock (moved to begin at zero where it begins later, or before
    zero). Times come from the file, whatever its frame rate does; where its clock jumps it is made to run on, and a
    frame that claims not to be later than the one before it is moved one tick after that. Frames whose size differs
    from the first one's are scaled to it. Interlaced pictures are taken as they are, and an alpha channel in the film
    is ignored.

    Args:
        path: the film.
        start: seconds, None for the beginning.
        end: seconds, None for the end.
        strict: refuse a film that is damaged or cut short, if need be in the middle of the reading; otherwise
            read what can be read.

    Raises:
        VideoError: not a film, no frames in that range, damaged.
        ImageError: its frames are larger than pictures may be.
    """

    def __init__(
        self, path: str | Path, start: Seconds | None = None, end: Seconds | None = None, *, strict: bool = True
    ) -> None:
        self.path, self.start, self.end, self.strict = Path(path), start, end, strict
        check_range(start, end)
        self._probe = examine(self.path, strict=strict, until=None if end is None else exactly(end))
        self.info: VideoInfo = self._probe.info
        tick = self.info.time_base
        begins = min(0, self._probe.first_pts) or int(max(Fraction(0), self._probe.earliest) / tick)
        self._step = max(1, round(1 / self.info.frame_rate / tick))
        self._from: Ticks | None = begins + exactly(start) / tick if start else None
        self._until: Ticks | None = None if end is None else begins + exactly(end) / tick
        self.origin_pts: int = begins if self._from is None else self._first_kept()
        """Timestamp of time zero, in the file's time base."""

    @property
    def video_index(self) -> int:
        """The video stream's index in the file."""
        return self._probe.index

    @property
    def clock(self) -> Clock:
        """How packets are to be moved in time, if the film's clock jumps."""
        return self._probe.clock

    @property
    def origin(self) -> Fraction:
        """Time zero on the file's own clock, in seconds."""
        return self.origin_pts * self.info.time_base

    @property
    def until(self) -> Fraction | None:
        """`end` on the file's own clock, in seconds."""
        return None if self._until is None else self._until * self.info.time_base

    @property
    def expected(self) -> int | None:
        """About how many frames there are between start and end, None if the file gives no hint."""
        if self.start is None and self.end is None:
            return self.info.frames
        if self.info.duration is None:
            return None
        end = min(self.info.duration, exactly(self.end)) if self.end is not None else self.info.duration
        return max(1, round((end - exactly(self.start or 0)) * self.info.frame_rate))

    def identity(self) -> dict[str, Any]:
        """What must be the same for a later run to go on where this one stopped."""
        status = self.path.stat()
        return {
            "source": self.path.resolve().name,
            "source_bytes": status.st_size,
            "source_changed": status.st_mtime_ns,
            "start": self.start and str(self.start),
            "end": self.end and str(self.end),
        }

    def frames(self, after: Position = START) -> Iterator[Frame]:
        """The frames from `after` on. Raises VideoError."""
        tick = self.info.time_base
        first = self._from if after.pts is None else self.origin_pts + after.pts
        begin, skip = (0, after.index) if after.pts is None else (after.index, 0)
        to_rgb = RgbDecoder(self.info.color, self._probe.stored_size)
        for index, (frame, pts, ticks) in enumerate(self._selected(first), begin):
            if index >= skip:
                rgb = self._probe.turn(to_rgb(frame))
                shown = pts - self.origin_pts
                yield Frame(index, time=shown * tick, duration=ticks * tick, pts=shown, rgb=rgb)

    def _first_kept(self) -> int:
        for _, pts, _ in self._selected(self._from):
            return pts
        end = "the end" if self.end is None else f"{self.end} s"
        length = "" if self.info.duration is None else f"; it is {float(self.info.duration):.3f} s long"
        raise VideoError(f"'{self.path}' has no frame between {self.start or 0} s and {end}{length}.")

    def _selected(self, first: Ticks | None) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """(frame, pts, ticks shown) from `first` to the end of the range; one frame is held back to know the ticks."""
        held: tuple[av.VideoFrame, int] | None = None
        for frame, pts in self._timed(first):
            if first is not None and pts < first:
                continue
            if held is not None:
                yield *held, pts - held[1]
            if self._until is not None and pts >= self._until:
                return
            held = frame, pts
        if held is not None:
            ticks = max(1, held[0].duration or self._step)
            yield *held, ticks
            self._check_end(held[1] + ticks)

    def _timed(self, first: Ticks | None) -> Iterator[tuple[av.VideoFrame, int]]:
        """Frames, from some point not after `first` on, with timestamps that rise."""
        last: int | None = None
        for frame in self._decoded(first):
            pts = frame.pts
            if last is not None:
                pts = last + self._step if pts is None else max(pts, last + 1)
            last = self._probe.first_pts if pts is None else pts
            yield frame, last

    def _decoded(self, first: Ticks | None) -> Iterator[av.VideoFrame]:
        target = 0 if first is None else int(first - _SEEK_MARGIN / self.info.time_base)
        if first is not None and target > self._probe.first_pts and not self.clock.moves:
            with opened(self.path) as container:
                frames = self._decode_all(container, target)
                head = next(frames, None)
                if head is not None and head.pts is not None and head.pts <= first:
                    yield head
                    yield from frames
                    return
        with opened(self.path) as container:  # nothing to skip, or a file in which seeking does not work
            yield from self._decode_all(container, None)

    def _decode_all(self, container: InputContainer, seek_to: int | None) -> Iterator[av.VideoFrame]:
        stream = container.streams[self._probe.index]
        assert isinstance(stream, VideoStream)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        stream.thread_type = ThreadType.AUTO
        limit_frames(stream, self.path)
        if seek_to is not None:
            container.seek(seek_to, stream=stream, backward=True)
        packets = container.demux(stream) if seek_to is not None else self.clock.packets(container, [stream])
        for packet in packets:
            try:
                yield from packet.decode()
            except av.error.InvalidDataError as error:
                if self.strict:
                    at = "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.2f} s"
                    raise VideoError(
                        f"'{self.path}' is damaged{at}; reading it as far as possible has to be asked for."
                    ) from error

    def _check_end(self, end_pts: int) -> None:
        """Raises VideoError if the film stopped clearly before the end its header names."""
        if not self.strict or self._probe.ends is None:
            return
        end = end_pts * self.info.time_base
        wanted = self._probe.ends if self.until is None else min(self._probe.ends, self.until)
        if wanted - end > _SHORTFALL:
            raise VideoError(
                f"'{self.path}' is cut short or damaged: its pictures end after {float(end):.2f} s, its header "
                f"promises {float(wanted):.2f} s."
            )


def exactly(seconds: Seconds) -> Fraction:
    """The number as written: 2.52 is 63/25, not the nearest binary fraction, which is later than frame 63."""
    return Fraction(str(seconds))


def check_range(start: Seconds | None, end: Seconds | None) -> None:
    """Raises VideoError unless 0 <= start < end (None: open)."""
    for name, value in (("start", start), ("end", end)):
        if value is not None and not 0 <= value < float("inf"):
            raise VideoError(f"{name} is {value} seconds; valid is 0 or more.")
    if end is not None and end <= (start or 0):
        raise VideoError(f"end ({end} s) must come after start ({start or 0} s).")
