"""What comes from the source film beside its pictures: sound, subtitles, covers, attachments, chapters, metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from stylebank.video.carriers import Carrier, Span, StreamError
from stylebank.video.containers import is_cover, opened
from stylebank.video.probe import stream_info
from stylebank.video.timeline import Clock

_NEEDED = ("language", "filename", "mimetype")
# Facts about the old file that players would believe of the new one.
_STALE = ("duration", "number_of_", "bps", "rotate", "encoder", "major_brand", "minor_version", "compatible_brands")


@dataclass(frozen=True)
class Source:
    """Where to copy from: everything but stream `video`, `begin` seconds on its clock becoming zero.

    Unless `cut`, packets before `begin` are kept, too. From `end` on (None: the end) nothing is taken.
    """

    path: Path
    video: int
    begin: Fraction
    cut: bool = False
    end: Fraction | None = None
    clock: Clock = field(default_factory=Clock)

    @property
    def span(self) -> Span:
        """Seconds of the new film from and up to which there is anything."""
        return Fraction(0) if self.cut else None, None if self.end is None else self.end - self.begin


def add_cover(output: OutputContainer, path: Path, stream: Stream) -> None:
    """Adds a cover picture to a Matroska `output`, where covers are attachments and no streams."""
    with opened(path) as film:
        data = next((bytes(packet) for packet in film.demux(film.streams[stream.index]) if packet.size), b"")
    kind = "png" if stream_info(stream).codec == "png" else "jpeg"
    output.add_attachment(stream.metadata.get("filename", f"cover.{kind}"), f"image/{kind}", data)


def clean_metadata(metadata: dict[str, str], *, timecode: bool = True, strip: bool = False) -> dict[str, str]:
    """The entries that are still true of a new file with new pictures; MOV makes a track of the `timecode`.

    With `strip` only those are left without which a stream is not what it is: its language, an attachment's name.
    """
    if strip:
        return {key: value for key, value in metadata.items() if key.lower() in _NEEDED}
    stale = (*_STALE, "_statistics", *(() if timecode else ("timecode",)))
    return {key: value for key, value in metadata.items() if not key.lower().startswith(stale)}


def carried_packets(
    film: InputContainer, source: Source, carriers: Mapping[int, Carrier]
) -> Iterator[tuple[Fraction, int | None, Packet[Any]]]:
    """(seconds, stream, packet) for the new film, in the file's order; the stream is the index of what it is made of.

    Raises:
        StreamError: what becomes of a packet cannot be told; it names the stream.
    """
    if not carriers:
        return  # FFmpeg would take no streams for all
    for stream in film.streams:
        if stream.index not in carriers:
            stream.discard = Discard.all  # spares reading the old pictures
    now = Fraction(0)
    for packet in source.clock.packets(film, [stream for stream in film.streams if stream.index in carriers]):
        if packet.size == 0:  # the end, of a stream that it does not name
            continue
        stream, tick = film.streams[packet.stream_index], packet.time_base
        if is_cover(stream):
            packet.pts = packet.dts = 0
        elif not _move(packet, stream, source, cut=not carriers[stream.index].cuts):
            continue
        stamp = packet.dts if packet.dts is not None else packet.pts
        now = now if stamp is None else stamp * tick
        for made in _taken(carriers[stream.index], packet, stream.index):
            yield now, stream.index, made
    for index, carrier in carriers.items():
        for made in _taken(carrier, Packet(), index):
            yield now, index, made


def _taken(carrier: Carrier, packet: Packet[Any], index: int) -> list[Packet[Any]]:
    try:
        return list(carrier.take(packet))
    except (av.error.FFmpegError, ValueError) as error:
        raise StreamError(index) from error


def moved_chapters(film: InputContainer, source: Source) -> list[Any]:
    """The source's chapters on the new clock, those outside it left out."""
    chapters = []
    for chapter in film.chapters():
        tick = chapter["time_base"] or Fraction(1, 1000)
        start, end = chapter["start"] * tick, chapter["end"] * tick
        if source.end is not None:
            end = min(end, source.end)
        start = max(start, source.begin) - source.begin
        end -= source.begin
        if end > start:
            chapters.append({**chapter, "start": round(start / tick), "end": round(end / tick)})
    return chapters


def _move(packet: Packet[Any], stream: Stream, source: Source, *, cut: bool) -> bool:
    """Shifts the packet to the new clock; False if it is to be cut and lies outside."""
    if packet.pts is None and packet.dts is None:
        return True
    tick = packet.time_base
    stamp = packet.pts if packet.pts is not None else packet.dts
    assert stamp is not None
    start, length = stamp * tick, (packet.duration or 0) * tick
    if cut and source.end is not None and start >= source.end:
        return False
    shift = round(source.begin / tick)
    if cut and source.cut and start < source.begin:
        if stream.type != "subtitle" or start + length <= source.begin:
            return False
        packet.duration = round((start + length - source.begin) / tick)  # it still shows: begin it at zero
        packet.pts = packet.dts = shift
    packet.pts = None if packet.pts is None else packet.pts - shift
    packet.dts = None if packet.dts is None else packet.dts - shift
    return True
