"""Any mode that Pillow reads to 8-bit sRGB: alpha, more than eight bits, colour profiles."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour in a mode that profiles apply to (L, RGB, CMYK, LAB), and alpha (L) where there is any."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _split_deep(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, alpha
    if image.mode in ("1", "LA"):
        return image.convert("L"), alpha
    return (image.convert("RGBA").convert("RGB") if alpha else image.convert("RGB")), alpha


def _split_deep(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of more than eight bits (modes I, I;16*, F) as L, and alpha where one value means transparent."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    pixels = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=255.0, neginf=0.0)
        white = 1 if values.max() < 2 else 255  # 2, not 1: resampling overshoots a little
    else:
        bits = tags[_TIFF_BITS][0] if _TIFF_BITS in tags else 16
        signed = tags.get(_TIFF_SAMPLE_FORMAT, (1,))[0] == 2
        if bits == 32 and not signed:
            pixels = pixels.view(np.uint32)
        values, white = pixels.astype(np.float64), 2 ** (bits - signed) - 1
        if bits == 32:
            white = next((guess for guess in (255, 65535) if values.max() <= guess), white)
    if tags.get(_TIFF_PHOTOMETRIC) == 0:  # "white is zero", which Pillow honours only up to eight bits
        values = white - values
    gray = Image.fromarray(np.rint(values * (255 / white)).clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    alpha = Image.fromarray(np.where(pixels == clear, 0, 255).astype(np.uint8)) if clear is not None else None
    return gray, alpha


def to_srgb(color: Image.Image, profile: bytes | None) -> Image.Image:
    """Colour as `split_alpha` returns it to mode RGB, through the file's ICC profile; a broken one is ignored."""
    source = ImageCms.createProfile("LAB") if color.mode == "LAB" else profile and io.BytesIO(profile)
    if source:
        # A profile may be broken, or for another colour space than the pixels.
        with suppress(ImageCms.PyCMSError, OSError, TypeError, ValueError):
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(color, source, target, outputMode="RGB")
            if converted is not None:
                return converted
    return color.convert("RGB")


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """The ICC profile that saved pictures carry, always the same bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # its creation time: equal pictures, equal files
    return bytes(profile)
