"""GIF, WebP and APNG animations: exact durations, loop count and alpha in, as exact as each format can out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from stylebank.errors import ImageError, StyleBankError, relative_to
from stylebank.images.limit import as_large_as, open_limited
from stylebank.video.animation_limits import canvas_of
from stylebank.video.color_space import ColorSpace
from stylebank.video.frames import Frame, FrameReader, Pixels, Position, VideoError, VideoInfo
from stylebank.video.reader import START, Seconds, check_range, exactly

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}
"""Suffixes of animations that can be written, with Pillow's name of the format. Any `.png` that moves is read, too."""

_UNSAID = Fraction(1, 10)  # what viewers make of a duration of zero
_TICK = Fraction(1, 90000)


class AnimationReader(FrameReader):
    """The frames of an animation between `start` and `end` (seconds), composed as they are seen, one at a time.

    A duration of zero counts as the tenth of a second that viewers make of it. A still picture is one frame.

    Raises:
        VideoError: not an animation, damaged, or no frame in that range.
    """

    def __init__(self, path: str | Path, start: Seconds | None = None, end: Seconds | None = None) -> None:
        self.path, self._start, self._end = Path(path), start, end
        check_range(start, end)
        with _opened(self.path) as image:
            self._canvas = width, height = canvas_of(self.path, image)
            plays = _plays(image)
            with as_large_as(self._canvas):
                shown = list(_durations(image))
        begin, times = exactly(start or 0), list(accumulate(shown[:-1], initial=Fraction(0)))
        kept = [i for i, time in enumerate(times) if begin <= time and (end is None or time < exactly(end))]
        if not kept:
            raise VideoError(f"'{self.path}' has no frame in that range; it is {float(sum(shown)):.3f} s long.")
        self._first, self._origin, self._shown = kept[0], times[kept[0]], shown
        self._count = len(kept)
        duration = sum((shown[i] for i in kept), Fraction(0))
        self.info = VideoInfo(
            path=self.path,
            kind="animation",
            width=width,
            height=height,
            frame_rate=len(kept) / duration,
            time_base=_TICK,
            duration=duration,
            frames=len(kept),
            color=ColorSpace(),
            plays=plays,
        )

    @property
    def expected(self) -> int:
        """How many frames there are."""
        return self._count

    def identity(self) -> dict[str, Any]:
        """What must be the same for a later run to go on where this one stopped."""
        status = self.path.stat()
        where = {"source": self.path.resolve().name, "source_bytes": status.st_size}
        return {**where, "source_changed": status.st_mtime_ns, "first": self._first, "frames": self.expected}

    def frames(self, after: Position = START) -> Iterator[Frame]:
        """The frames from `after` on. Raises VideoError."""
        with _opened(self.path) as image:
            skip = _default_image(image)
            time = Fraction(0)
            for index in range(self._count):
                number = self._first + index
                if index >= after.index:
                    with as_large_as(self._canvas):
                        image.seek(skip + number)
                        rgb, alpha = _pixels(image, self._canvas)
                    yield Frame(index, time, self._shown[number], round(time / _TICK), rgb, alpha)
                time += self._shown[number]


def is_animation(path: Path) -> bool:
    """Whether the file begins as GIF and WebP do, or as APNG and moves; whatever it is called."""
    kind = _kind(path)
    return kind in ("GIF", "WEBP") or (kind == "PNG" and (path.suffix.lower() == ".apng" or is_moving(path)))


def is_moving(path: Path) -> bool:
    """Whether the file is an animation of more than one frame; what cannot be read is none."""
    if _kind(path) is None:
        return False
    with suppress(VideoError, ImageError), _opened(path) as image:
        return bool(getattr(image, "is_animated", False))
    return False


def _kind(path: Path) -> str | None:
    """Pillow's name of the format that the file begins as."""
    head = b""
    with suppress(OSError, ValueError):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(12)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return "WEBP"
    return "PNG" if head.startswith(b"\x89PNG\r\n\x1a\n") else None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
            with open_limited(path, f"'{path}'", ("GIF", "WEBP", "PNG")) as image:
                yield image
    except FileNotFoundError as error:
        raise VideoError(f"'{path}' does not exist{relative_to(path)}.") from error
    except UnidentifiedImageError as error:
        raise VideoError(f"'{path}' is not a GIF, WebP or APNG animation.") from error
    except StyleBankError:  # the limit's
        raise
    except MemoryError as error:
        raise VideoError(f"'{path}' does not fit into memory.") from error
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        said = f" ({error})" if isinstance(error, OSError | ValueError | SyntaxError) and str(error) else ""
        raise VideoError(f"'{path}' is damaged or cut short{said}.") from error


def _default_image(image: Image.Image) -> int:
    """1 if the first picture of an APNG is only for viewers that show no animations."""
    return int(bool(getattr(image, "default_image", False)))


def _durations(image: Image.Image) -> Iterator[Fraction]:
    for number in range(_default_image(image), getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()  # WebP tells only then
        milliseconds = image.info.get("duration") or 0
        yield Fraction(milliseconds / 1000).limit_denominator(65535) or _UNSAID


def _plays(image: Image.Image) -> int:
    """How often it is shown, 0 for ever. GIF counts repetitions instead, and plays once if it says nothing."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop and loop + 1
    return loop or 0


def _pixels(image: Image.Image, canvas: tuple[int, int]) -> tuple[Pixels, Pixels | None]:
    """Colours (H, W, 3) and alpha (H, W), None if nothing shows through; clear where the canvas (W, H) is larger."""
    if image.size == canvas and not image.has_transparency_data:
        return np.array(image.convert("RGB")), None
    pixels = np.array(image.convert("RGBA").crop((0, 0, *canvas)))
    rgb, alpha = np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
    return rgb, None if alpha.min() == 255 else alpha
