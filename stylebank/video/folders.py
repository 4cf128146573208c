"""Folders of pictures as films: one file a frame, in natural order."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylebank.files import fingerprint_of, new_file, write_error
from stylebank.images import find_images, load_picture, save_picture
from stylebank.images import probe as picture_size
from stylebank.video.frames import Frame, FrameReader, FrameWriter, Position, VideoError, VideoInfo
from stylebank.video.reader import START, Seconds, check_range, exactly
from stylebank.video.unfinished import UnfinishedWork, partial_path

DEFAULT_FPS = 25  # frames per second: no picture says how long it is shown
_LIST = ".frames.json"
"""In a finished folder: the names of the frames that were written, which alone another run may delete."""


class FolderReader(FrameReader):
    """The pictures that lie in a folder itself (`2` before `10`), each shown for 1/`fps` seconds.

    All must have the size of the first. `start` and `end` are seconds, as for films.

    Raises:
        VideoError: sizes differ, or there is no frame in that range.
        ImageError: no pictures, or a damaged one.
    """

    def __init__(
        self, path: str | Path, start: Seconds | None = None, end: Seconds | None = None, *, fps: Seconds = DEFAULT_FPS
    ) -> None:
        self.path = Path(path)
        if not 0 < fps <= 1000:
            raise VideoError(f"{fps} frames per second is out of range; valid is above 0, up to 1000.")
        check_range(start, end)
        rate = exactly(fps)
        files = [file for file in find_images([self.path]) if file.parent == self.path]
        first = math.ceil(exactly(start or 0) * rate)
        last = len(files) if end is None else math.ceil(exactly(end) * rate)
        self._files, self._start, self._end = files[first:last], start, end
        if not self._files:
            raise VideoError(
                f"'{self.path}' has no frame in that range: its {len(files)} pictures last "
                f"{float(len(files) / rate):.3f} s."
            )
        stems = Counter(file.stem for file in self._files)
        self._named = max(stems.values()) == 1
        width, height = picture_size(self._files[0])
        count = len(self._files)
        self.info = VideoInfo(self.path, "folder", width, height, rate, 1 / rate, count / rate, count)

    @property
    def expected(self) -> int:
        """How many frames there are."""
        return len(self._files)

    def identity(self) -> dict[str, Any]:
        """What must be the same for a later run to go on where this one stopped."""
        names = [self._files[0].name, self._files[-1].name]
        rate = str(self.info.frame_rate)
        return {
            "source": self.path.resolve().name,
            "frames": self.expected,
            "between": names,
            "frame_files": fingerprint_of(self._files),
            "fps": rate,
        }

    def frames(self, after: Position = START) -> Iterator[Frame]:
        """The frames from `after` on. Raises VideoError or ImageError."""
        shown = self.info.time_base
        for index in range(after.index, len(self._files)):
            file = self._files[index]
            picture = load_picture(file)
            if picture.rgb.size != self.info.size:
                raise VideoError(
                    f"'{file}' is {picture.rgb.width}x{picture.rgb.height}, but the frames before it are "
                    f"{self.info.width}x{self.info.height}."
                )
            alpha = None if picture.alpha is None else np.array(picture.alpha)
            name = file.stem if self._named else None
            yield Frame(index, index * shown, shown, index, np.array(picture.rgb), alpha, name)


class FolderWriter(FrameWriter):
    """Writes each frame as a PNG: under the name it came with, or numbered.

    Frames gather in `NAME.partial`, which becomes `path` when all are there; left by an exception it stays, and a
    writer with `resume` and the same settings goes on in it. Arguments as for `VideoWriter`.

    Raises:
        VideoError: `path` exists, or unfinished work does, and nothing allows for it.
    """

    def __init__(
        self,
        path: str | Path,
        like: FrameReader,
        *,
        overwrite: bool = False,
        resume: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        if self.path.exists() and like.info.path.exists() and self.path.samefile(like.info.path):
            raise VideoError(f"'{self.path}' is the folder being read; write to another one.")
        if self.path.is_file():
            raise VideoError(f"'{self.path}' is a file, not a folder for frames.")
        self._folder = partial_path(self.path)
        record = {**(settings or {}), **like.identity()}
        self._work = UnfinishedWork(self.path, self._folder, record, overwrite=overwrite, resume=resume)
        self._done = len(list(self._folder.glob("[!.]*.png")))

    @property
    def position(self) -> Position:
        """How much an earlier run left behind."""
        return Position(self._done)

    def write(self, frame: Frame) -> None:
        """Writes the next frame. Raises ImageError."""
        alpha = None if frame.alpha is None else Image.fromarray(frame.alpha)
        path = self._folder / f"{frame.name or f'{frame.index:06d}'}.png"
        save_picture(Image.fromarray(frame.rgb), path, alpha=alpha, overwrite=True)

    def finish(self) -> Path:
        """Gives the folder its name. Raises VideoError if there are no frames.

        In a folder that is there already, frames take the places of those written earlier; whatever else lies in it
        stays.
        """
        if self.finish_partial() is None:
            raise VideoError(f"'{self.path}' was not written: there are no frames.")
        frames = sorted(self._folder.glob("[!.]*.png"))
        try:
            if self.path.exists():
                self._replace(frames)
                self._work.remove()
            else:
                _write_list(self._folder, frames)
                self._work.forget()
                self._folder.rename(self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        return self.path

    def _replace(self, frames: Sequence[Path]) -> None:
        """Puts frames into the folder that is there; the unfinished work stays until all of them are."""
        for frame in frames:
            with new_file(self.path / frame.name) as temporary:
                shutil.copyfile(frame, temporary)
        for name in _read_list(self.path) - {frame.name for frame in frames}:
            (self.path / name).unlink(missing_ok=True)
        _write_list(self.path, frames)

    def finish_partial(self) -> Path | None:
        """The folder with the frames so far, None if there are none."""
        if not any(self._folder.glob("[!.]*.png")):
            self._work.remove()
            return None
        return self._folder


def _write_list(folder: Path, frames: Sequence[Path]) -> None:
    with new_file(folder / _LIST) as temporary:
        temporary.write_text(json.dumps([frame.name for frame in frames]), "utf-8")


def _read_list(folder: Path) -> set[str]:
    with suppress(OSError, ValueError):
        names = json.loads((folder / _LIST).read_text("utf-8"))
        return {name for name in names if isinstance(name, str) and Path(name).name == name}
    return set()
