"""Films made for tests: frames that tell their number, sound, subtitles, rotation."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from stylebank.video import Frame, VideoInfo
from stylebank.video.frames import Pixels
from stylebank.video.probe import examine

TICK = Fraction(1, 12800)


def gray(index: int, size: tuple[int, int] = (64, 48)) -> Pixels:
    """A flat frame that tells its number."""
    return np.full((size[1], size[0], 3), 20 + 6 * index, np.uint8)


def number(frame: Frame) -> int:
    return round((float(frame.rgb.mean()) - 20) / 6)


def describe(path: Path) -> VideoInfo:
    return examine(path).info


def make_film(
    path: Path,
    frames: int = 12,
    *,
    size: tuple[int, int] = (64, 48),
    times: list[int] | None = None,
    pictures: list[Pixels] | None = None,
    audio: bool = False,
    subtitles: str | None = None,
    rotation: int = 0,
    chapters: bool = False,
    codec: str = "libx264",
    pixel_format: str = "yuv444p",
    video: bool = True,
    options: dict[str, str] | None = None,
) -> Path:
    """A film of 25 frames a second, lossless; `times` in ticks of 1/12800 s make its rate vary."""
    times = times if times is not None else [512 * i for i in range(frames)]
    with av.open(str(path), "w", options=options or {}) as film:
        film.metadata["title"] = "A film"
        if video:
            stream = film.add_stream(
                codec, rate=25, options={"crf": "0", "preset": "ultrafast"} if "x26" in codec else {}
            )
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = *size, pixel_format
            stream.codec_context.time_base = TICK
            if rotation:
                stream.set_display_rotation(rotation)
        sound = add_sound(film) if audio else None
        text = film.add_mux_stream(subtitles, time_base=Fraction(1, 1000)) if subtitles else None
        if chapters:
            parts = [(0, 200, "one"), (200, 480, "two")]
            film.set_chapters(
                [
                    {"id": i, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                    for i, (a, b, title) in enumerate(parts)
                ]
            )
        if sound is not None:
            mux_sound(film, sound, seconds=0.6)
        for begin, words in ((0, b"first"), (240, b"second")) if text is not None else ():
            packet = av.Packet(len(words).to_bytes(2, "big") + words if subtitles == "mov_text" else words)
            packet.pts = packet.dts = begin
            packet.duration, packet.time_base, packet.stream = 240, Fraction(1, 1000), text
            packet.is_keyframe = True
            film.mux(packet)
        for i, pts in enumerate(times) if video else ():
            frame = av.VideoFrame.from_ndarray(gray(i, size) if pictures is None else pictures[i])
            frame.pts, frame.time_base = pts, TICK
            film.mux(stream.encode(frame))
        if video:
            film.mux(stream.encode(None))
    return path


def add_sound(film: Any) -> Any:
    return film.add_stream("aac", rate=48000)


def mux_sound(film: Any, sound: Any, seconds: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, int(seconds * 48000))).astype(np.float32)
    for begin in range(0, noise.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise[:, begin : begin + 1024]), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, begin, Fraction(1, 48000)
        film.mux(sound.encode(frame))
    film.mux(sound.encode(None))


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """(seconds, bytes) of the packets of the first stream of a kind."""
    with av.open(str(path)) as film:
        stream = next(s for s in film.streams if s.type == kind)
        return [(p.pts * p.time_base, bytes(p)) for p in film.demux(stream) if p.size and p.pts is not None]


def make_camera_film(path: Path, timecode: str = "01:00:00:00", frames: int = 8) -> Path:
    """A QuickTime film with sound and a track of time code, as cameras and editors write it."""
    with av.open(str(path), "w") as film:
        film.metadata["timecode"] = timecode
        stream, sound = add_video(film, "libx264"), add_sound(film)
        mux_sound(film, sound, frames / 25)
        for i in range(frames):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(gray(i))))
        film.mux(stream.encode(None))
    return path


def make_recording(path: Path, begin: Fraction | float, frames: int = 12, codec: str = "mpeg2video") -> Path:
    """A film of 25 frames a second with sound, whose clock begins at `begin` seconds."""
    sounds, layout = ("aac", "fltp") if path.suffix == ".flv" else ("mp2", "s16")
    kind = "vob" if path.suffix == ".vob" else None
    with av.open(str(path), "w", format=kind, container_options={"muxdelay": "0"}) as film:
        stream, sound = add_video(film, codec), film.add_stream(sounds, rate=44100)
        for i in range(frames + 1):
            picture = av.VideoFrame.from_ndarray(gray(i)) if i < frames else None
            if picture is not None:
                picture.pts, picture.time_base = i, Fraction(1, 25)
            noise = silence(i, layout) if i < frames else None
            for packet in (*stream.encode(picture), *sound.encode(noise)):
                move = round(begin / packet.time_base)
                packet.pts, packet.dts = packet.pts + move, packet.dts + move
                film.mux(packet)
    return path


def silence(index: int, layout: str) -> av.AudioFrame:
    """The sound of one frame of 25 a second."""
    shape, kind = ((1, 2 * 1764), np.int16) if layout == "s16" else ((2, 1764), np.float32)
    frame = av.AudioFrame.from_ndarray(np.zeros(shape, kind), layout, "stereo")
    frame.sample_rate, frame.pts, frame.time_base = 44100, 1764 * index, Fraction(1, 44100)
    return frame


def make_ogg(path: Path, header: bytes, frames: int = 8) -> Path:
    """An Ogg film with sound and one more stream, which has nothing but a header."""
    with av.open(str(path), "w", format="ogg") as film:
        stream, sound = film.add_stream("libvpx", rate=25), film.add_stream("libopus", rate=48000)
        stream.width, stream.height = 64, 48
        for i in range(frames):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(gray(i))))
        film.mux(stream.encode(None))
        mux_sound(film, sound, frames / 25)
    path.write_bytes(_ogg_page(header, 2, 0) + path.read_bytes() + _ogg_page(b"", 4, 1))
    return path


def _ogg_page(data: bytes, flags: int, number: int) -> bytes:
    head = b"OggS\0" + struct.pack("<BqII", flags, 0, 77, number)
    body = bytes([1, len(data)]) + data
    check = 0
    for byte in head + bytes(4) + body:
        check ^= byte << 24
        for _ in range(8):
            check = (check << 1 ^ 0x04C11DB7 if check >> 31 else check << 1) & 0xFFFFFFFF
    return head + struct.pack("<I", check) + body


def add_video(film: Any, codec: str) -> Any:
    stream = film.add_stream(codec, rate=25, options={"crf": "10", "preset": "ultrafast"} if "x26" in codec else {})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream


def set_back(film: Path, milliseconds: int) -> None:
    """Moves all times of an FLV, below zero if need be, which its muxer would not write."""
    data, place = bytearray(film.read_bytes()), 13
    while place + 11 <= len(data):
        time = int.from_bytes(data[place + 4 : place + 7], "big") | data[place + 7] << 24
        if data[place] != 18:  # metadata
            time = (time - milliseconds) & 0xFFFFFFFF
        data[place + 4 : place + 8] = (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24])
        place += 15 + int.from_bytes(data[place + 1 : place + 4], "big")
    film.write_bytes(data)


def tone(path: Path, codec: str, rate: int, layout: str, seconds: float = 0.6) -> Path:
    """A film with a tone of 440 Hz from 0.2 s on."""
    with av.open(str(path), "w") as film:
        stream, sound = add_video(film, "mpeg4"), film.add_stream(codec, rate=rate)
        context = sound.codec_context
        context.layout, context.bit_rate = layout, 12_200 if rate == 8000 else 96_000
        ticks = np.arange(int(rate * seconds))
        wave = np.where(ticks >= rate // 5, 0.4 * np.sin(2 * np.pi * 440 * ticks / rate), 0).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave] * context.layout.nb_channels), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for ready in av.AudioResampler(context.format, layout, rate).resample(frame):
            film.mux(sound.encode(ready))
        film.mux(sound.encode(None))
        for i in range(int(25 * seconds)):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(gray(i))))
        film.mux(stream.encode(None))
    return path
