"""Paintings on disk: which files make up which style, and what a style may be called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylebank.errors import ConfigError, ImageError
from stylebank.images import find_images

IDENTITY = "identity"  # the auto-encoder alone; "all" stands for every style on the command line
RESERVED = frozenset({IDENTITY, "all", "original"})
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class StyleSource:
    """One style to train: its name and the pictures it is learned from."""

    name: str
    files: tuple[Path, ...]

    @property
    def title(self) -> str:
        """A readable title: `the_scream` -> `The scream`."""
        return self.name.replace("_", " ").capitalize()

    def sha256(self) -> str:
        """Hash over the bytes of all its pictures, in order."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()


def check_name(name: str) -> str:
    """Returns a valid style name as it is.

    Raises:
        ConfigError: the name is reserved, or could not be a safe file name everywhere.
    """
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise ConfigError(
            f"{name!r} cannot name a style: use 1 to 64 of a-z, 0-9, _ and -, starting with a letter or digit, "
            f"and none of {', '.join(sorted(RESERVED))}."
        )
    return name


def name_from_path(path: Path) -> str:
    """A style name made from a file's or folder's name: `The Scream (1893).jpg` -> `the_scream_1893`.

    Raises:
        ConfigError: nothing of the name is left, or it is reserved.
    """
    stem = path.name if path.is_dir() else path.stem
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    try:
        return check_name(re.sub(r"[^a-z0-9-]+", "_", ascii_only).strip("_-")[:64])
    except ConfigError as error:
        raise ConfigError(f"{path} gives no style name: {error}") from error


def find_styles(inputs: Sequence[Path]) -> list[StyleSource]:
    """The styles in files and folders, ordered by appearance.

    A file is a style. In a folder every picture is a style, and every subfolder is one style with several pictures.

    Raises:
        ImageError: something is missing or a folder holds no pictures.
        ConfigError: two styles have the same name, or a name is not valid.
    """
    sources: list[StyleSource] = []
    for path in inputs:
        if not path.is_dir():
            sources.append(StyleSource(name_from_path(path), tuple(find_images([path]))))
            continue
        subfolders: dict[Path, list[Path]] = {}
        for file in find_images([path]):
            part = file.relative_to(path).parts[0]
            subfolders.setdefault(path / part, []).append(file)
        sources += [StyleSource(name_from_path(key), tuple(files)) for key, files in subfolders.items()]
    if not sources:
        raise ImageError("No style pictures were given.")
    seen: dict[str, StyleSource] = {}
    for source in sources:
        if source.name in seen:
            raise ConfigError(
                f"Two styles would be called '{source.name}': {seen[source.name].files[0]} and {source.files[0]}; "
                "rename one of the files."
            )
        seen[source.name] = source
    return sources
