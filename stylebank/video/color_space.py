"""YUV to RGB and back with the right matrix and range. Numbers are those of ITU-T H.273, which FFmpeg uses, too.

Only matrix and range are converted. Primaries and transfer pass through as tags, so colours stay what they were for
SDR films. HDR (PQ, HLG) is read and written without failing, but its pixels are treated as if they were SDR.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

BT709, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020 = 1, 4, 5, 6, 7, 9
_RGB = 0
_LIMITED, _FULL = 1, 2

# swscale's own numbers of the matrices it knows.
_SWSCALE = {BT709: 1, FCC: 4, BT470BG: 5, SMPTE170M: 5, SMPTE240M: 7, BT2020: 9}
# Matrices swscale does not know, with the nearest one it does: constant luminance, chromaticity-derived.
_NEAREST = {10: BT2020, 12: BT709, 13: BT2020, 14: BT2020}
_NAMES = {
    BT709: "bt709",
    FCC: "fcc",
    BT470BG: "bt470bg",
    SMPTE170M: "smpte170m",
    SMPTE240M: "smpte240m",
    BT2020: "bt2020",
}
_QUALITY = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT


@dataclass(frozen=True)
class ColorSpace:
    """How a film stores colour: `matrix` is always one that can be converted; the tags may be 2, unspecified."""

    matrix: int = BT709
    full_range: bool = False
    primaries: int = BT709
    transfer: int = BT709

    @property
    def range_tag(self) -> int:
        """FFmpeg's number of the range: 1 limited, 2 full."""
        return _FULL if self.full_range else _LIMITED

    def __str__(self) -> str:
        return f"{_NAMES[self.matrix]} {'full' if self.full_range else 'limited'} range"


def color_space_of(frame: av.VideoFrame) -> ColorSpace:
    """The colour of a decoded frame; what is untagged follows the custom: BT.709 from 720 lines on, else BT.601.

    RGB frames count as BT.709 in limited range, which is how they will be stored.
    """
    if frame.format.is_rgb or frame.format.has_palette:
        return ColorSpace(primaries=frame.color_primaries, transfer=frame.color_trc)
    matrix = _NEAREST.get(frame.colorspace, frame.colorspace)
    if matrix not in _SWSCALE:
        matrix = BT709 if max(frame.width / 16 * 9, frame.height) >= 720 else SMPTE170M
    full = frame.color_range == _FULL
    if frame.color_range not in (_LIMITED, _FULL):
        full = frame.format.name.startswith(("yuvj", "gray"))
    return ColorSpace(matrix, full, frame.color_primaries, frame.color_trc)


class RgbDecoder:
    """Decoded frames to (H, W, 3) uint8, every one scaled to `size` (width, height) if it has another."""

    def __init__(self, color: ColorSpace, size: tuple[int, int]) -> None:
        self._space, self._size = color, size
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        if not (frame.format.is_rgb or frame.format.has_palette):
            frame.colorspace, frame.color_range = self._space.matrix, self._space.range_tag
        width, height = self._size
        rgb = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=_QUALITY, threads=1
        )
        return np.ascontiguousarray(rgb.to_ndarray()).astype(np.uint8, copy=False)


class RgbEncoder:
    """(H, W, 3) uint8 to frames of `pixel_format`, ready for an encoder."""

    def __init__(self, color: ColorSpace, pixel_format: str) -> None:
        self._space, self._format = color, pixel_format
        self._reformatter = VideoReformatter()

    def __call__(self, rgb: NDArray[np.uint8]) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.colorspace, frame.color_range = _RGB, _FULL
        if av.VideoFormat(self._format).is_rgb:
            return self._reformatter.reformat(frame, format=self._format, threads=1)
        yuv = self._reformatter.reformat(
            frame,
            format=self._format,
            dst_colorspace=_SWSCALE[self._space.matrix],
            dst_color_range=self._space.range_tag,
            interpolation=_QUALITY,
            threads=1,
        )
        yuv.colorspace, yuv.color_range = self._space.matrix, self._space.range_tag
        yuv.color_primaries, yuv.color_trc = self._space.primaries, self._space.transfer
        return yuv


def tag_context(context: av.VideoCodecContext, color: ColorSpace, *, rgb: bool) -> None:
    """Write the colour's numbers where an encoder and a container look for them."""
    context.colorspace = _RGB if rgb else color.matrix
    context.color_range = _FULL if rgb else color.range_tag
    context.color_primaries = color.primaries
    context.color_trc = color.transfer
