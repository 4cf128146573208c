"""Finer or coarser strokes at the same size: stylize the picture at another scale and bring the result back.

A style's strokes are a fixed number of pixels wide. A picture made `stroke` times smaller, stylized, and scaled up
again has strokes `stroke` times as wide, but has lost the photograph's edges. These come back from the photograph:
all that the smaller picture could not hold of its lightness is added, less its faint part, which is noise and texture.

Other ways were tried on the same pictures and looked at side by side. A guided filter (He et al. 2010) with the
photograph as its guide wipes out the strokes, for they follow nothing in the photograph; joint bilateral upsampling
(Kopf et al. 2007) frays at edges that have a stroke along them; plain interpolation leaves faces unrecognisable from
a stroke of 3 up, which stay recognisable here at 4.

`auto` paints what is larger than a megapixel at one. On photographs of 12 and 48 megapixels, seen whole and in crops,
half a megapixel bends faces and breaks letters, and two show as a grain what one megapixel shows as strokes.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from stylebank.errors import ImageError
from stylebank.inference.choices import Stroke, check_stroke
from stylebank.network.model import MIN_SIDE

AUTO_PIXELS = 1_000_000  # in a picture of more, seen whole on a screen, strokes are too fine to be seen
STRIP = 2**18  # pixels at a time
_SHARE = 0.8  # of the photograph's detail; all of it looks drawn on top
_FAINT = 0.04  # detail this strong is halved; black to white is 1


def stroke_for(size: tuple[int, int], stroke: Stroke) -> float:
    """The width of strokes in a picture of `size` (W, H), in those that the style has.

    `auto` is 1 up to a megapixel, and above as much as makes the picture, scaled down to a megapixel, show strokes of
    width 1; less only where nothing would be left of a narrow picture's short side.

    Raises:
        ConfigError: the stroke is out of range.
    """
    if check_stroke(stroke) != "auto":
        return float(stroke)
    return max(1.0, min(math.sqrt(math.prod(size) / AUTO_PIXELS), min(size) / MIN_SIDE))


def work_size(size: tuple[int, int], stroke: Stroke) -> tuple[int, int]:
    """The size to stylize at.

    Args:
        size: (W, H) of the picture in pixels.
        stroke: width of strokes, 0.5 (half as wide as usual) to 16; 1 returns `size`, `auto` a megapixel at most.

    Raises:
        ConfigError: the stroke is out of range.
        ImageError: the picture is too small for it.
    """
    factor = stroke_for(size, stroke)
    width, height = (round(side / factor) for side in size)
    if factor > 1 and min(width, height) < MIN_SIDE:
        raise ImageError(
            f"A picture of {size[0]}x{size[1]} pixels is too small for a stroke of {factor:g}; "
            f"its shorter side must have at least {math.ceil(MIN_SIDE * factor)} pixels."
        )
    return width, height


def resize_to_work(photograph: Image.Image, stroke: Stroke) -> Image.Image:
    """The photograph scaled to `work_size`; itself if that is its size. Raises as `work_size` does."""
    size = work_size(photograph.size, stroke)
    return photograph if size == photograph.size else photograph.resize(size, Image.Resampling.LANCZOS)


def restore_detail(stylized: Image.Image, photograph: Image.Image) -> Image.Image:
    """The stylized picture at the photograph's size.

    Args:
        stylized: mode RGB, of any size. A larger one is scaled down, a smaller one is scaled up and gets the
            photograph's edges; one of the same size is returned itself.
        photograph: mode RGB, at full size.

    Returns:
        Mode RGB, of the photograph's size.
    """
    if stylized.size == photograph.size:
        return stylized
    if stylized.width * stylized.height >= photograph.width * photograph.height:
        return stylized.resize(photograph.size, Image.Resampling.LANCZOS)
    result = Image.new("RGB", photograph.size)
    # In floats: with 8 bits Pillow cuts off between its two passes, and differently in every strip.
    coarse = photograph.resize(stylized.size, Image.Resampling.LANCZOS).convert("L").convert("F")
    channels = [channel.convert("F") for channel in stylized.split()]
    rows = max(1, STRIP // photograph.width)
    for top in range(0, photograph.height, rows):
        bottom = min(top + rows, photograph.height)
        detail = _lightness(photograph, top, bottom) - _enlarged(coarse, photograph.size, top, bottom)  # (h, W)
        detail *= _SHARE * detail**2 / (detail**2 + (255 * _FAINT) ** 2)
        strip = np.stack([_enlarged(channel, photograph.size, top, bottom) + detail for channel in channels], axis=-1)
        result.paste(Image.fromarray(strip.round().clip(0, 255).astype(np.uint8)), (0, top))
    return result


def _lightness(picture: Image.Image, top: int, bottom: int) -> np.ndarray:
    """Rows of a picture as luminance: (bottom - top, W) float32 in [0, 255]."""
    return np.asarray(picture.crop((0, top, picture.width, bottom)).convert("L"), dtype=np.float32)


def _enlarged(picture: Image.Image, size: tuple[int, int], top: int, bottom: int) -> np.ndarray:
    """The rows from `top` to `bottom` of a picture (mode F) scaled to `size`: (bottom - top, W) float32."""
    scale = picture.height / size[1]
    box = (0, top * scale, picture.width, min(bottom * scale, picture.height))
    return np.asarray(
        picture.resize((size[0], bottom - top), Image.Resampling.BICUBIC, box=box)
    )  # looks beyond the box
