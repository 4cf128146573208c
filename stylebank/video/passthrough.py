"""What is copied untouched from the source film: sound, subtitles, covers, attachments, chapters and metadata."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from stylebank.video.containers import is_cover, opened
from stylebank.video.frames import VideoError
from stylebank.video.probe import stream_info

# Facts about the old file that players would believe of the new one.
_STALE = ("duration", "number_of_", "bps", "rotate", "encoder", "major_brand", "minor_version", "compatible_brands")
_KINDS = ("audio", "subtitle")


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


def plan_streams(source: Source, container: str, target: Path, *, drop: bool = False) -> list[int]:
    """The indices of the source's other streams that can go into a `container`.

    Raises:
        VideoError: sound or subtitles cannot, unless `drop`. Data and covers that cannot are left out either way.
    """
    kept: list[int] = []
    with opened(source.path) as film:
        has_chapters = bool(film.chapters())
        for stream in film.streams:
            if stream.index == source.video:
                continue
            info = stream_info(stream)
            if info.codec == "bin_data" and has_chapters:
                continue  # how MP4 stores its chapters, which are written anew
            if _fits(stream, container):
                kept.append(stream.index)
            elif info.kind in _KINDS and not drop:
                raise VideoError(
                    f"'{target}' cannot hold the {info} of '{source.path}': write an .mkv, or leave such streams out."
                )
    return kept


def add_copy(output: OutputContainer, stream: Stream) -> Stream:
    """Adds a stream to `output` that takes the packets of `stream` as they are."""
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.disposition = stream.disposition
    copy.metadata.update(clean_metadata(stream.metadata))
    return copy


def add_cover(output: OutputContainer, path: Path, stream: Stream) -> None:
    """Adds a cover picture to a Matroska `output`, where covers are attachments and no streams."""
    data = next((bytes(packet) for packet in _packets_of(path, stream.index) if packet.size), b"")
    kind = "png" if stream_info(stream).codec == "png" else "jpeg"
    output.add_attachment(stream.metadata.get("filename", f"cover.{kind}"), f"image/{kind}", data)


def clean_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """The entries that are still true of a new file with new pictures."""
    return {key: value for key, value in metadata.items() if not key.lower().startswith((*_STALE, "_statistics"))}


def copied_packets(
    film: InputContainer, source: Source, copies: dict[int, Stream]
) -> Iterator[tuple[Fraction, Packet[Any]]]:
    """(seconds, packet) of the streams in `copies`, in the file's order, belonging to the copy and moved in time."""
    if not copies:
        return  # FFmpeg would take no streams for all
    for stream in film.streams:
        if stream.index not in copies:
            stream.discard = Discard.all  # spares reading the old pictures
    now = Fraction(0)
    for packet in film.demux([stream for stream in film.streams if stream.index in copies]):
        if packet.size == 0:  # the end of a stream
            continue
        stream, copy = film.streams[packet.stream_index], copies[packet.stream_index]
        if is_cover(stream):
            packet.pts = packet.dts = 0
        elif not _move(packet, stream, source):
            continue
        stamp = packet.dts if packet.dts is not None else packet.pts
        now = now if stamp is None else stamp * packet.time_base
        packet.stream = copy
        yield now, packet


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


def _move(packet: Packet[Any], stream: Stream, source: Source) -> bool:
    """Shifts the packet to the new clock; False if it lies outside."""
    if packet.pts is None and packet.dts is None:
        return True
    tick = packet.time_base
    stamp = packet.pts if packet.pts is not None else packet.dts
    assert stamp is not None
    start, length = stamp * tick, (packet.duration or 0) * tick
    if source.end is not None and start >= source.end:
        return False
    shift = round(source.begin / tick)
    if source.cut and start < source.begin:
        if stream.type != "subtitle" or start + length <= source.begin:
            return False
        packet.duration = round((start + length - source.begin) / tick)  # it still shows: begin it at zero
        packet.pts = packet.dts = shift
    packet.pts = None if packet.pts is None else packet.pts - shift
    packet.dts = None if packet.dts is None else packet.dts - shift
    return True


def _packets_of(path: Path, index: int) -> Iterator[Packet[Any]]:
    with opened(path) as film:
        yield from film.demux(film.streams[index])


def _fits(stream: Stream, container: str) -> bool:
    """Whether the container takes the stream, found out by writing a header to memory."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            add_copy(trial, stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True
