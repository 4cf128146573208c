"""Clocks that jump, of recordings glued together or counters that wrapped: their times are made to run on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Stream

from stylebank.video.containers import opened

_MAY_JUMP = int(cast(Any, Flags.ts_discont).value)
_JUMP = 10  # seconds: ffmpeg's -dts_delta_threshold
_BACK = 0.1  # seconds a stream may go back without having jumped
_BEYOND_END = 10  # seconds: streams of one moment lie this far apart in a file at most


@dataclass(frozen=True)
class Clock:
    """How a film's packets are to be moved in time.

    `moves` says, for each stream's index, (number of the packet, seconds) in order: from that packet on, counted
    among the stream's packets that are not empty, times are moved by so much. `earliest` is when the first stream of
    sound or pictures begins, `ends` when the pictures do, in seconds on the clock as moved; None if nothing is.
    """

    moves: Mapping[int, tuple[tuple[int, Fraction], ...]] = field(default_factory=dict)
    earliest: Fraction | None = None
    ends: Fraction | None = None

    def packets(self, container: InputContainer, streams: list[Stream]) -> Iterator[Packet[Any]]:
        """The packets of `streams` from the beginning of the file, moved; an empty one ends each stream."""
        counts = dict.fromkeys((stream.index for stream in streams), 0)
        for packet in container.demux(streams):
            if packet.size:
                shift(packet, self._move(packet.stream_index, counts[packet.stream_index]))
                counts[packet.stream_index] += 1
            yield packet

    def _move(self, stream: int, number: int) -> Fraction:
        moves = self.moves.get(stream, ())
        passed = bisect_right(moves, number, key=lambda move: move[0])
        return moves[passed - 1][1] if passed else Fraction(0)


def shift(packet: Packet[Any], seconds: Fraction) -> None:
    """Moves a packet in time."""
    if not seconds:
        return
    ticks = round(seconds / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks


def read_clock(path: Path, video: int, until: Fraction | None = None) -> Clock:
    """The clock of a film whose format allows for jumps, found by reading it through; of others a plain one.

    Args:
        path: the film.
        video: its stream of pictures.
        until: seconds from the beginning after which no more need be known, None for the end.

    Raises:
        VideoError: the film cannot be read.
    """
    with opened(path) as container:
        if not container.format.flags & _MAY_JUMP:
            return Clock()
        finder = _Finder()
        ticks = {s.index: float(s.time_base or 0) for s in container.streams if s.type in ("video", "audio")}
        for packet in container.demux():
            tick = ticks.get(packet.stream_index)
            if packet.size and tick is not None:
                now = finder.take(packet, tick)
                if until is not None and packet.stream_index == video and now > until + _BEYOND_END:
                    break
            elif packet.size:
                finder.follow(packet)
    return finder.clock(video)


class _Finder:
    """ffmpeg's rule (`ts_discontinuity_detect` in fftools/ffmpeg_demux.c): one jump moves all streams after it.

    A stream has jumped where it is more than ten seconds away from where its last packet ended, or goes back.
    Times are floats: ten times as quick as fractions, and finer than any film's ticks.
    """

    def __init__(self) -> None:
        self._moved = 0.0
        self._tracks: dict[int, _Track] = {}
        self._newest: float | None = None
        self._counts: dict[int, int] = {}
        self._moves: dict[int, list[tuple[int, float]]] = {}

    def take(self, packet: Packet[Any], tick: float) -> float:
        """Looks at the next packet of sound or pictures. Returns the seconds since its stream's beginning."""
        track = self._tracks.setdefault(packet.stream_index, _Track())
        dts, pts = packet.dts, packet.pts
        if dts is not None:
            delay = 0.0 if pts is None else (pts - dts) * tick
            if pts is not None and abs(delay) > _JUMP:  # FFmpeg has made up the first dts after a jump
                delay = track.delay
                dts = pts - round(delay / tick)
            now = dts * tick + self._moved
            expected = self._newest if track.next is None else track.next
            if expected is not None and track.has_jumped(now, expected):
                self._moved += expected - now
                now = expected
            self._newest = now
            track.note(now, delay, (packet.duration or 0) * tick)
        self.follow(packet)
        return 0.0 if track.first is None else track.ends - track.first

    def follow(self, packet: Packet[Any]) -> None:
        """Notes how far the packet is moved."""
        index = packet.stream_index
        number = self._counts.get(index, 0)
        self._counts[index] = number + 1
        moves = self._moves.setdefault(index, [])
        if self._moved != (moves[-1][1] if moves else 0):
            moves.append((number, self._moved))

    def clock(self, video: int) -> Clock:
        """What was found. `video` is the stream of pictures."""
        moves = {
            index: tuple((number, _exactly(seconds)) for number, seconds in moves)
            for index, moves in self._moves.items()
            if moves
        }
        if not moves:
            return Clock()
        starts = [_exactly(track.first) for track in self._tracks.values() if track.first is not None]
        pictures = self._tracks.get(video)
        return Clock(moves, min(starts, default=None), _exactly(pictures.ends) if pictures else None)


@dataclass
class _Track:
    """One stream as far as it was read, in seconds on the clock as moved."""

    first: float | None = None
    """When its first packet is shown."""
    last: float | None = None
    """When its newest packet is decoded, as `next` is for the one after it."""
    next: float | None = None
    delay: float = 0.0
    """How long after decoding the newest packet is shown."""
    ends: float = 0.0

    def has_jumped(self, now: float, expected: float) -> bool:
        return abs(now - expected) > _JUMP or (self.last is not None and now + _BACK < self.last)

    def note(self, now: float, delay: float, length: float) -> None:
        shown = now + delay
        self.first = shown if self.first is None else self.first
        self.last, self.next, self.delay = now, now + length, delay
        self.ends = max(self.ends, shown + length)


def _exactly(seconds: float) -> Fraction:
    return Fraction(seconds).limit_denominator(1_000_000)
