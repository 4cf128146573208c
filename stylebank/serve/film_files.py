"""Films that were uploaded: what they are, and single frames of them for the scrubber."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import cast

from PIL import Image
from pydantic import BaseModel

from stylebank.serve.cache import ByteCache
from stylebank.serve.photographs import Photo, reduced
from stylebank.serve.refusals import Refused, called
from stylebank.serve.store import Upload
from stylebank.video import Frame, FrameReader, Position, open_reader

_BACK = (0, 1, 2, 6, 25)  # frames: where a header promises more of them than there are


class FilmInfo(BaseModel):
    """What a film is."""

    id: str
    name: str
    frames: int | None
    fps: float
    width: int
    height: int
    seconds: float | None
    sound: bool


@dataclass(frozen=True)
class FilmFile:
    """An upload that can be read as a film."""

    upload: Upload
    reader: FrameReader

    def info(self) -> FilmInfo:
        """What it is."""
        info, seconds = self.reader.info, seconds_of(self.reader)
        return FilmInfo(
            id=self.upload.id,
            name=self.upload.name,
            frames=info.frames,
            fps=round(float(info.frame_rate), 3),
            width=info.width,
            height=info.height,
            seconds=None if seconds is None else round(seconds, 3),
            sound=any(stream.kind == "audio" for stream in info.streams),
        )

    def frame(self, number: int, cache: ByteCache) -> Photo:
        """The frame with this number, counted from 0, or the last one if there are not so many.

        Raises:
            VideoError: it cannot be read.
            Refused: there is no frame at all.
        """
        key = (self.upload.id, number)
        kept = cache.get((key, "photo"))
        if isinstance(kept, Photo):
            return kept
        most = self.reader.info.frames
        last = number if most is None else min(number, most - 1)
        with called(self.upload.name, self.upload.path):
            for back in _BACK:
                if (found := self._at(max(0, last - back))) is not None:
                    photo = reduced(key, found.size, Image.fromarray(found.on_white()))
                    cache.put((key, "photo"), photo, photo.rgb.width * photo.rgb.height * 3)
                    return photo
        raise Refused(404, f"'{self.upload.name}' has no frame {number}.")

    def _at(self, number: int) -> Frame | None:
        info = self.reader.info
        pts = round(number / info.frame_rate / info.time_base) if info.kind == "video" and number else None
        frames = cast(Generator[Frame, None, None], self.reader.frames(Position(number, pts)))
        with closing(frames):  # which closes the file, too
            return next(frames, None)


def open_film(upload: Upload, limit: int, cache: ByteCache) -> FilmFile:
    """An upload as a film.

    Args:
        limit: seconds that it may last.

    Raises:
        VideoError: it is none, or damaged.
        Refused: it is longer.
    """
    kept = cache.get((upload.id, "film"))
    if isinstance(kept, FilmFile):
        return kept
    with called(upload.name, upload.path):
        film = FilmFile(upload, open_reader(upload.path))
    seconds = seconds_of(film.reader)
    if seconds is not None and seconds > limit:
        raise Refused(413, f"'{upload.name}' lasts {seconds:,.0f} s; the limit is {limit:,} s (--max-film-seconds).")
    cache.put((upload.id, "film"), film, 4096)
    return film


def seconds_of(reader: FrameReader) -> float | None:
    """How long a film lasts, None if it does not say."""
    info = reader.info
    if info.duration is not None:
        return float(info.duration)
    return None if info.frames is None else float(info.frames / info.frame_rate)
