"""What a film is, from its header and its first picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Stream
from av.video.stream import VideoStream

from stylebank.video.color_space import color_space_of
from stylebank.video.containers import check_whole, limit_frames, main_video, opened, time_base_of
from stylebank.video.frames import StreamInfo, VideoError, VideoInfo
from stylebank.video.orientation import Turn, turn_of
from stylebank.video.timeline import Clock, read_clock

_FALLBACK_RATE = Fraction(25)
_RATES = (Fraction(1, 100), Fraction(1000))


@dataclass(frozen=True)
class Probe:
    """`info`, and what reading needs besides: the stream's index, its first `pts`, the stored size and its turn.

    `earliest` is when, in seconds on the file's own clock, the first of its streams begins; `ends` when the
    header says that its pictures end, None if it does not. Where the `clock` jumps, both are as moved.
    """

    info: VideoInfo
    index: int
    first_pts: int
    earliest: Fraction
    ends: Fraction | None
    stored_size: tuple[int, int]
    turn: Turn
    clock: Clock


def examine(path: Path, *, strict: bool = True, until: Fraction | None = None) -> Probe:
    """What the film at `path` is. Decodes its first picture; a file seen to be cut short is refused if `strict`.

    `until` is as for `read_clock`.

    Raises:
        VideoError: not a film, only sound, cut short, or without a single picture.
        ImageError: its frames are larger than pictures may be.
    """
    with opened(path) as container:
        stream = main_video(container, path)
        limit_frames(stream, path)
        if strict:
            check_whole(container, path)
        frame = _first_frame(container, stream)
        if frame is None:
            raise VideoError(f"'{path}' has a video stream but not a single picture in it.")
        turn = turn_of(frame)
        clock = read_clock(path, stream.index, until)
        starts = [_start(s) for s in container.streams if s.type in ("video", "audio") and s.start_time is not None]
        return Probe(
            info=_describe(path, container, stream, frame, turn, clock),
            index=stream.index,
            first_pts=frame.pts if frame.pts is not None else 0,
            earliest=min(starts, default=Fraction(0)) if clock.earliest is None else clock.earliest,
            ends=None if clock.moves else _end(stream, frame),
            stored_size=(frame.width, frame.height),
            turn=turn,
            clock=clock,
        )


def _frame_rate(stream: VideoStream) -> Fraction:
    """The average frame rate, or what FFmpeg guesses, or 25."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and _RATES[0] <= rate <= _RATES[1]:
            return rate
    return _FALLBACK_RATE


def _duration(stream: VideoStream) -> Fraction | None:
    """Seconds the header gives to this very stream, None if it does not say."""
    if stream.duration:
        return stream.duration * time_base_of(stream)
    end = _matroska_end(stream)
    return end if end is None else max(Fraction(0), end - _start(stream)) or None


def _end(stream: VideoStream, first: av.VideoFrame) -> Fraction | None:
    if stream.duration:
        return (first.pts or 0) * time_base_of(stream) + stream.duration * time_base_of(stream)
    return _matroska_end(stream)


def _matroska_end(stream: VideoStream) -> Fraction | None:
    """The tag called duration, which counts from zero whenever the stream begins."""
    tag = next((text for key, text in stream.metadata.items() if key.upper().startswith("DURATION")), "")
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", tag)
    return int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3]) if match else None


def _first_frame(container: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    return next(container.decode(stream), None)


def _describe(
    path: Path, container: InputContainer, stream: VideoStream, frame: av.VideoFrame, turn: Turn, clock: Clock
) -> VideoInfo:
    width, height = turn.size(frame.width, frame.height)
    rate, duration = _frame_rate(stream), _duration(stream)
    if duration is None and container.duration:
        duration = Fraction(container.duration, av.time_base)
    if clock.ends is not None and clock.earliest is not None:
        duration = clock.ends - clock.earliest
    pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
    return VideoInfo(
        path=path,
        kind="video",
        width=width,
        height=height,
        frame_rate=rate,
        time_base=time_base_of(stream),
        duration=duration,
        frames=stream.frames or (round(duration * rate) if duration else None),
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=frame.format.name,
        rotation=turn.degrees,
        pixel_aspect=1 / pixel_aspect if turn.transpose else pixel_aspect,
        color=color_space_of(frame),
        streams=tuple(stream_info(other) for other in container.streams if other.index != stream.index),
    )


def stream_info(stream: Stream) -> StreamInfo:
    """What a stream is, with the common name of its codec."""
    context = None if isinstance(stream, AttachmentStream) else stream.codec_context
    codec = getattr(stream, "name", None) if context is None else context.codec.canonical_name
    if is_timecode(stream):
        codec = "timecode"
    return StreamInfo(stream.index, stream.type, codec or "unknown", stream.language)


def is_timecode(stream: Stream) -> bool:
    """Whether this is a track of time code, which FFmpeg cannot copy; MOV and MP4 make a new one of the metadata."""
    return stream.type == "data" and "timecode" in stream.metadata


def _start(stream: Stream) -> Fraction:
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))
