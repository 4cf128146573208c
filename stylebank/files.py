"""Whole files or none: folders and files are written under a temporary name, then renamed."""

from __future__ import annotations

import csv
import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stylebank.errors import StyleBankError

_PREVIOUS = ".previous"


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of(files: Iterable[Path]) -> str:
    """By what a set of files is known again without reading them: names, sizes and times, as hexadecimal SHA-256."""
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def why_unreadable(path: Path, wanted: str) -> str | None:
    """Why `path` is no regular file with something in it, as in "is a folder, not a picture"; None if it is one.

    Args:
        wanted: what it should be, with its article.

    Raises:
        OSError: it does not exist, or may not be looked at.
        ValueError: no file can have this name.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return f"is a folder, not {wanted}"
    if not stat.S_ISREG(status.st_mode):  # a pipe would block for ever
        return "is not a regular file"
    return None if status.st_size else f"is empty (0 bytes), not {wanted}"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to; on success it becomes `path`, on failure it is removed.

    Raises:
        StyleBankError: the disk is full, read-only, or the folder cannot be made.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):  # gone already, or never there
            temporary.unlink()


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes a table with a heading; what a row does not have is left empty.

    Raises:
        StyleBankError: as `new_file`.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary folder to fill; on success it takes the place of `path`, on failure it is removed.

    A folder cannot be replaced in one system call everywhere, so the old one is first moved to `.NAME.previous` beside
    it. Whoever writes next finishes a swap that was cut short; whoever reads meanwhile takes `standing_folder`.

    Raises:
        StyleBankError: the disk is full, read-only, or the folder cannot be made.
    """
    path = path.absolute()  # "." has no name
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            _sync(file)
        _settle(path)
        if path.exists():
            os.rename(path, _previous(path))
        os.rename(temporary, path)
        shutil.rmtree(_previous(path), ignore_errors=True)
    except OSError as error:
        raise write_error(path, error) from error
    except StyleBankError as error:
        if isinstance(error.__cause__, OSError):  # of a file in the temporary folder, a name nobody knows
            raise write_error(path, error.__cause__) from error.__cause__
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def standing_folder(path: Path) -> Path:
    """Where what stands under `path` can be read: there, or put aside by a swap that is not through. Changes nothing.

    Given the folder that was put aside, it is the one that has taken its place, once there is one.
    """
    try:
        if path.name.startswith(".") and path.name.endswith(_PREVIOUS):
            path = path.with_name(path.name[1 : -len(_PREVIOUS)])
        if path.exists():
            return path
        previous = _previous(path)
        return previous if previous.is_dir() else path
    except (OSError, ValueError):  # a name that is too long, or no name at all
        return path


def standing_folders(path: Path) -> Iterator[Path]:
    """`standing_folder`, and again each time that a writer has replaced it while the caller looked there in vain.

    Between finding out where a folder stands and reading a file in it, a swap may take place; only what failed in a
    folder that is still the same has failed.
    """
    while True:
        here = standing_folder(path)
        before = _which(here)
        yield here
        if standing_folder(path) == here and _which(here) == before:
            return


def _which(folder: Path) -> tuple[int, int, int] | None:
    """Tells apart folders that stood under one name one after the other, even with the number of one that is gone."""
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns  # renaming sets the last


def _settle(path: Path) -> None:
    """Brings `path` back if a swap by `new_folder` was killed between its two renames. For writers alone."""
    previous = _previous(path)
    if not previous.exists():
        return
    if path.exists():
        shutil.rmtree(previous, ignore_errors=True)
    else:
        os.rename(previous, path)


def write_error(path: Path, error: OSError) -> StyleBankError:
    """One sentence for a failed write."""
    if error.errno == errno.ENOSPC:
        return StyleBankError(f"The disk is full: {path} could not be written; what was there before is untouched.")
    return StyleBankError(f"{path} could not be written ({error.strerror or error}).")


def _previous(path: Path) -> Path:
    path = path.absolute()
    return path.with_name(f".{path.name}{_PREVIOUS}")


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # there a folder cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows flushes only what it may write
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
