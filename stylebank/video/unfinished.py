"""Unfinished work on disk: a folder beside the output that says what it is for, so that a later run can go on.

The record in it is also its mark: nothing without one is emptied, replaced or deleted, whatever it is called.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stylebank.files import new_file, write_error
from stylebank.video.frames import VideoError

_RECORD = ".job.json"
_PARTIAL = ".partial.json"
_ADDED_LATER = {"frame_files", "mask_frames"}
"""What the work of older versions does not note: there it cannot be compared."""


class UnfinishedWork:
    """A folder of unfinished work for the output `target`, with the settings that made it.

    Args:
        target: the output wanted.
        folder: where unfinished work lies, beside it.
        settings: everything that decides what the frames look like; values fit JSON.
        overwrite: replace a finished output, and drop unfinished work that cannot or shall not be resumed.
        resume: go on with unfinished work if there is any.
        partial: where what there is of an unfinished output will be put, if that is a file of its own.

    Raises:
        VideoError: the output exists, or there is unfinished work, and nothing allows for it; or the work to resume
            was begun with other settings; or what stands under the work's own names is somebody else's.
    """

    def __init__(
        self,
        target: Path,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        overwrite: bool,
        resume: bool,
        partial: Path | None = None,
    ) -> None:
        self.folder, self.partial = folder, partial
        record: dict[str, Any] = json.loads(json.dumps(settings))
        _check_ours(folder, target)
        begun = _read(folder)
        if self._is_foreign(partial) and not (resume and begun):  # older versions left no note of theirs
            assert partial is not None
            raise _foreign(partial, target)
        resumed = resume and begun is not None
        if begun is not None and resume:
            _check_same(target, begun, record)
        elif begun is not None and not overwrite:
            raise VideoError(
                f"'{target}' was begun and not finished: pass --resume to go on, or --overwrite to begin afresh."
            )
        if _is_something(target) and not overwrite and not resumed:
            raise VideoError(f"'{target}' exists; pass --overwrite to replace it.")
        try:
            if not resumed:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True, exist_ok=True)
                with new_file(folder / _RECORD) as path:
                    path.write_text(json.dumps(record, indent=1), "utf-8")
        except OSError as error:
            raise write_error(folder, error) from error

    def may_write_partial(self) -> bool:
        """Whether the name for unfinished outputs is free, or what stands there was put there by this work."""
        return not self._is_foreign(self.partial)

    def _is_foreign(self, partial: Path | None) -> bool:
        if partial is None or not partial.exists():
            return False
        with suppress(OSError, ValueError):
            return bool(_look(partial) != _read_json(self.folder / _PARTIAL))
        return True

    def note_partial(self) -> None:
        """Remembers the unfinished output that was just written, as one's own."""
        assert self.partial is not None
        with new_file(self.folder / _PARTIAL) as path:
            path.write_text(json.dumps(_look(self.partial)), "utf-8")

    def forget(self) -> None:
        """Removes the record: the folder is no longer unfinished work."""
        (self.folder / _RECORD).unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the folder and all in it, and an unfinished output of its own."""
        if self.partial and self.may_write_partial():
            self.partial.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def partial_path(target: Path) -> Path:
    """Where what there is of an unfinished output is put: `film.mp4` has `film.partial.mp4`."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def work_folder(target: Path) -> Path:
    """The hidden folder of an unfinished output: `film.mp4` has `.film.mp4.parts`."""
    return target.with_name(f".{target.name}.parts")


def _check_ours(folder: Path, target: Path) -> None:
    """Raises VideoError if a folder has something in it, but not the mark of unfinished work."""
    try:
        ours = not folder.exists() or (folder / _RECORD).is_file() or (folder.is_dir() and not any(folder.iterdir()))
    except OSError as error:
        raise VideoError(f"'{folder}' cannot be looked at ({error.strerror or error}).") from error
    if not ours:
        raise _foreign(folder, target)


def _foreign(path: Path, target: Path) -> VideoError:
    return VideoError(
        f"'{path}' is needed for '{target}' until that is finished, but what is there is not of an earlier run; "
        "move it, or choose another output."
    )


def _look(path: Path) -> dict[str, int]:
    """By what a file is known again."""
    status = path.stat()
    return {"bytes": status.st_size, "changed": status.st_mtime_ns}


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _is_something(target: Path) -> bool:
    return target.exists() and not (target.is_dir() and not any(target.iterdir()))


def _read(folder: Path) -> dict[str, Any] | None:
    """The settings of unfinished work, None if there is none worth keeping."""
    with suppress(OSError, ValueError):
        record = _read_json(folder / _RECORD)
        if isinstance(record, dict) and any(not path.name.startswith(".") for path in folder.iterdir()):
            return record
    return None


def _check_same(target: Path, begun: dict[str, Any], now: dict[str, Any]) -> None:
    for name in sorted({*begun, *now}):
        if name in _ADDED_LATER and name not in begun:
            continue
        if begun.get(name) != now.get(name):
            raise VideoError(
                f"'{target}' was begun with {name} {begun.get(name)!r}, not {now.get(name)!r}: resume it with the same "
                "settings, or pass --overwrite without --resume to begin afresh."
            )
