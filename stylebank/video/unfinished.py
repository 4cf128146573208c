"""Unfinished work on disk: a folder beside the output that says what it is for, so that a later run can go on."""

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


class UnfinishedWork:
    """A folder of unfinished work for the output `target`, with the settings that made it.

    Args:
        target: the output wanted.
        folder: where unfinished work lies, beside it.
        settings: everything that decides what the frames look like; values fit JSON.
        overwrite: replace a finished output, and drop unfinished work that cannot or shall not be resumed.
        resume: go on with unfinished work if there is any.

    Raises:
        VideoError: the output exists, or there is unfinished work, and nothing allows for it; or the work to resume
            was begun with other settings.
    """

    def __init__(
        self, target: Path, folder: Path, settings: Mapping[str, Any], *, overwrite: bool, resume: bool
    ) -> None:
        self.folder = folder
        record: dict[str, Any] = json.loads(json.dumps(settings))
        begun = _read(folder)
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

    def forget(self) -> None:
        """Removes the record: the folder is no longer unfinished work."""
        (self.folder / _RECORD).unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def partial_path(target: Path) -> Path:
    """Where what there is of an unfinished output is put: `film.mp4` has `film.partial.mp4`."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def work_folder(target: Path) -> Path:
    """The hidden folder of an unfinished output: `film.mp4` has `.film.mp4.parts`."""
    return target.with_name(f".{target.name}.parts")


def _is_something(target: Path) -> bool:
    return target.exists() and not (target.is_dir() and not any(target.iterdir()))


def _read(folder: Path) -> dict[str, Any] | None:
    """The settings of unfinished work, None if there is none worth keeping."""
    with suppress(OSError, ValueError):
        record = json.loads((folder / _RECORD).read_text("utf-8"))
        if isinstance(record, dict) and any(not path.name.startswith(".") for path in folder.iterdir()):
            return record
    return None


def _check_same(target: Path, begun: dict[str, Any], now: dict[str, Any]) -> None:
    for name in sorted({*begun, *now}):
        if begun.get(name) != now.get(name):
            raise VideoError(
                f"'{target}' was begun with {name} {begun.get(name)!r}, not {now.get(name)!r}: resume it with the same "
                "settings, or pass --overwrite without --resume to begin afresh."
            )
