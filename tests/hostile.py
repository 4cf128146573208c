"""Damaged and malicious files, made from a number: the same number makes the same file."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from films import make_film
from PIL import Image
from tiny import config, write_bank

from stylebank.config import dump_config

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")


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
    """A picture of any format, odd in its size or its metadata, damaged, or called like another format."""
    kind = str(rng.choice(FORMATS))
    width, height = (int(side) for side in rng.choice([1, 2, 15, 16, 17, 40, 64], 2))
    if rng.random() < 0.1:
        width, height = (60_000, 16) if rng.random() < 0.5 else (1, 5_000)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    image = Image.fromarray(pixels)
    if rng.random() < 0.3:
        image = image.convert(str(rng.choice(["L", "P", "1", "CMYK"] if kind == "TIFF" else ["L", "1"])))
    buffer, options = io.BytesIO(), dict[str, Any]()
    if rng.random() < 0.3 and kind in ("PNG", "JPEG", "WEBP"):
        options["exif"] = b"Exif\x00\x00" + rng.bytes(int(rng.integers(80)))
    if rng.random() < 0.2 and kind in ("GIF", "WEBP", "TIFF"):
        options |= {"save_all": True, "append_images": [image] * 2}
    try:
        image.save(buffer, kind, **options)
    except (OSError, ValueError, KeyError):
        Image.fromarray(pixels).save(buffer, kind)
    data = buffer.getvalue()
    if rng.random() < 0.75:
        data = damaged(data, rng)
    suffix = str(rng.choice(["png", "jpg", "webp", "tif", "gif", "bmp", "ppm", "PNG", "jpeg"]))
    path = folder / f"case.{suffix}"
    path.write_bytes(data)
    return path


def bomb(folder: Path) -> Path:
    """A PNG of a few hundred bytes that says it has 60,000 x 60,000 pixels."""
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(bytes(data))
    return folder / "bomb.png"


# ---------------------------------------------------------------------------------------------------- films


def film(folder: Path, rng: np.random.Generator) -> Path:
    """A film that is whole, damaged, without pictures, or called like another format."""
    suffix = str(rng.choice(["mp4", "mkv", "mov"]))
    source = folder / f"source.{suffix}"
    pictures = bool(rng.random() < 0.9)
    make_film(source, int(rng.integers(1, 5)), audio=bool(not pictures or rng.random() < 0.3), video=pictures)
    data = source.read_bytes()
    source.unlink()
    path = folder / f"case.{rng.choice(['mp4', 'mkv', 'mov', 'avi', 'webm', 'ts'])}"
    path.write_bytes(data if rng.random() < 0.2 else damaged(data, rng))
    return path


# -------------------------------------------------------------------------------------------------- configs


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


# ---------------------------------------------------------------------------------------------------- banks


def bank(folder: Path, rng: np.random.Generator) -> Path:
    """A bank with one thing wrong."""
    path = write_bank(folder / "case_bank", "calm", "storm")
    change = _BANK_CHANGES[int(rng.integers(len(_BANK_CHANGES)))]
    change(path, rng)
    return path


def _files(path: Path, rng: np.random.Generator) -> Path:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return files[int(rng.integers(len(files)))]


def _damage_file(path: Path, rng: np.random.Generator) -> None:
    file = _files(path, rng)
    file.write_bytes(damaged(file.read_bytes(), rng))


def _remove_file(path: Path, rng: np.random.Generator) -> None:
    _files(path, rng).unlink()


def _directory_for_file(path: Path, rng: np.random.Generator) -> None:
    file = _files(path, rng)
    file.unlink()
    file.mkdir()


def _link_elsewhere(path: Path, rng: np.random.Generator) -> None:
    file = _files(path, rng)
    file.unlink()
    file.symlink_to(str(rng.choice(["/etc/passwd", "../../keep/mine.txt", "/dev/zero", file.name])))


def _change_manifest(path: Path, rng: np.random.Generator) -> None:
    file = path / "bank.json"
    manifest = json.loads(file.read_text())
    key = str(rng.choice(sorted(manifest)))
    choices: list[Any] = [None, -1, 10**40, "../x", "/etc/passwd", ["../x"], ["calm", "calm"], ["gone"], {}, [[]], True]
    manifest[key] = choices[int(rng.integers(len(choices)))]
    file.write_text(json.dumps(manifest))


def _change_architecture(path: Path, rng: np.random.Generator) -> None:
    file = path / "bank.json"
    manifest = json.loads(file.read_text())
    key = str(rng.choice(sorted(manifest["architecture"])))
    choices: list[Any] = [0, -3, 2, 10**12, [10**6] * 3, [8, 8], "instance", "none", None, 1.5, "a"]
    manifest["architecture"][key] = choices[int(rng.integers(len(choices)))]
    file.write_text(json.dumps(manifest))


def _change_tensors(path: Path, rng: np.random.Generator) -> None:
    file = sorted(path.rglob("*.safetensors"))[int(rng.integers(3))]
    tensors = safetensors.torch.load_file(file)
    name = str(rng.choice(sorted(tensors)))
    changes: list[Callable[[], Any]] = [
        lambda: tensors.pop(name),
        lambda: tensors.update(extra=torch.zeros(2)),
        lambda: tensors.update({name: tensors[name].flatten()}),
        lambda: tensors.update({name: tensors[name].to(torch.int8)}),
        lambda: tensors.update({name: torch.full_like(tensors[name], torch.nan)}),
        lambda: tensors.update({name: torch.full_like(tensors[name], 1e30)}),
    ]
    changes[int(rng.integers(len(changes)))]()
    safetensors.torch.save_file(tensors, file)
    _rehash(path)


def _rehash(path: Path) -> None:
    """Makes the hashes agree again, so that what is inside is looked at."""
    from stylebank.files import sha256_of

    manifest = json.loads((path / "bank.json").read_text())
    manifest["autoencoder_sha256"] = sha256_of(path / "autoencoder.safetensors")
    (path / "bank.json").write_text(json.dumps(manifest))
    for file in (path / "styles").glob("*.json"):
        record = json.loads(file.read_text())
        record["autoencoder_sha256"] = manifest["autoencoder_sha256"]
        record["sha256"] = sha256_of(file.with_suffix(".safetensors"))
        file.write_text(json.dumps(record))


def _pickle_for_weights(path: Path, rng: np.random.Generator) -> None:
    """A pickle that would make a file if it were ever loaded as one."""
    file = sorted(path.rglob("*.safetensors"))[int(rng.integers(3))]
    file.write_bytes(b"cposix\nsystem\n(S'touch " + str(path.parent / "pwned").encode() + b"'\ntR.")
    _rehash(path)


def _rename_style(path: Path, rng: np.random.Generator) -> None:
    name = str(rng.choice(["../x", "/abs", "a/b", "con", "", ".", "..", "A B", "calm\n", "x" * 300]))
    manifest = json.loads((path / "bank.json").read_text())
    manifest["styles"][0] = name
    (path / "bank.json").write_text(json.dumps(manifest))


def _empty(path: Path, rng: np.random.Generator) -> None:
    shutil.rmtree(path)
    if rng.random() < 0.5:
        path.mkdir()


_BANK_CHANGES = (
    *(_damage_file, _damage_file, _remove_file, _directory_for_file, _link_elsewhere, _change_manifest),
    *(_change_architecture, _change_tensors, _change_tensors, _pickle_for_weights, _rename_style, _empty),
)
