"""Where a picture comes from: a file on disk, bytes, or an open file; all are read in the same way."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stylebank.errors import ImageError, relative_to
from stylebank.files import why_unreadable

PictureSource = str | Path | bytes | BinaryIO
"""A path, a file's bytes, or a file open for reading bytes: read from where it stands to its end, and left open."""


@dataclass(frozen=True)
class Source:
    """A picture's bytes, which can be opened any number of times."""

    said: str
    """What messages call it."""
    path: Path | None = None
    data: bytes = b""

    @classmethod
    def of(cls, given: PictureSource) -> Source:
        """Looks at what was given, without reading a file on disk.

        Raises:
            ImageError: a path that is no regular file or empty, no bytes at all, or something else altogether.
        """
        if isinstance(given, str | Path):
            path = Path(given)
            try:
                if reason := why_unreadable(path, "a picture"):
                    raise ImageError(f"'{path}' {reason}")
            except (OSError, ValueError) as error:
                where = relative_to(path) if isinstance(error, FileNotFoundError) else ""
                why = getattr(error, "strerror", None) or error
                raise ImageError(f"'{path}' cannot be read{where}: {why}") from error
            return cls(f"'{path}'", path)
        if isinstance(given, bytes | bytearray | memoryview):
            return cls._in_memory("the picture given as bytes", bytes(given))
        if not hasattr(given, "read"):
            kind = type(given).__name__
            raise ImageError(f"a picture is read from a path, bytes or a file open for reading, not from a {kind}")
        name = getattr(given, "name", None)
        said = f"'{name}'" if isinstance(name, str) else "the picture given as an open file"
        try:
            data = given.read()
        except (OSError, ValueError) as error:
            raise ImageError(f"{said} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if not isinstance(data, bytes):
            raise ImageError(f"{said} is open for reading text; open it with mode 'rb'")
        return cls._in_memory(said, data)

    @classmethod
    def _in_memory(cls, said: str, data: bytes) -> Source:
        if not data:
            raise ImageError(f"{said} is empty (0 bytes), not a picture")
        return cls(said, data=data)

    def open(self) -> BinaryIO:
        """The bytes from their beginning; to be closed by the caller."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")
