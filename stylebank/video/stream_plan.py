"""Which streams of the source go into the new film, and how: settled by trial before its first frame is made."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from stylebank.video.carriers import Carrier, Copied, Span, Titles
from stylebank.video.containers import is_cover, opened
from stylebank.video.frames import StreamInfo, VideoError
from stylebank.video.passthrough import Source, clean_metadata, moved_chapters
from stylebank.video.probe import is_timecode, stream_info
from stylebank.video.scheduling import usual_scheduling
from stylebank.video.segments import PictureEncoding
from stylebank.video.sound import Sound

_SOUND = {"webm": "libopus"}
"""What sound becomes that the container cannot hold; AAC elsewhere."""
_TITLES = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
"""What subtitles become that the container cannot hold."""
_SAMPLE = 400  # packets looked at: the first of each stream is tried, too
_TINY = 64  # pixels; every encoder takes them


@dataclass(frozen=True)
class StreamRules:
    """What happens to streams that the new film cannot hold.

    Sound becomes AAC (in WebM Opus) if `transcode_audio`. Sound and subtitles that still do not fit are refused
    unless `drop`; anything else is left out, and with `complete` nothing is. `strip_metadata` leaves out what is said
    of the film and its streams: titles, dates, places, cameras, and streams of data.
    """

    drop: bool = False
    transcode_audio: bool = False
    complete: bool = False
    strip_metadata: bool = False


DEFAULT_RULES = StreamRules()


@dataclass
class StreamPlan:
    """What comes along. `encoders` has the indices of streams, with what they become or None for copies.

    `left_out` names what does not; if a stream fails after all while the film is put together, it is added.
    """

    encoders: dict[int, str | None] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    timecode: bool = True
    """Whether the source's time code, if it has any, is still true and can be kept."""
    complete: bool = False
    """Whether it is an error to leave out anything."""
    strip_metadata: bool = False
    """Whether what is said of the film and its streams is left out."""

    def leave_out(self, info: StreamInfo) -> None:
        """Notes that a stream does not come along."""
        self.encoders.pop(info.index, None)
        self.left_out.append(str(info))


def plan_streams(
    source: Source, container: str, target: Path, encoding: PictureEncoding, rules: StreamRules
) -> StreamPlan:
    """What of the source's other streams goes into a `container` beside pictures of this encoding.

    Raises:
        VideoError: sound or subtitles do not fit, or anything if all has to come along.
    """
    plan = StreamPlan(timecode=not source.cut, complete=rules.complete, strip_metadata=rules.strip_metadata)
    with opened(source.path) as film:
        trial = _Trial(container, encoding, film, source)
        if plan.timecode and not trial.holds({}):
            plan.timecode = trial.timecode = False
        has_chapters = bool(film.chapters())
        for stream in film.streams:
            info = stream_info(stream)
            made_anew = info.codec == "bin_data" and has_chapters  # how MP4 stores its chapters
            if stream.index == source.video or made_anew or (is_timecode(stream) and plan.timecode and trial.is_mov):
                continue
            if rules.strip_metadata and info.kind == "data":  # cameras store where they were at every moment
                continue
            for encoder in _ways(stream, container, rules):
                if not is_timecode(stream) and trial.holds({**plan.encoders, stream.index: encoder}):
                    plan.encoders[stream.index] = encoder
                    break
            else:
                _refuse(info, source, target, rules, in_mkv=trial.matroska_holds(stream.index))
                plan.leave_out(info)
    return plan


def add_carrier(
    output: OutputContainer,
    stream: Stream,
    encoder: str | None,
    span: Span = (None, None),
    *,
    strip_metadata: bool = False,
) -> Carrier:
    """Adds a stream to `output` that takes what `stream` has: copied, or with an encoder made anew; `span` as `Sound`.

    Raises:
        FFmpegError, ValueError: the output cannot hold it.
    """
    carrier: Carrier
    if encoder is None:
        carrier = Copied(output, stream)
    elif stream.type == "audio":
        carrier = Sound(output, stream, encoder, span)
    else:
        carrier = Titles(output, stream, encoder)
    carrier.stream.disposition = stream.disposition
    carrier.stream.metadata.update(clean_metadata(stream.metadata, strip=strip_metadata))
    return carrier


def _ways(stream: Stream, container: str, rules: StreamRules) -> list[str | None]:
    """How a stream could come along, the best first."""
    ways: list[str | None] = [None]
    if stream.type == "audio" and rules.transcode_audio:
        ways.append(_SOUND.get(container, "aac"))
    if stream.type == "subtitle":
        ways.append(_TITLES[container])
    return ways


def _refuse(info: StreamInfo, source: Source, target: Path, rules: StreamRules, *, in_mkv: bool) -> None:
    """Raises VideoError unless the stream may be left out."""
    known = info.kind in ("audio", "subtitle")
    if (rules.drop or not known) and not rules.complete:
        return
    ways = ["write an .mkv"] if in_mkv else []
    if info.kind == "audio" and not rules.transcode_audio:
        ways.append("encode it anew with --transcode-audio")
    ways.append("do without --strict" if rules.complete else "leave such streams out with --drop-streams")
    raise VideoError(f"'{target}' cannot hold the {info} of '{source.path}': {', or '.join(ways)}.")


class _Trial:
    """Writing the beginning of the new film to memory, to see what the container holds."""

    def __init__(self, container: str, encoding: PictureEncoding, film: InputContainer, source: Source) -> None:
        self._container, self._encoding, self._film, self._video = container, encoding, film, source.video
        self.timecode = not source.cut
        self._chapters = moved_chapters(film, source)
        self.is_mov = container in ("mp4", "mov")
        self._first: dict[int, tuple[bytes, bool]] = {}
        for packet in islice(film.demux(), _SAMPLE):
            if packet.size:
                self._first.setdefault(packet.stream_index, (bytes(packet), packet.is_keyframe))

    def holds(self, encoders: Mapping[int, str | None]) -> bool:
        """Whether the container takes these streams together, and the first packet of each that is copied."""
        try:
            with usual_scheduling(), av.open(io.BytesIO(), "w", format=self._container) as output:
                self._add_video(output)
                carriers = [
                    (index, add_carrier(output, self._film.streams[index], encoder))
                    for index, encoder in encoders.items()
                    if not (is_cover(self._film.streams[index]) and self._container == "matroska")  # an attachment
                ]
                output.metadata.update(clean_metadata(self._film.metadata, timecode=self.timecode))
                output.set_chapters(self._chapters)
                output.start_encoding()
                for index, carrier in carriers:
                    if isinstance(carrier, Copied) and index in self._first:
                        output.mux(list(carrier.take(self._packet(index))))
        except (av.error.FFmpegError, ValueError):
            return False
        return True

    def matroska_holds(self, index: int) -> bool:
        """Whether another container would take a stream as it is."""
        stream = self._film.streams[index]
        if is_timecode(stream) or self._container == "matroska":
            return False
        try:
            with av.open(io.BytesIO(), "w", format="matroska") as output:
                add_carrier(output, stream, None)
                output.start_encoding()
        except (av.error.FFmpegError, ValueError):
            return False
        return True

    def _packet(self, index: int) -> Packet[Any]:
        data, is_key = self._first[index]
        packet: Packet[Any] = Packet(data)
        packet.pts = packet.dts = 0
        packet.time_base, packet.is_keyframe = self._film.streams[index].time_base or Fraction(1, 1000), is_key
        return packet

    def _add_video(self, output: OutputContainer) -> None:
        """A stream like that of the new pictures, but tiny."""
        codec = self._encoding.codec
        stream = output.add_stream(codec.name, rate=self._encoding.rate, options=dict(self._encoding.options))
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = _TINY
        stream.pix_fmt = codec.pixel_format(_TINY, _TINY)
        stream.codec_context.time_base = self._encoding.time_base
        like = self._film.streams[self._video]
        stream.metadata.update(clean_metadata(like.metadata, timecode=self.timecode))
