"""One stream of the source on its way into the new film: copied as it is, or its sound or titles encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol, cast

import av
from av.container import OutputContainer
from av.format import Flags
from av.packet import Packet
from av.rational import AVRational
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext

_NONSTRICT = int(cast(Any, Flags.ts_nonstrict).value)
Span = tuple[Fraction | None, Fraction | None]
"""Seconds of the new film from and up to which there is anything; None for no limit."""


class StreamError(Exception):
    """FFmpeg refuses something in the new film: what becomes of the source's stream `index`, None if it did not say."""

    def __init__(self, index: int | None) -> None:
        super().__init__(f"stream {index}")
        self.index = index


class Carrier(Protocol):
    """Takes the packets of a source's stream and yields those of its stream in the new film."""

    @property
    def stream(self) -> Stream:
        """In the new film."""

    @property
    def cuts(self) -> bool:
        """Whether it takes packets from outside the new film, too, and cuts by itself."""

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What becomes of a packet, which is on the new film's clock; an empty one ends the stream."""


class Copied:
    """Copies packets; their times are made to rise where the container wants it, as ffmpeg does."""

    cuts = False

    def __init__(self, output: OutputContainer, stream: Stream) -> None:
        self.stream = output.add_stream_from_template(stream, opaque=True)
        self._rising = Rising(output, self.stream)

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """See `Carrier`."""
        if packet.size:
            packet.stream = self.stream
            self._rising(packet)
            yield packet


class Rising:
    """Makes times of packets rise (`mux_fixup_ts` in fftools/ffmpeg_mux.c); those that do are left as they are."""

    def __init__(self, output: OutputContainer, stream: Stream) -> None:
        loose = output.format.flags & _NONSTRICT or stream.type in ("subtitle", "data")
        self._step = 0 if loose else 1
        self._stream = stream
        self._last: int | None = None
        self._end = 0

    def __call__(self, packet: Packet[Any]) -> None:
        """Mends the times of the next packet, in the ticks of its stream in the file."""
        tick = self._stream.time_base or packet.time_base
        packet.rescale_ts(AVRational(tick.numerator, tick.denominator))
        pts, dts = packet.pts, packet.dts
        if dts is None:
            dts = self._end if pts is None else pts
        if pts is None:
            pts = dts
        least = dts if self._last is None else self._last + self._step
        if dts > pts:
            pts = dts = sorted((pts, dts, least))[1]
        if dts < least:
            dts, pts = least, max(pts, least)
        packet.pts, packet.dts, self._last = pts, dts, dts
        self._end = dts + (packet.duration or 0)


class Titles:
    """Turns subtitles that are text into another kind of text.

    Raises:
        ValueError: they are pictures, or nothing that FFmpeg knows.
        FFmpegError: they cannot be decoded.
    """

    cuts = False

    def __init__(self, output: OutputContainer, stream: Stream, codec: str) -> None:
        source = cast(SubtitleCodecContext | None, stream.codec_context)
        if source is None or not source.codec.text_sub:
            raise ValueError("no titles that are text")
        self._source = source
        source.open(strict=False)  # only then is there a header
        self.stream = output.add_stream(codec)
        self._context = cast(SubtitleCodecContext, self.stream.codec_context)
        self._context.subtitle_header = source.subtitle_header
        self._context.time_base = self.stream.time_base = Fraction(1, 1000)
        self._rising = Rising(output, self.stream)

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """See `Carrier`. Damaged packets, and those without any text, are left out."""
        try:
            titles = self._source.decode2(packet) if packet.size else None
            if titles is None or not len(titles.rects):
                return
            made: Packet[Any] = self._context.encode_subtitle(titles)
        except (av.error.FFmpegError, ValueError):
            return
        made.pts, made.dts, made.duration = packet.pts, packet.pts, packet.duration
        made.time_base, made.stream, made.is_keyframe = packet.time_base, self.stream, True
        self._rising(made)
        yield made
