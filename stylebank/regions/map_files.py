"""Which files a label map is: known without the libraries that find regions."""

from __future__ import annotations

from pathlib import Path

LOSSLESS = (".png", ".bmp", ".tif", ".tiff")
"""Formats that keep colours as they are."""


def label_map_files(path: Path) -> tuple[Path, Path, Path]:
    """What is written for a label map: itself, and its key as a picture and as text."""
    return path, path.with_name(f"{path.stem}.key.png"), path.with_name(f"{path.stem}.key.txt")
