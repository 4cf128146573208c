"""Sound that is encoded anew, at the time it had."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from stylebank.video.carriers import Rising, Span

_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "5.1", "7.1")  # what AAC and Opus have for 1 to 8 channels
_BITS = 96_000  # a second and channel
_AAC_BITS = 6144  # a frame of 1024 samples and channel: the most that the format allows
_GAP = Fraction(1, 20)  # seconds that sound may be away from its time before it is moved there


class Sound:
    """Encodes sound anew, with its sampling rate where `codec` has it and with up to eight channels.

    Args:
        output: the new film.
        stream: what to encode.
        codec: FFmpeg's name of the encoder.
        span: seconds of the new film from and up to which there is sound, None for all there is.

    Raises:
        ValueError: FFmpeg has no decoder for it, or the film does not say what it is.
    """

    cuts = True

    def __init__(self, output: OutputContainer, stream: Stream, codec: str, span: Span = (None, None)) -> None:
        source = cast(AudioCodecContext | None, stream.codec_context)
        if source is None or not source.sample_rate or not source.layout.nb_channels:
            raise ValueError("no sound that can be decoded")
        self._source = source
        channels = min(source.layout.nb_channels, len(_LAYOUTS))
        rate = _nearest_rate(source.sample_rate, Codec(codec, "w").audio_rates)
        self.stream = output.add_stream(codec, rate=rate)
        assert isinstance(self.stream, AudioStream)
        self._context = self.stream.codec_context
        self._context.layout = _LAYOUTS[channels - 1]
        self._context.bit_rate = channels * min(_BITS, _AAC_BITS * rate // 1024)
        self._context.time_base = self.stream.time_base = self._tick = Fraction(1, rate)
        self._resampler = AudioResampler(self._context.format, self._context.layout, rate)
        self._kind: tuple[str, str, int] | None = None  # of sound that it takes; None before it has had any
        self._rising = Rising(output, self.stream)
        begin, end = (None if limit is None else round(limit / self._tick) for limit in span)
        self._begin, self._end = begin, end
        self._given = 0
        self._starts: list[int] = []  # samples given to the encoder, at which ...
        self._offsets: list[int] = []  # ... sound begins that is so many samples later than that

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """See `Carrier`. Damaged packets are left out."""
        try:
            frames = self._source.decode(packet if packet.size else None)
        except av.error.InvalidDataError:
            frames = []
        for frame in frames:
            yield from self._placed(self._resampled(frame))
        if not packet.size:
            yield from self._placed(self._resampled(None))
            yield from self._encoded(None)

    def _resampled(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """In the encoder's format; None ends it. Broadcasts change from stereo to surround in one stream."""
        kind = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        ready: list[AudioFrame] = []
        if kind != self._kind:
            ready = self._resampler.resample(None) if self._kind else []
            self._kind = kind
            self._resampler = AudioResampler(self._context.format, self._context.layout, self._context.sample_rate)
        return ready if frame is None else [*ready, *self._resampler.resample(frame)]

    def _placed(self, frames: Sequence[AudioFrame]) -> Iterator[Packet[Any]]:
        """Encodes frames, counted on from the one before: encoders want no gaps. Where they belong is kept aside."""
        for frame in frames:
            offset = self._offsets[-1] if self._offsets else 0
            wanted = self._given + offset
            if frame.pts is not None and frame.time_base:
                wanted = round(frame.pts * frame.time_base / self._tick)
            skip = 0 if self._begin is None else max(0, self._begin - wanted)
            stop = frame.samples if self._end is None else min(frame.samples, self._end - wanted)
            if skip >= stop:
                continue
            frame = frame if stop - skip == frame.samples else _part(frame, skip, stop)
            gap = wanted + skip - self._given - offset
            if not self._offsets or gap * self._tick > _GAP:
                self._starts.append(self._given)
                self._offsets.append(offset + gap)
            frame.pts, frame.time_base = self._given, self._tick
            self._given += frame.samples
            yield from self._encoded(frame)

    def _encoded(self, frame: AudioFrame | None) -> Iterator[Packet[Any]]:
        for packet in self._context.encode(frame):
            offset = self._offsets[max(0, bisect_right(self._starts, packet.pts or 0) - 1)] if self._offsets else 0
            packet.pts = None if packet.pts is None else packet.pts + offset
            packet.dts, packet.time_base, packet.stream = packet.pts, self._tick, self.stream
            self._rising(packet)
            yield packet


def _part(frame: AudioFrame, begin: int, end: int) -> AudioFrame:
    """The samples from `begin` up to `end` of a frame."""
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    samples: Any = np.ascontiguousarray(frame.to_ndarray()[:, begin * step : end * step])
    part = AudioFrame.from_ndarray(samples, frame.format.name, frame.layout.name)
    part.sample_rate = frame.sample_rate
    return part


def _nearest_rate(rate: int, valid: Sequence[int] | None) -> int:
    """The encoder's lowest rate that loses nothing, else its highest."""
    if not valid or rate in valid:
        return rate
    return min((other for other in valid if other > rate), default=max(valid))
