"""Films and animations that are damaged, or odd in rate, size and streams, made from a number as in `hostile`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from films import make_camera_film, make_film, make_ogg, make_recording, set_back, tone
from hostile import damaged
from PIL import Image


def film(folder: Path, rng: np.random.Generator) -> Path:
    """A film of any kind below; half of them damaged, some called like another format."""
    make = _KINDS[int(rng.integers(len(_KINDS)))]
    path = make(folder, rng)
    if rng.random() < 0.5:
        path.write_bytes(damaged(path.read_bytes(), rng))
    if rng.random() < 0.2:
        path = path.rename(path.with_suffix(f".{rng.choice(['mp4', 'mkv', 'mov', 'avi', 'webm', 'ts', 'gif'])}"))
    return path


def _plain(folder: Path, rng: np.random.Generator) -> Path:
    """With sound or without; in a tenth nothing but sound."""
    pictures = bool(rng.random() < 0.9)
    path = folder / f"case.{rng.choice(['mp4', 'mkv', 'mov'])}"
    return make_film(path, int(rng.integers(1, 5)), audio=bool(not pictures or rng.random() < 0.3), video=pictures)


def _no_frames(folder: Path, rng: np.random.Generator) -> Path:
    """A stream of pictures is announced, and none follows."""
    path = make_film(folder / "case.mkv", 1)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"\x1f\x43\xb6\x75")])  # where Matroska's first cluster begins
    return path


def _odd_times(folder: Path, rng: np.random.Generator) -> Path:
    """Thousands of frames a second, or days between two."""
    gaps = rng.choice([1, 2, 512, 12_800 * 86_400], 3)
    return make_film(folder / f"case.{rng.choice(['mkv', 'mp4'])}", times=[0, *np.cumsum(gaps).tolist()])


def _odd_header(folder: Path, rng: np.random.Generator) -> Path:
    """Raw frames under a header of one line: any size, rate and shape of pixels."""
    numbers = [0, 1, 25, 10**6, 2**31 - 1, 10**12]
    width, height = (int(side) for side in rng.choice([0, 1, 16, 16, 16, 48, 20_000, 2**31 - 1], 2))
    rate, base, across, down = (int(number) for number in rng.choice(numbers, 4))
    header = f"YUV4MPEG2 W{width} H{height} F{rate}:{base} Ip A{across}:{down} C420\n"
    frame = b"FRAME\n" + rng.bytes(min(width * height * 3 // 2, 100_000))
    path = folder / "case.y4m"
    path.write_bytes(header.encode() + frame * 3)
    return path


def _changing_size(folder: Path, rng: np.random.Generator) -> Path:
    """Two films of different size, one after the other in one stream."""
    path = folder / "case.ts"
    sizes = [(64, 48), (int(rng.choice([16, 48, 320])), int(rng.choice([16, 96, 240])))]
    data = b""
    for size in sizes:
        data += make_film(folder / "part.ts", 3, size=size).read_bytes()
    (folder / "part.ts").unlink()
    path.write_bytes(data)
    return path


def _glued(folder: Path, rng: np.random.Generator) -> Path:
    """Two recordings with sound, one after the other, whose clocks have nothing to do with each other."""
    path, data = folder / f"case.{rng.choice(['ts', 'vob'])}", b""
    for begin in rng.choice([0, 3, 9, 12, 5000, 95_000], 2):
        data += make_recording(path, int(begin), int(rng.integers(1, 8))).read_bytes()
    path.write_bytes(data)
    return path


def _strange_streams(folder: Path, rng: np.random.Generator) -> Path:
    """Time code, streams that nobody knows, sound that hardly a container holds, times before zero."""
    number = int(rng.integers(4))
    if number == 0:
        return make_camera_film(folder / "case.mov", f"{rng.integers(99):02}:00:00{rng.choice([':', ';'])}00", 3)
    if number == 1:
        return make_ogg(folder / "case.ogv", bytes(rng.bytes(int(rng.integers(1, 200)))), 3)
    if number == 2:
        return tone(folder / "case.3gp", "libopencore_amrnb", 8000, "mono", 0.2)
    path = make_recording(folder / "case.flv", 0, 4, "flv")
    set_back(path, int(rng.choice([1, 100, 2**31 - 1])))
    return path


def _animation(folder: Path, rng: np.random.Generator) -> Path:
    """An animation, with durations out of range."""
    suffix = str(rng.choice(["gif", "webp", "png"]))
    frames = [Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(int(rng.integers(1, 4)))]
    path = folder / f"case.{suffix}"
    durations = [int(rng.choice([0, 1, 100, 65_000])) for _ in frames]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=int(rng.integers(3)))
    return path


def _far(folder: Path, rng: np.random.Generator) -> Path:
    """An animation whose later frames lie anywhere."""
    return far_frames(folder, *(int(place) for place in rng.choice([0, 1, 50, 3000, 65_000], 2)))


def gif(screen: tuple[int, int], *places: tuple[int, int, int]) -> bytes:
    """A GIF of frames of one pixel each, at (x, y), with what is done to it afterwards."""
    palette = bytes(3) + b"\xff" * 3
    data = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + palette
    for x, y, disposal in places:
        data += b"!\xf9\x04" + bytes([disposal << 2 | 1, 5, 0, 0, 0])
        data += b"," + struct.pack("<HHHHB", x, y, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return data + b";"


def far_frames(folder: Path, x: int = 65_000, y: int = 2_700) -> Path:
    """An animation of four pixels, but for frames that lie far outside."""
    path = folder / "far.gif"
    path.write_bytes(gif((2, 2), (0, 0, 1), *((x + i, y, i % 4) for i in range(4))))
    return path


def many_frames(folder: Path, kind: str) -> Path:
    """A small animation that claims, or has, any number of frames."""
    path = folder / f"many.{kind}"
    if kind == "gif":
        path.write_bytes(gif((2, 2), *[(0, 0, 1)] * 100_001))
        return path
    frames = [Image.new("RGB", (2, 2), (i, 0, 0)) for i in range(2)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])
    data = path.read_bytes()
    place = data.index(b"acTL")
    chunk = b"acTL" + struct.pack(">II", 2**31 - 1, 0)
    path.write_bytes(data[:place] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[place + 16 :])
    return path


_KINDS: tuple[Callable[[Path, np.random.Generator], Path], ...] = (
    *(_plain, _plain, _plain, _no_frames, _odd_times, _odd_header, _changing_size, _animation, _far),
    *(_glued, _strange_streams),
)
