"""Label maps as pictures: one colour per label, to be edited in any paint program and read back.

The colours are the 64 that have 0, 85, 170 or 255 in each channel, the most different ones first. They are so far
apart that a colour which JPEG or a paint program changed a little still says which label it is, and one that is no
label's is noticed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from stylebank.errors import ImageError
from stylebank.files import new_file
from stylebank.images import load_picture, save_picture
from stylebank.regions.map_files import LOSSLESS, label_map_files
from stylebank.regions.method import MAX_LABELS

_STEP = 85  # between the levels of a channel
_TOLERANCE = 32  # of a channel, where a colour still is a label's; less than half a step
_FLAT = 12  # a channel that changes less around a pixel belongs to an area, not to an edge
_ROW, _MARGIN = 26, 8  # of the key, in pixels


def _palette() -> np.ndarray:
    """(64, 3): from red on, always the colour furthest from all before it."""
    colors = np.stack(np.meshgrid(*[np.arange(0, 256, _STEP)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = [len(colors) - 16]  # red
    distance = np.full(len(colors), np.inf)
    while len(chosen) < len(colors):
        distance = np.minimum(distance, ((colors - colors[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(np.argmax(distance)))
    return colors[chosen].astype(np.uint8)


_COLORS = _palette()
PALETTE: tuple[tuple[int, int, int], ...] = tuple((int(r), int(g), int(b)) for r, g, b in _COLORS)
"""The colour (red, green, blue) of every label."""
_LABEL_AT = np.argsort((_COLORS // _STEP) @ np.array([16, 4, 1]))  # where a colour lies among the 64 -> its label


def save_label_map(labels: np.ndarray, path: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Writes a label map, and its key as a picture and as text: NAME.png, NAME.key.png, NAME.key.txt.

    Args:
        labels: (H, W) whole numbers from 0 to 63.
        path: where the map goes; a format that keeps colours as they are.

    Returns:
        The three paths.

    Raises:
        ImageError: the suffix is not valid, there are labels without a colour, or a file exists.
        StyleBankError: the disk fails or is full.
    """
    path = Path(path)
    if path.suffix.lower() not in LOSSLESS:
        raise ImageError(f"'{path}' would not keep a label map's colours; valid suffixes are {' '.join(LOSSLESS)}")
    _check(labels)
    files = path, picture, text = label_map_files(path)
    for file in files:
        if file.exists() and not overwrite:
            raise ImageError(f"'{file}' exists; pass --overwrite to replace it")
    save_picture(Image.fromarray(_COLORS[labels]), path, overwrite=overwrite)
    save_picture(key_picture(labels), picture, overwrite=overwrite)
    with new_file(text) as temporary:
        temporary.write_text(key_text(labels), encoding="utf-8")
    return list(files)


def load_label_map(path: str | Path) -> np.ndarray:
    """Reads a label map, however it was saved.

    Where every colour is a label's, labels are exactly what the picture says. Otherwise soft edges and the traces of
    JPEG go to the nearest region, and areas less than 3 pixels wide may be lost.

    Returns:
        (H, W) uint8, of the file's size.

    Raises:
        ImageError: the file cannot be read, is no label map, or an area has a colour that is no label's.
    """
    picture = load_picture(path)
    if picture.alpha is not None and picture.alpha.getextrema() != (255, 255):
        raise ImageError(f"'{path}' is transparent in places; paint all of a label map in its labels' colours")
    return _labels(np.asarray(picture.rgb), Path(path))


def key_text(labels: np.ndarray) -> str:
    """A line per label: number, colour, and share of the picture."""
    lines = [f"{label:>5}  #{bytes(PALETTE[label]).hex()}  {share:>6.1%}" for label, share in _shares(labels).items()]
    return "\n".join(["label  colour   share", *lines, ""])


def key_picture(labels: np.ndarray) -> Image.Image:
    """The same as `key_text` with the colours themselves (mode RGB)."""
    shares, font = _shares(labels), ImageFont.load_default(size=14)
    key = Image.new("RGB", (240, 2 * _MARGIN + _ROW * len(shares)), "white")
    draw = ImageDraw.Draw(key)
    for row, (label, share) in enumerate(shares.items()):
        top = _MARGIN + row * _ROW
        draw.rectangle((_MARGIN, top, _MARGIN + 40, top + _ROW - 6), fill=PALETTE[label], outline="black")
        text = f"{label}   #{bytes(PALETTE[label]).hex()}   {share:.1%}"
        draw.text((_MARGIN + 52, top + 1), text, fill="black", font=font)
    return key


def _shares(labels: np.ndarray) -> dict[int, float]:
    present, counts = np.unique(_check(labels), return_counts=True)
    return {int(label): int(count) / labels.size for label, count in zip(present, counts, strict=True)}


def _check(labels: np.ndarray) -> np.ndarray:
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        raise ImageError(f"Labels must be whole numbers (H, W), not {labels.dtype} of shape {labels.shape}.")
    if labels.min() < 0 or labels.max() >= MAX_LABELS:
        raise ImageError(
            f"Labels from {labels.min()} to {labels.max()} have no colours; valid is 0 to {MAX_LABELS - 1}."
        )
    return labels


def _labels(rgb: np.ndarray, path: Path) -> np.ndarray:
    """Colours (H, W, 3) as labels (H, W) uint8."""
    steps = (rgb.astype(np.int16) + _STEP // 2) // _STEP
    off = np.abs(rgb - steps * _STEP).max(-1)  # (H, W): how far from the nearest colour
    labels: np.ndarray = _LABEL_AT[steps @ np.array([16, 4, 1])].astype(np.int8)
    if not off.any():
        return labels.astype(np.uint8)
    labels[off > _TOLERANCE] = -1
    _refuse_unknown(rgb, labels, path)
    # The mixture of two colours may be the colour of a third: only what has some width is trusted.
    inner = (ndimage.minimum_filter(labels, 3) == ndimage.maximum_filter(labels, 3)) & (labels >= 0)
    trusted = ndimage.binary_dilation(inner, np.ones((3, 3)))
    if 2 * trusted.sum() < trusted.size:
        raise ImageError(f"'{path}' is no label map: most of it has none of the labels' colours ({_valid(labels)})")
    nearest = ndimage.distance_transform_edt(~trusted, return_distances=False, return_indices=True)
    filled: np.ndarray = labels[tuple(nearest)].astype(np.uint8)
    return filled


def _refuse_unknown(rgb: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Raises ImageError for an area, as opposed to an edge, of a colour that is no label's."""
    spread = ndimage.maximum_filter(rgb, (3, 3, 1)).astype(np.int16) - ndimage.minimum_filter(rgb, (3, 3, 1))
    area = (spread.max(-1) <= _FLAT) & (ndimage.maximum_filter(labels, 3) < 0)
    if area.any():
        y, x = (int(number) for number in np.argwhere(area)[0])
        raise ImageError(
            f"'{path}' has the colour #{rgb[y, x].tobytes().hex()} at x {x}, y {y}, which is no label's; "
            f"valid are {_valid(labels)}"
        )


def _valid(labels: np.ndarray) -> str:
    """The labels in use and some more, with their colours."""
    count = min(MAX_LABELS, max(8, int(labels.max()) + 1))
    return ", ".join(f"#{bytes(PALETTE[label]).hex()} ({label})" for label in range(count))
