"""The encoders films can be written with: what each can hold, and its own scales of quality and speed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from av.codec import Codec as Encoder
from av.codec.codec import UnknownCodecError

from stylebank.video.frames import VideoError

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Suffixes of films that can be written, with FFmpeg's name of the format."""


@dataclass(frozen=True)
class Codec:
    """One encoder.

    `quality` is (best, worst, default) of the option `quality_option`, `presets` are the values of `preset_option`
    with the default first; empty or None where the encoder has no such choice. `even` is the pixel format, `odd`
    the one for an odd width or height: pictures keep their exact size, so where 4:2:0 cannot hold it, it is 4:4:4.
    `segment` is the container for unfinished parts; it must keep times exactly.
    """

    name: str
    suffixes: tuple[str, ...]
    even: str
    odd: str
    quality: tuple[int, int, int] | None = None
    quality_option: str = "crf"
    presets: tuple[str, ...] = ()
    preset_option: str = "preset"
    options: Mapping[str, str] = field(default_factory=dict)
    segment: str = "nut"
    tag: str | None = None

    def pixel_format(self, width: int, height: int) -> str:
        """FFmpeg's name of the format for pictures of this size."""
        return self.odd if width % 2 or height % 2 else self.even

    def settings(self, quality: int | None, preset: str | None) -> dict[str, str]:
        """Options for the encoder, with defaults for None. Raises VideoError for a value off its scale."""
        options = dict(self.options)
        if self.quality:
            best, worst, default = self.quality
            value = default if quality is None else quality
            if not min(best, worst) <= value <= max(best, worst):
                raise VideoError(
                    f"Quality {value} is off the scale of {self.name}; valid is {best} (best) to {worst} (smallest)."
                )
            options[self.quality_option] = str(value)
        elif quality is not None:
            raise VideoError(f"{self.name} is lossless; it takes no quality.")
        if preset is not None and preset not in self.presets:
            valid = " ".join(sorted(self.presets, key=str.isalpha)) or "none"
            raise VideoError(f"'{preset}' is no preset of {self.name}; valid: {valid}.")
        if self.presets:
            options[self.preset_option] = preset or self.presets[0]
        return options


def _from(default: int, last: int) -> tuple[str, ...]:
    return (str(default), *(str(number) for number in range(last + 1) if number != default))


_ISO = (".mp4", ".m4v", ".mov", ".mkv")
_FREE = (".mp4", ".m4v", ".mkv", ".webm")
_420, _444, _422 = "yuv420p", "yuv444p", "yuv422p10le"
_X26X = ("medium", "ultrafast", "superfast", "veryfast", "faster", "fast", "slow", "slower", "veryslow", "placebo")
_X265 = {"x265-params": "log-level=error:info=0"}  # info: a text in the stream that names the machine's CPU
_CRF = {"b": "0", "row-mt": "1"}  # a bit rate would bound the quality

CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("libx264", _ISO, _420, _444, (0, 51, 18), presets=_X26X),
        Codec("libx265", _ISO, _420, _444, (0, 51, 20), presets=_X26X, options=_X265, tag="hvc1"),  # Apple's tag
        Codec("libvpx-vp9", _FREE, _420, _420, (0, 63, 28), "crf", _from(4, 8), "cpu-used", _CRF),
        Codec("libsvtav1", _FREE, _420, _420, (1, 63, 28), presets=_from(8, 13)),
        Codec("libaom-av1", _FREE, _420, _420, (0, 63, 28), "crf", _from(6, 8), "cpu-used", _CRF),
        Codec("prores_ks", (".mov", ".mkv"), _422, _422, (3, 0, 3), "profile", segment="mov"),
        Codec("ffv1", (".mkv",), "bgr0", "bgr0", options={"level": "3", "slicecrc": "1"}),
    )
}
"""The codecs by their FFmpeg names. Quality is CRF (less is better), for prores_ks the profile (0 proxy to 3 HQ).
Presets are the encoder's own; for VP9 and AV1 they are numbers, higher is faster. ffv1 keeps every pixel exactly."""


def container_of(path: Path) -> str:
    """FFmpeg's name of the container for a film to write. Raises VideoError for an unknown suffix."""
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise VideoError(f"'{path}' has no suffix of a film; valid are {' '.join(CONTAINERS)}.") from None


def choose_codec(name: str | None, path: Path) -> Codec:
    """The codec called `name`, None for the container's usual one.

    Raises:
        VideoError: unknown, not in this build of FFmpeg, or not for this container.
    """
    container_of(path)
    suffix = path.suffix.lower()
    name = name or ("libvpx-vp9" if suffix == ".webm" else "libx264")
    if name not in CODECS:
        raise VideoError(f"There is no codec '{name}'; valid are {' '.join(CODECS)}.")
    codec = CODECS[name]
    if suffix not in codec.suffixes:
        raise VideoError(f"'{path}': {name} does not go into {suffix}, only into {' '.join(codec.suffixes)}.")
    if not is_available(name):
        there = " ".join(other for other in CODECS if is_available(other))
        raise VideoError(f"The FFmpeg installed here has no encoder {name}; it has {there}.")
    if name == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # the only way to keep it quiet: errors alone
    return codec


def is_available(name: str) -> bool:
    """Whether FFmpeg, as installed, has this encoder."""
    try:
        Encoder(name, "w")
    except UnknownCodecError:
        return False
    return True
