"""Keeping a photograph's colours in its stylized picture.

`luma` draws the style's light and dark in the photograph's own colours (Gatys et al. 2016, "Preserving Color in
Neural Artistic Style Transfer"): every place keeps its colour. `histogram` gives the style the photograph's palette
wherever it paints: the distribution of colours is the photograph's, their places are the style's.

Both work in CIELAB. Looked at beside YUV, exchanging lightness there leaves colours more vivid and the drawing as
light and dark as the eye sees it; matching its channels one by one has none of the lurid fringes that matching red,
green and blue one by one leaves.
Pictures are worked on in strips, so that a large one needs little memory beside itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from stylebank.errors import ConfigError, ImageError
from stylebank.inference.choices import COLOR_MODES

STRIP = 2**18  # pixels at a time
_BINS = 4096
_LOW, _HIGH = np.array([0, -128, -128], np.float32), np.array([100, 128, 128], np.float32)  # of L, a and b

Box = tuple[int, int, int, int]


def check_mode(mode: str) -> None:
    """Raises ConfigError if there is no such mode; for callers whose work before the colours takes long."""
    if mode not in COLOR_MODES:
        raise ConfigError(f"Colours cannot be preserved by '{mode}'; valid are {', '.join(COLOR_MODES)}.")


def preserve_colors(stylized: Image.Image, photograph: Image.Image, mode: str) -> Image.Image:
    """The stylized picture in the photograph's colours.

    Args:
        stylized: mode RGB.
        photograph: mode RGB, of the same size.
        mode: `luma`, `histogram`, or `none`, which returns `stylized` itself.

    Returns:
        Mode RGB, of the same size.

    Raises:
        ConfigError: there is no such mode.
        ImageError: the pictures differ in size or are not RGB.
    """
    check_mode(mode)
    for picture in (stylized, photograph):
        if picture.mode != "RGB" or picture.size != stylized.size:
            raise ImageError(
                f"To preserve colours both pictures must be RGB and of one size, not {stylized.mode} "
                f"{stylized.width}x{stylized.height} and {photograph.mode} {photograph.width}x{photograph.height}."
            )
    if mode == "none":
        return stylized
    curves = _matching_curves(stylized, photograph) if mode == "histogram" else None
    result = Image.new("RGB", stylized.size)
    for box in _strips(stylized.size):
        lab = _lab(stylized, box)
        lab = _with_colors_of(photograph, lab, box) if curves is None else _through(curves, lab)
        result.paste(_picture(lab), box)
    return result


def _strips(size: tuple[int, int]) -> Iterator[Box]:
    """Boxes (left, top, right, bottom) that cover a picture from top to bottom."""
    width, height = size
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        yield 0, top, width, min(top + rows, height)


def _lab(picture: Image.Image, box: Box) -> np.ndarray:
    """A part of a picture as CIELAB: (h, w, 3) float32."""
    lab: np.ndarray = rgb2lab(np.asarray(picture.crop(box), dtype=np.float32) / np.float32(255))
    return lab


def _picture(lab: np.ndarray) -> Image.Image:
    """CIELAB as RGB, each channel cut off where the screen has no such colour."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Conversion from CIE-LAB", category=UserWarning)
        rgb = lab2rgb(lab)
    return Image.fromarray((rgb * 255).round().clip(0, 255).astype(np.uint8))


def _with_colors_of(photograph: Image.Image, lab: np.ndarray, box: Box) -> np.ndarray:
    """The lightness of `lab` with the photograph's a and b, less of them where it is darker than the photograph.

    In full, they would turn a style's black lines red or blue; in proportion to lightness, a dark style looks grey.
    """
    mixed = _lab(photograph, box)
    darker = np.minimum(lab[..., 0] / np.maximum(mixed[..., 0], 1e-3), 1).clip(0)
    mixed[..., 0] = lab[..., 0]
    mixed[..., 1:] *= np.sqrt(darker)[..., None]
    return mixed


def _matching_curves(stylized: Image.Image, photograph: Image.Image) -> np.ndarray:
    """What every level of L, a and b becomes so that its distribution is the photograph's: (3, bins)."""
    ours, theirs = _counts(stylized), _counts(photograph)
    curves = np.empty((3, _BINS))
    for channel in range(3):
        levels = np.linspace(_LOW[channel], _HIGH[channel], _BINS)
        there = theirs[channel] > 0  # only levels that the photograph has
        share_below = np.cumsum(ours[channel]) - ours[channel] / 2  # of each level's middle
        shares = (np.cumsum(theirs[channel]) - theirs[channel] / 2)[there]
        curves[channel] = np.interp(share_below, shares, levels[there])
    return curves


def _counts(picture: Image.Image) -> np.ndarray:
    """How many pixels have each level of L, a and b: (3, bins)."""
    counts = np.zeros((3, _BINS))
    for box in _strips(picture.size):
        bins = _bins(_lab(picture, box))
        for channel in range(3):
            counts[channel] += np.bincount(bins[..., channel].ravel(), minlength=_BINS)
    return counts


def _bins(lab: np.ndarray) -> np.ndarray:
    """The level that each value is nearest to, as its number."""
    return ((lab - _LOW) * ((_BINS - 1) / (_HIGH - _LOW))).round().clip(0, _BINS - 1).astype(np.intp)


def _through(curves: np.ndarray, lab: np.ndarray) -> np.ndarray:
    bins = _bins(lab)
    return np.stack([curves[channel][bins[..., channel]] for channel in range(3)], axis=-1)
