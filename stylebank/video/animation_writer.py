"""Writing GIF, WebP and APNG: frames wait on disk as PNG, then Pillow makes one animation of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from stylebank.files import new_file
from stylebank.images import save_picture
from stylebank.video.animation import ANIMATIONS
from stylebank.video.frames import Frame, FrameReader, FrameWriter, Position, VideoError
from stylebank.video.unfinished import UnfinishedWork, partial_path, work_folder

_CLEAR = 255  # palette index of transparent pixels in a GIF
_WEBP_QUALITY = 90
_GIF_SHORTEST = Fraction(2, 100)  # viewers show anything shorter for a tenth of a second


class AnimationWriter(FrameWriter):
    """Writes frames to the animation `path`; its suffix (`ANIMATIONS`) decides the format.

    GIF knows hundredths of a second, 256 colours a frame and pixels that are either there or not; WebP knows
    milliseconds; APNG keeps all. Rounding never adds up. Films of more than 50 frames a second lose frames in a GIF.
    Equal frames in a row may become one that is shown for as long. Pillow keeps all frames of a GIF (one byte a
    pixel) and of an APNG (three or four) in memory while it makes the file; for long films there are film formats.
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
        self._quality = _WEBP_QUALITY if quality is None else quality
        self._plays = like.info.plays if plays is None else plays
        self._shortest = _GIF_SHORTEST if self._kind == "GIF" and like.info.kind == "video" else Fraction(0)
        record = {**(settings or {}), **like.identity()}
        self._work = UnfinishedWork(self.path, work_folder(self.path), record, overwrite=overwrite, resume=resume)
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
        partial_path(self.path).unlink(missing_ok=True)
        return self.path

    def finish_partial(self) -> Path | None:
        """Makes `NAME.partial.SUFFIX` of the frames so far, None if there are none; they stay for resuming."""
        return self._make(partial_path(self.path))

    def _stills(self) -> list[Path]:
        return sorted(self._work.folder.glob("[0-9]*.png"))

    def _make(self, path: Path) -> Path | None:
        stills = _paced(self._stills(), self._shortest)
        if not stills:
            self._work.remove()
            return None
        animation = _Animation([still.path for still in stills], palette=self._kind == "GIF")
        try:
            with new_file(path) as temporary:
                animation.save(temporary, self._kind, save_all=True, **self._options(stills, animation))
                if self._kind == "WEBP" and animation.has_alpha:
                    _announce_alpha(temporary)
        except (ValueError, EOFError, MemoryError, OverflowError) as error:
            raise VideoError(f"'{path}' cannot be made of {len(stills)} frames ({error}).") from error
        return path

    def _options(self, stills: Sequence[_Still], animation: _Animation) -> dict[str, Any]:
        if self._kind == "PNG":
            durations: list[float] = [float(still.duration * 1000) for still in stills]
            return {"duration": durations, "loop": self._plays}
        tick = 10 if self._kind == "GIF" else 1  # milliseconds
        ends = [round((still.time + still.duration) * 1000 / tick) * tick for still in stills]
        whole = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
        if self._kind == "WEBP":
            lossless = self._quality == 100
            options = {"quality": self._quality, "lossless": lossless, "exact": True, "method": 4}
            return {"duration": whole, "loop": self._plays, **options}
        loop = {} if self._plays == 1 else {"loop": max(0, self._plays - 1)}
        # Without disposal 2, what one frame leaves transparent would show the frame before it.
        return {"duration": whole, **loop, **({"disposal": 2} if animation.has_alpha else {})}


def _announce_alpha(path: Path) -> None:
    """Sets a WebP's alpha flag, which libwebp forgets where cutting off clear margins left only solid rectangles."""
    with path.open("r+b") as file:
        head = file.read(21)
        if head[12:16] == b"VP8X":
            file.seek(20)
            file.write(bytes([head[20] | 0x10]))


@dataclass(frozen=True)
class _Still:
    path: Path
    time: Fraction
    duration: Fraction


def _paced(paths: Sequence[Path], shortest: Fraction) -> list[_Still]:
    """Stills with times from their names; one shown for less than `shortest` gives way to the one before it."""
    stills: list[_Still] = []
    time = Fraction(0)
    for path in paths:
        numerator, denominator = map(int, path.stem.split("_")[1:])
        duration = Fraction(numerator, denominator)
        if stills and stills[-1].duration < shortest:
            last = stills.pop()
            stills.append(_Still(last.path, last.time, last.duration + duration))
        else:
            stills.append(_Still(path, time, duration))
        time += duration
    return stills


class _Animation(Image.Image):
    """Picture files as the frames of one image, read only when Pillow's writers seek to them."""

    def __init__(self, paths: Sequence[Path], *, palette: bool) -> None:
        super().__init__()
        self._paths, self._palette, self._at = paths, palette, 0
        self.n_frames, self.is_animated = len(paths), len(paths) > 1
        self.has_alpha = False
        for path in paths:
            with Image.open(path) as still:
                self.has_alpha = self.has_alpha or still.mode == "RGBA"
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Reads one picture. Raises EOFError behind the last, as Pillow expects."""
        if not 0 <= frame < self.n_frames:
            raise EOFError(f"there is no frame {frame}")
        with Image.open(self._paths[frame]) as still:
            image = still.convert("RGBA" if self.has_alpha else "RGB")
        if self._palette:
            image = _with_palette(image)
        self.im, self._mode, self._size, self._at = image.im, image.mode, image.size, frame
        self.palette, self.info = image.palette, dict(image.info)

    def tell(self) -> int:
        """The number of the current frame."""
        return self._at


def _with_palette(image: Image.Image) -> Image.Image:
    """A frame in at most 256 colours, or in 255 and a transparent one."""
    if image.mode == "RGB":
        return image.quantize(256)
    flat = image.convert("RGB").quantize(_CLEAR)
    palette = (flat.getpalette() or []) + [0] * 768
    flat.putpalette(palette[:768])
    flat.paste(_CLEAR, mask=image.getchannel("A").point([255] * 128 + [0] * 128))
    flat.info = {"transparency": _CLEAR}
    return flat
