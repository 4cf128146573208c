"""Putting encoded parts and what is copied from the source together into one film, without encoding anything."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.container.core import Flags
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from stylebank.files import new_file, write_error
from stylebank.video.color_space import tag_context
from stylebank.video.containers import is_cover, opened
from stylebank.video.frames import VideoError
from stylebank.video.passthrough import Source, add_copy, add_cover, clean_metadata, copied_packets, moved_chapters
from stylebank.video.segments import PictureEncoding, Segment

_FINEST = 10_000_000  # ticks a second
_BITEXACT = int(cast(Any, Flags.bitexact).value)


def join(
    segments: Sequence[Segment],
    target: Path,
    container: str,
    encoding: PictureEncoding,
    source: Source | None = None,
    copied: Sequence[int] = (),
) -> None:
    """Writes `target` from `segments` and the streams `copied` of `source`; it appears as a whole or not at all.

    Raises:
        VideoError: the source cannot be read any more, or the container refuses what it gets.
        StyleBankError: the disk is full or read-only.
    """
    with new_file(target) as path, ExitStack() as stack:
        try:
            film = stack.enter_context(opened(source.path)) if source else None
            options = _muxer_options(container, encoding, film, copied)
            output = stack.enter_context(av.open(f"file:{path}", "w", format=container, container_options=options))
            output.flags |= _BITEXACT  # no random identifiers: equal work gives equal files
            video, copies = _add_streams(output, segments[0], encoding, film, source, copied)
            streams = [_video_packets(segments, encoding, video)]
            if film is not None and source is not None:
                output.metadata.update(clean_metadata(film.metadata))
                output.set_chapters(moved_chapters(film, source))
                streams.append(copied_packets(film, source, copies))
            for _, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
                output.mux(packet)
            output.close()
        except OSError as error:
            raise write_error(target, error) from error
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError(f"'{target}' cannot be put together: {error}.") from error


def _muxer_options(
    container: str, encoding: PictureEncoding, film: InputContainer | None, copied: Sequence[int]
) -> dict[str, str]:
    if container not in ("mp4", "mov"):
        return {}
    # A stream's first time is stored in ticks of the whole file, by default milliseconds: take a tick that fits all.
    own = encoding.time_base.denominator
    ticks = [film.streams[index].time_base for index in copied] if film else []
    common = math.lcm(own, *(tick.denominator for tick in ticks if tick))
    return {"movflags": "+faststart", "movie_timescale": str(common if common <= _FINEST else own)}


def _add_streams(
    output: OutputContainer,
    segment: Segment,
    encoding: PictureEncoding,
    film: InputContainer | None,
    source: Source | None,
    copied: Sequence[int],
) -> tuple[VideoStream, dict[int, Stream]]:
    """The new pictures' stream in the place of the old one, and the copies by the index of what they copy."""
    if film is None or source is None:
        return _add_video(output, segment, encoding, None), {}
    copies: dict[int, Stream] = {}
    for stream in film.streams:
        if stream.index == source.video:
            video = _add_video(output, segment, encoding, stream)
        elif stream.index in copied and is_cover(stream) and output.format.name == "matroska":
            add_cover(output, source.path, stream)
        elif stream.index in copied:
            copies[stream.index] = add_copy(output, stream)
    return video, copies


def _add_video(
    output: OutputContainer, segment: Segment, encoding: PictureEncoding, like: Stream | None
) -> VideoStream:
    with opened(segment.path) as part:
        video = output.add_stream_from_template(part.streams.video[0], opaque=True)
    context = video.codec_context
    context.framerate = encoding.rate
    context.sample_aspect_ratio = encoding.pixel_aspect
    tag_context(context, encoding.color, rgb=encoding.is_rgb)
    if encoding.codec.tag and output.format.name in ("mp4", "mov"):
        context.codec_tag = encoding.codec.tag
    video.time_base = encoding.time_base
    if like is not None:
        video.disposition = like.disposition
        video.metadata.update(clean_metadata(like.metadata))
    return video


def _video_packets(
    segments: Sequence[Segment], encoding: PictureEncoding, video: VideoStream
) -> Iterator[tuple[Fraction, Packet[Any]]]:
    """(seconds, packet) of all parts in decoding order.

    Each part's encoder knew nothing of its neighbours, so decoding times are made anew: packet i is decoded when
    frame i - delay is shown, with one delay for the whole film.
    """
    delay = max(segment.delay for segment in segments)
    lead: deque[int] = deque()
    for segment in segments:
        stored = sorted(pts for pts, _ in _packets_of(segment, encoding))
        moved = segment.start - stored[0]  # containers move parts whose decoding starts before zero
        shown = [pts + moved for pts in stored]
        durations = {pts: after - pts for pts, after in zip(shown, [*shown[1:], segment.end], strict=True)}
        if not lead:
            lead.extend(shown[0] - (delay - i) * durations[shown[0]] for i in range(delay))
        lead.extend(shown)
        for pts, packet in _packets_of(segment, encoding):
            packet.time_base = encoding.time_base
            packet.pts, packet.dts, packet.duration = pts + moved, lead.popleft(), durations[pts + moved]
            packet.stream = video
            assert packet.dts is not None
            yield packet.dts * encoding.time_base, packet


def _packets_of(segment: Segment, encoding: PictureEncoding) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """(timestamp in ticks of the film's time base, packet) in decoding order."""
    with opened(segment.path) as part:
        for packet in part.demux(part.streams.video[0]):
            if packet.size and packet.pts is not None:
                yield round(packet.pts * packet.time_base / encoding.time_base), packet
