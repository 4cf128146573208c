"""Finding files to work on: files, folder trees and glob patterns, in natural order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from stylebank.errors import ImageError, relative_to, several
from stylebank.images.formats import IMAGE_SUFFIXES, UNREAD_SUFFIXES


def find_images(inputs: Sequence[str | Path]) -> list[Path]:
    """Picture files named by `inputs`: files (whatever their suffix), folders (as trees), globs (`**` too).

    Inputs keep their order; inside a folder or glob names sort naturally (`2` before `10`), a folder's own
    files before its subfolders. Folders and globs yield only `IMAGE_SUFFIXES` and nothing hidden. A file met
    twice stays where it came first. Raises ImageError for an input that yields nothing, naming it.
    """
    return find_files(inputs, IMAGE_SUFFIXES, "pictures")


def find_files(inputs: Sequence[str | Path], suffixes: Collection[str], kind: str) -> list[Path]:
    """As `find_images` for any suffixes (lower case, with dot); `kind` is what messages call such files."""
    if isinstance(inputs, (str, Path)):
        inputs = [inputs]
    unique: dict[Path, Path] = {}
    for item in inputs:
        for path in _expand(os.fspath(item), suffixes, kind):
            unique.setdefault(path.parent.resolve() / path.name, path)
    return list(unique.values())


def find_unread(inputs: Sequence[str | Path]) -> list[Path]:
    """Pictures in folders and globs that `find_images` passes over, as their format is not read.

    A raw file beside a picture of the same name is none: that picture is what the camera made of it.
    """
    unread: dict[Path, None] = {}
    for text in [os.fspath(item) for item in inputs]:
        if not text or (Path(text).exists() and not Path(text).is_dir()):
            continue
        files = _candidates(text)
        read = {file.with_suffix("") for file in files if _is_one(file, IMAGE_SUFFIXES)}
        for file in files:
            if _is_one(file, UNREAD_SUFFIXES) and file.with_suffix("") not in read:
                unread[file] = None
    return list(unread)


def _expand(text: str, suffixes: Collection[str], kind: str) -> list[Path]:
    path = Path(text)
    if text and path.exists() and not path.is_dir():
        return [path]
    if not (text and path.is_dir()) and not glob.has_magic(text):
        raise ImageError(
            f"'{text}' does not exist{relative_to(path)}; name a file, a folder of {kind}, or a glob pattern"
        )
    candidates = _candidates(text)
    found = [file for file in candidates if _is_one(file, suffixes)]
    if not found:
        problem = "holds" if path.is_dir() else "matches"
        unread = several([file.name for file in candidates if _is_one(file, UNREAD_SUFFIXES)], 5)
        besides = f", only some that are not read: {unread}" if unread else ""
        raise ImageError(f"'{text}' {problem} no {kind} (suffixes looked for: {' '.join(sorted(suffixes))}){besides}")
    return found


def _candidates(text: str) -> list[Path]:
    """Every file in a folder, or that a glob pattern matches, in natural order."""
    if Path(text).is_dir():
        return list(_walk(Path(text)))
    matches = map(Path, glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    return sorted(matches, key=_natural_path)


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ImageError(f"folder '{error.filename}' cannot be read: {error.strerror}") from error

    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(root)
        if real in seen:  # a link back up the tree would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_natural)
        for name in sorted((name for name in files if not name.startswith(".")), key=_natural):
            yield Path(root, name)


def _is_one(path: Path, suffixes: Collection[str]) -> bool:
    return path.suffix.lower() in suffixes and path.is_file()


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sort key: runs of digits as numbers, case ignored, the name itself to break ties."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if part.isdecimal() else part for part in parts], name


def _natural_path(path: Path) -> list[tuple[bool, tuple[list[str | int], str]]]:
    parents = [(True, _natural(part)) for part in path.parts[:-1]]
    return [*parents, (False, _natural(path.name))]
