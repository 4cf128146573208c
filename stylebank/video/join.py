"""Putting encoded parts and what is copied from the source together into one film, without encoding anything."""

from __future__ import annotations

import errno
import heapq
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.container.core import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from stylebank.files import new_file
from stylebank.video.carriers import Carrier, StreamError
from stylebank.video.color_space import tag_context
from stylebank.video.containers import ffmpeg_log, is_cover, opened, reason_of
from stylebank.video.frames import VideoError
from stylebank.video.passthrough import Source, add_cover, carried_packets, clean_metadata, moved_chapters
from stylebank.video.probe import stream_info
from stylebank.video.segments import PictureEncoding, Segment
from stylebank.video.stream_plan import StreamPlan, add_carrier

_LONGEST = 2**31 - 1  # ticks of its own that MP4 can show a frame for
_FINEST = 10_000_000  # ticks a second
_BITEXACT = int(cast(Any, Flags.bitexact).value)


def join(
    segments: Sequence[Segment],
    target: Path,
    container: str,
    encoding: PictureEncoding,
    source: Source | None = None,
    plan: StreamPlan | None = None,
) -> None:
    """Writes `target` from `segments` and the streams `plan` takes of `source`; it appears as a whole or not at all.

    A stream that fails after all is left out and named in `plan`: the pictures are not lost for it.

    Raises:
        VideoError: the source cannot be read any more, or the container refuses what it gets.
        StyleBankError: the disk is full or read-only.
    """
    plan = plan or StreamPlan()
    while True:
        try:
            with new_file(target) as path, ffmpeg_log() as log:
                _write(path, segments, container, encoding, source, plan)
            return
        except StreamError as error:
            failed = list(plan.encoders) if error.index is None else [error.index]
            if not failed or source is None:
                raise VideoError(f"'{target}' cannot be put together ({reason_of(error.__cause__, log)}).") from error
            with opened(source.path) as film:
                infos = [stream_info(film.streams[index]) for index in failed]
            if plan.complete:
                raise VideoError(
                    f"'{target}' cannot hold the {' and the '.join(map(str, infos))} of '{source.path}' after all "
                    f"({reason_of(error.__cause__, log)}): the same command with --resume, without --strict, leaves "
                    "such streams out."
                ) from error
            for info in infos:
                plan.leave_out(info)


def _write(
    path: Path,
    segments: Sequence[Segment],
    container: str,
    encoding: PictureEncoding,
    source: Source | None,
    plan: StreamPlan,
) -> None:
    """Writes the file. Raises StreamError if FFmpeg refuses something, OSError if the disk does."""
    with ExitStack() as stack:
        film = stack.enter_context(opened(source.path)) if source else None
        try:
            options = _muxer_options(container, encoding, film, plan)
            output = stack.enter_context(av.open(f"file:{path}", "w", format=container, container_options=options))
            output.flags |= _BITEXACT  # no random identifiers: equal work gives equal files
            video, carriers = _add_streams(output, segments[0], encoding, film, source, plan)
            streams = [_video_packets(segments, encoding, video)]
            if film is not None and source is not None:
                output.metadata.update(clean_metadata(film.metadata, timecode=plan.timecode, strip=plan.strip_metadata))
                output.set_chapters(moved_chapters(film, source))
                streams.append(carried_packets(film, source, carriers))
            output.start_encoding()  # from now on it is known in which ticks times are stored
            for _, origin, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
                _mux(output, packet, origin)
            output.close()
        except (av.error.FFmpegError, ValueError) as error:
            raise _refusal(error, None) from error


def _mux(output: OutputContainer, packet: Packet[Any], origin: int | None) -> None:
    try:
        output.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise _refusal(error, origin) from error


def _refusal(error: Exception, origin: int | None) -> Exception:
    """What FFmpeg's error means: the disk's are plain errors of the system, so that nothing takes them for a film's."""
    if isinstance(error, OSError) and error.errno != errno.EPERM:  # which FFmpeg says where it gives no reason
        return OSError(error.errno, error.strerror)
    return StreamError(origin)


def _muxer_options(
    container: str, encoding: PictureEncoding, film: InputContainer | None, plan: StreamPlan
) -> dict[str, str]:
    if container not in ("mp4", "mov"):
        return {}
    # A stream's first time is stored in ticks of the whole file, by default milliseconds: take a tick that fits all.
    own = encoding.time_base.denominator
    ticks = [film.streams[index].time_base for index in plan.encoders] if film else []
    common = math.lcm(own, *(tick.denominator for tick in ticks if tick))
    return {"movflags": "+faststart", "movie_timescale": str(common if common <= _FINEST else own)}


def _add_streams(
    output: OutputContainer,
    segment: Segment,
    encoding: PictureEncoding,
    film: InputContainer | None,
    source: Source | None,
    plan: StreamPlan,
) -> tuple[VideoStream, dict[int, Carrier]]:
    """The new pictures' stream in the place of the old one, and what becomes of the others by their index."""
    if film is None or source is None:
        return _add_video(output, segment, encoding, {}), {}
    carriers: dict[int, Carrier] = {}
    for stream in film.streams:
        if stream.index == source.video:
            said = clean_metadata(stream.metadata, timecode=plan.timecode, strip=plan.strip_metadata)
            video = _add_video(output, segment, encoding, said)
            video.disposition = stream.disposition
        elif stream.index not in plan.encoders:
            continue
        elif is_cover(stream) and output.format.name == "matroska":
            add_cover(output, source.path, stream)
        else:
            try:
                encoder, strip = plan.encoders[stream.index], plan.strip_metadata
                carriers[stream.index] = add_carrier(output, stream, encoder, source.span, strip_metadata=strip)
            except (av.error.FFmpegError, ValueError) as error:
                raise StreamError(stream.index) from error
    return video, carriers


def _add_video(
    output: OutputContainer, segment: Segment, encoding: PictureEncoding, metadata: Mapping[str, str]
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
    video.metadata.update(metadata)
    return video


def _video_packets(
    segments: Sequence[Segment], encoding: PictureEncoding, video: VideoStream
) -> Iterator[tuple[Fraction, int | None, Packet[Any]]]:
    """(seconds, None, packet) of all parts in decoding order; None because no stream of the source is behind it.

    Each part's encoder knew nothing of its neighbours, so decoding times are made anew: packet i is decoded when
    frame i - delay is shown, with one delay for the whole film.
    """
    delay = max(segment.delay for segment in segments)
    longest = int(_LONGEST * (video.time_base or encoding.time_base) / encoding.time_base)
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
            packet.pts, packet.dts = pts + moved, lead.popleft()
            packet.duration = min(durations[pts + moved], longest)
            packet.stream = video
            assert packet.dts is not None
            yield packet.dts * encoding.time_base, None, packet


def _packets_of(segment: Segment, encoding: PictureEncoding) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """(timestamp in ticks of the film's time base, packet) in decoding order."""
    with opened(segment.path) as part:
        for packet in part.demux(part.streams.video[0]):
            if packet.size and packet.pts is not None:
                yield round(packet.pts * packet.time_base / encoding.time_base), packet
