"""Writing GIF, WebP and APNG: frames wait on disk as PNG, then one animation is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
from PIL import Image

from stylebank.files import new_file
from stylebank.images import save_picture
from stylebank.video.animation import ANIMATIONS
from stylebank.video.animation_encoders import AnimationEncoder, Still, encode_apng, encode_gif, encode_webp
from stylebank.video.frames import Frame, FrameReader, FrameWriter, Position, VideoError
from stylebank.video.unfinished import UnfinishedWork, partial_path, work_folder

_WEBP_QUALITY = 90
_GIF_SHORTEST = Fraction(2, 100)  # viewers show anything shorter for a tenth of a second


class AnimationWriter(FrameWriter):
    """Writes frames to the animation `path`; its suffix (`ANIMATIONS`) decides the format.

    GIF knows hundredths of a second, 256 colours a frame and pixels that are either there or not; WebP knows
    milliseconds; APNG keeps all. Rounding never adds up. Films of more than 50 frames a second lose frames in a GIF.
    Frames shorter than half of what the format can tell are left out, and equal frames in a row may become one that
    is shown for as long.
    Interruption and `resume` work as in `VideoWriter`, with single frames in place of its parts.

    Args:
        path: the animation.
        like: what the frames come from.
        quality: of WebP, 1 to 100, where 100 is lossless; None for 90.
        plays: how often it is shown, 0 for ever, None for as often as `like`.
        overwrite, resume, settings: as for `VideoWriter`.

    Raises:
        VideoError: unknown suffix, quality out of range, `path` exists or was begun and nothing allows for it.
    """

    def __init__(
        self,
        path: str | Path,
        like: FrameReader,
        *,
        quality: int | None = None,
        plays: int | None = None,
        overwrite: bool = False,
        resume: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self._kind = ANIMATIONS.get(self.path.suffix.lower(), "")
        if not self._kind:
            raise VideoError(f"'{path}' has no suffix of an animation; valid are {' '.join(ANIMATIONS)}.")
        if quality is not None and (self._kind != "WEBP" or not 1 <= quality <= 100):
            raise VideoError(f"Quality {quality} does not fit '{path}': only WebP takes one, from 1 to 100.")
        if self.path.exists() and like.info.path.exists() and self.path.samefile(like.info.path):
            raise VideoError(f"'{path}' is the animation being read; write to another file.")
        webp = partial(encode_webp, quality=_WEBP_QUALITY if quality is None else quality)
        encoders: dict[str, AnimationEncoder] = {"GIF": encode_gif, "PNG": encode_apng, "WEBP": webp}
        self._encode = encoders[self._kind]
        self._plays = like.info.plays if plays is None else plays
        self._shortest = _GIF_SHORTEST if self._kind == "GIF" and like.info.kind == "video" else Fraction(0)
        record = {**(settings or {}), **like.identity()}
        self._work = UnfinishedWork(
            self.path,
            work_folder(self.path),
            record,
            overwrite=overwrite,
            resume=resume,
            partial=partial_path(self.path),
        )
        self._done = len(self._stills())

    @property
    def position(self) -> Position:
        """How much an earlier run left behind."""
        return Position(self._done)

    def write(self, frame: Frame) -> None:
        """Takes the next frame. Raises ImageError."""
        shown = frame.duration
        path = self._work.folder / f"{frame.index:08d}_{shown.numerator}_{shown.denominator}.png"
        alpha = None if frame.alpha is None else Image.fromarray(frame.alpha)
        save_picture(Image.fromarray(frame.rgb), path, alpha=alpha, overwrite=True)

    def finish(self) -> Path:
        """Makes the animation and removes everything unfinished. Raises VideoError if there are no frames."""
        if self._make(self.path) is None:
            raise VideoError(f"'{self.path}' was not written: there are no frames.")
        self._work.remove()
        return self.path

    def finish_partial(self) -> Path | None:
        """Makes `NAME.partial.SUFFIX` of the frames so far, None if there are none; they stay for resuming."""
        if not self._work.may_write_partial():
            return None
        partial = self._make(partial_path(self.path))
        if partial:
            self._work.note_partial()
        return partial

    def _stills(self) -> list[Path]:
        return sorted(self._work.folder.glob("[0-9]*.png"))

    def _make(self, path: Path) -> Path | None:
        stills = _paced(self._stills(), self._shortest)
        if not stills:
            self._work.remove()
            return None
        try:
            with new_file(path) as temporary:
                self._encode(temporary, stills, self._plays)
        except (av.error.FFmpegError, ValueError, MemoryError, OverflowError) as error:
            raise VideoError(f"'{path}' cannot be made of {len(stills)} frames ({error}).") from error
        return path


def _paced(paths: Sequence[Path], shortest: Fraction) -> list[Still]:
    """Stills with times from their names; one shown for less than `shortest` gives way to the one before it."""
    stills: list[Still] = []
    time = Fraction(0)
    for path in paths:
        numerator, denominator = map(int, path.stem.split("_")[1:])
        duration = Fraction(numerator, denominator)
        if stills and stills[-1].duration < shortest:
            last = stills.pop()
            stills.append(Still(last.path, last.time, last.duration + duration))
        else:
            stills.append(Still(path, time, duration))
        time += duration
    return stills
