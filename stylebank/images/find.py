"""Finding files to work on: files, folder trees and glob patterns, in natural order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from stylebank.errors import ImageError, relative_to
from stylebank.images.formats import IMAGE_SUFFIXES


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


def _expand(text: str, suffixes: Collection[str], kind: str) -> list[Path]:
    path = Path(text)
    if text and path.is_dir():
        found, problem = [file for file in _walk(path) if _is_one(file, suffixes)], f"holds no {kind}"
    elif text and path.exists():
        return [path]
    elif glob.has_magic(text):
        matches = map(Path, glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = sorted((file for file in matches if _is_one(file, suffixes)), key=_natural_path)
        problem = f"matches no {kind}"
    else:
        raise ImageError(
            f"'{text}' does not exist{relative_to(path)}; name a file, a folder of {kind}, or a glob pattern"
        )
    if not found:
        raise ImageError(f"'{text}' {problem} (suffixes looked for: {' '.join(sorted(suffixes))})")
    return found


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
