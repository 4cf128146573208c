"""Damaged and malicious files, made from a number: the same number makes the same file. Pictures and configurations."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from tiny import config

from stylebank.config_files import dump_config

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")
SUFFIXES = ("png", "jpg", "webp", "tif", "gif", "bmp", "ppm", "PNG", "jpeg")
CLAIMED = (0, 1, 40, 15_000, 16_383, 60_000, 2**31 - 1, 2**32 - 1)
"""Widths and heights that headers speak of; 15,000 x 15,000 is below the limit."""


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut short, with flipped bits, with a piece doubled, zeroed or replaced by noise, or nothing at all."""
    kind, size = rng.integers(7), len(data)
    at = int(rng.integers(size)) if size else 0
    piece = int(rng.integers(1, 64))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at : at + piece] + data[at:]
    if kind == 2:
        return data[:at] + bytes(piece) + data[at + piece :]
    if kind == 3:
        return data[:at] + rng.bytes(piece) + data[at + piece :]
    if kind == 4:  # what is said of size and kind stands at the beginning
        at = int(rng.integers(min(size, 64)))
        return data[:at] + rng.bytes(4) + data[at + 4 :]
    if kind == 5:
        return rng.bytes(int(rng.integers(200)))
    flipped = bytearray(data)
    for place in rng.integers(size, size=int(rng.integers(1, 20))):
        flipped[place] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


# -------------------------------------------------------------------------------------------------- pictures


def picture(folder: Path, rng: np.random.Generator) -> Path:
    """A picture of any format: odd in size or metadata, claiming a huge size, damaged, called like another format."""
    kind = str(rng.choice(FORMATS))
    image, options = _image(kind, rng), _metadata(kind, rng)
    if rng.random() < 0.2 and kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options |= {"save_all": True, "append_images": [image] * 2}
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except (OSError, ValueError, KeyError):  # Pillow writes no such file
        buffer = io.BytesIO()
        image.convert("RGB").crop((0, 0, min(image.width, 16_000), image.height)).save(buffer, kind)
    data = buffer.getvalue()
    change = rng.random()
    if change < 0.2:
        data = claiming(kind, data, int(rng.choice(CLAIMED)), int(rng.choice(CLAIMED)))
    elif change < 0.8:
        data = damaged(data, rng)
    path = folder / f"case.{rng.choice(SUFFIXES)}"
    path.write_bytes(data)
    return path


def _image(kind: str, rng: np.random.Generator) -> Image.Image:
    width, height = (int(side) for side in rng.choice([1, 2, 15, 16, 17, 40, 64], 2))
    if rng.random() < 0.1:
        width, height = (60_000, 4) if rng.random() < 0.5 else (1, 5_000)
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    if rng.random() < 0.3:
        image = image.convert(str(rng.choice(["L", "P", "1", "CMYK"] if kind == "TIFF" else ["L", "1", "P"])))
    return image


def _metadata(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Options of `save`: metadata out of range or broken, text that unpacks to much more."""
    options = dict[str, Any]()
    if rng.random() < 0.3 and kind in ("PNG", "JPEG", "WEBP"):
        options["exif"] = b"Exif\x00\x00" + rng.bytes(int(rng.integers(80)))
    elif rng.random() < 0.2 and kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif[0x0112] = int(rng.choice([0, 5, 6, 9, 255, 65_535]))  # the orientation: 1 to 8 mean something
        options["exif"] = exif
    if rng.random() < 0.2 and kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        options["icc_profile"] = rng.bytes(int(rng.integers(1, 400)))
    if rng.random() < 0.2 and kind in ("PNG", "JPEG", "TIFF"):
        options["dpi"] = (int(rng.choice([0, 1, 60_000])),) * 2
    if rng.random() < 0.1 and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("comment", "a" * 20_000_000, zip=True)
    return options


def claiming(kind: str, data: bytes, width: int, height: int) -> bytes:
    """A small picture of a format whose header speaks of another size, as far as the format can say it."""
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    if kind == "PPM":
        return b"P6 %d %d 255\n" % (width, height) + data[-12:]
    if kind == "BMP":
        return data[:18] + struct.pack("<II", width, height) + data[26:]
    if kind == "GIF":
        return data[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + data[10:]
    if kind == "JPEG":
        at = data.find(b"\xff\xc0") + 5
        return data[:at] + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF) + data[at + 4 :]
    if kind == "TIFF":
        for tag, side in ((256, width), (257, height)):
            at = data.find(struct.pack("<H", tag) + b"\x04\x00\x01") if data[:2] == b"II" else -1
            at = at if at >= 0 else data.find(struct.pack("<H", tag) + b"\x03\x00\x01")
            data = data[:at] + struct.pack("<HHII", tag, 4, 1, side & 0xFFFFFFFF) + data[at + 12 :]
        return data
    bits = (width & 0x3FFF) | (height & 0x3FFF) << 16  # WebP, lossy: 14 bits each
    return data[:26] + struct.pack("<I", bits) + data[30:]


def bomb(folder: Path) -> Path:
    """A PNG of a few hundred bytes that says it has 60,000 x 60,000 pixels."""
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "PNG")
    (folder / "bomb.png").write_bytes(claiming("PNG", buffer.getvalue(), 60_000, 60_000))
    return folder / "bomb.png"


# -------------------------------------------------------------------------------------------- configurations


def configuration(folder: Path, rng: np.random.Generator) -> Path:
    """A valid configuration with values replaced by anything, a random tree, or a damaged text."""
    path = folder / "case.yaml"
    text = dump_config(config())
    kind = rng.integers(4)
    if kind == 0:
        text = damaged(text.encode(), rng).decode("utf-8", "replace")
    elif kind == 1:
        text = json.dumps(_tree(rng, 0))
    elif kind == 2:
        lines = text.splitlines()
        at = int(rng.integers(len(lines)))
        key = lines[at].split(":", 1)[0]
        lines[at] = f"{key}: {_value(rng)}"
        text = "\n".join(lines)
    else:
        text = str(
            rng.choice([_LAUGHS, "a: &a [*a]", "<<: *gone", "- - - -", "{" * 200, "!!python/object:os.system x"])
        )
    path.write_text(text, encoding="utf-8")
    return path


_LAUGHS = "\n".join(
    ["a0: &a0 [lol, lol, lol, lol]"]
    + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 12)]
)
_VALUES = (
    *(
        "1e999",
        "-1",
        "0",
        ".nan",
        ".inf",
        "-.inf",
        "99999999999999999999999",
        "true",
        "null",
        "''",
        "[]",
        "{}",
        "[[[]]]",
    ),
    *('"\\0"', "../..", "2024-01-01", "0x10", "!!binary aGk=", "&x 3", "*gone", "'%s'", "1_000", "[1, 2, 3, 4, 5]"),
)


def _value(rng: np.random.Generator) -> str:
    return str(rng.choice(_VALUES))


def _tree(rng: np.random.Generator, depth: int) -> Any:
    names = ["model", "bank", "loss", "data", "train", "channels", "steps", "lr", "styles", "seed", "\u0000", "é" * 50]
    if depth > 4 or rng.random() < 0.3:
        return [1, -1.5, 10**30, None, True, "text", "", [], {}][int(rng.integers(9))]
    if rng.random() < 0.3:
        return [_tree(rng, depth + 1) for _ in range(rng.integers(4))]
    return {str(rng.choice(names)): _tree(rng, depth + 1) for _ in range(rng.integers(1, 5))}
