"""What every reader yields and every writer takes: frames with exact times, and facts about where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylebank.errors import StyleBankError
from stylebank.video.color_space import ColorSpace

Pixels = NDArray[np.uint8]


class VideoError(StyleBankError):
    """A film, an animation or a folder of frames cannot be read or written."""


@dataclass(frozen=True)
class Frame:
    """One upright picture and when it is shown.

    `rgb` is (H, W, 3) and `alpha`, where the source has any, (H, W), both uint8. `time` (from the beginning of
    the output, never before the previous frame's) and `duration` are exact, in seconds; `pts` is `time` counted
    in the source's time base. `name` is the file's stem where frames are files.
    """

    index: int
    time: Fraction
    duration: Fraction
    pts: int
    rgb: Pixels
    alpha: Pixels | None = None
    name: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.rgb.shape[:2]
        return width, height

    def with_rgb(self, rgb: Pixels) -> Frame:
        """This frame with other colours, (H, W, 3) uint8; alpha is resized along if the size differs."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise ValueError(f"rgb must be uint8 (H, W, 3), not {rgb.dtype} {rgb.shape}")
        alpha = self.alpha
        if alpha is not None and alpha.shape != rgb.shape[:2]:
            resized = Image.fromarray(alpha).resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BILINEAR)
            alpha = np.array(resized)
        return replace(self, rgb=rgb, alpha=alpha)

    def on_white(self) -> Pixels:
        """The colours as seen on white paper, for what cannot carry alpha."""
        if self.alpha is None:
            return self.rgb
        weight = self.alpha[..., None].astype(np.uint16)
        return ((self.rgb * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


@dataclass(frozen=True)
class StreamInfo:
    """A stream beside the pictures: `kind` is audio, subtitle, data, attachment or video (a cover, a second view)."""

    index: int
    kind: str
    codec: str
    language: str | None = None

    def __str__(self) -> str:
        language = f" ({self.language})" if self.language and self.language != "und" else ""
        return f"{self.kind} {'stream' if self.codec == 'unknown' else self.codec}{language}"


@dataclass(frozen=True)
class VideoInfo:
    """What a film, an animation or a folder of frames is. `width` and `height` are those of the upright picture.

    `frames` is what the header says or an estimate, None if unknown; `duration` is in seconds, likewise.
    `rotation` is the clockwise turn, in degrees, that makes the stored picture upright (already applied to what
    readers yield). `pixel_aspect` is the width of an upright pixel over its height. `plays` is how often an
    animation is shown, 0 for ever.
    """

    path: Path
    kind: Literal["video", "animation", "folder"]
    width: int
    height: int
    frame_rate: Fraction
    time_base: Fraction
    duration: Fraction | None
    frames: int | None
    codec: str = ""
    pixel_format: str = ""
    rotation: int = 0
    pixel_aspect: Fraction = Fraction(1)
    color: ColorSpace = field(default_factory=ColorSpace)
    streams: tuple[StreamInfo, ...] = ()
    plays: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    def __str__(self) -> str:
        parts = [f"{self.width}x{self.height}", f"{float(self.frame_rate):.6g} fps"]
        if self.duration is not None:
            parts.append(f"{float(self.duration):.2f} s")
        if self.frames is not None:
            parts.append(f"{self.frames} frames")
        parts += [text for text in (self.codec, self.pixel_format) if text]
        if self.kind == "video":
            parts.append(str(self.color))
        parts += [f"turned {self.rotation} degrees"] if self.rotation else []
        return ", ".join([*parts, *map(str, self.streams)])


@dataclass(frozen=True)
class Position:
    """How far a writer is: `index` frames are safe. `pts` is the next frame's, None where the writer does not know."""

    index: int = 0
    pts: int | None = None


class FrameReader(ABC):
    """A source of frames. It can be read any number of times; nothing stays open between and after the readings."""

    path: Path
    info: VideoInfo

    @property
    @abstractmethod
    def expected(self) -> int | None:
        """About how many frames there are between start and end, None if there is no telling."""

    @abstractmethod
    def frames(self, after: Position = Position()) -> Iterator[Frame]:
        """The frames from `after` on, in order. Raises VideoError."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What must be the same for a later run to go on where this one stopped; values fit JSON."""

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()


class FrameWriter(ABC):
    """A target for frames, and a context manager: left in peace it finishes, by an exception it keeps what is done."""

    path: Path

    @property
    def left_out(self) -> Sequence[str]:
        """The source's streams that do not come along, by name."""
        return ()

    @property
    @abstractmethod
    def position(self) -> Position:
        """How much an earlier run left behind; read on from there. Index 0 unless resumed."""

    @abstractmethod
    def write(self, frame: Frame) -> None:
        """Takes the next frame. Raises VideoError."""

    @abstractmethod
    def finish(self) -> Path:
        """Makes the output and removes everything unfinished. Raises VideoError if there are no frames."""

    @abstractmethod
    def finish_partial(self) -> Path | None:
        """Makes a playable output of what there is so far, `NAME.partial.SUFFIX` beside the wanted one, and keeps
        what resuming needs. None if there are no frames yet.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.finish()
            return
        try:
            self.finish_partial()
        except Exception as second:  # noqa: BLE001 - the first error is the one to tell
            error.add_note(f"What was done of '{self.path}' could not be made playable: {second}")
