"""Uploaded files: in a private folder that goes away with the server, the oldest first where it grows too large."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from stylebank.errors import StyleBankError
from stylebank.files import write_error
from stylebank.serve.refusals import Refused, not_here

Kind = Literal["picture", "mask", "film", "painting"]
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_LONGEST = 120  # characters of a name
MOST = 5000
"""Uploads at a time, however small."""


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded, or one of this machine that a request named."""

    id: str
    kind: Kind
    name: str
    """As the sender calls it, without folders."""
    path: Path
    bytes: int
    ours: bool = True
    """Whether the file is a copy of ours, which is deleted when it is not needed any more."""


class Store:
    """The uploads, by id. A context manager: on leaving, the folder is gone.

    Args:
        limit: bytes of all files together.
        forgotten: called with the id of every upload that goes.
    """

    def __init__(self, limit: int, forgotten: Callable[[str], None] = lambda _: None) -> None:
        self._limit, self._forgotten = limit, forgotten
        self._lock = threading.Lock()
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._folder = tempfile.TemporaryDirectory(prefix="stylebank-serve-", ignore_cleanup_errors=True)  # mode 0700
        self.folder = Path(self._folder.name)

    def add(self, kind: Kind, name: str | None, file: BinaryIO) -> Upload:
        """Stores what can be read from an open file.

        Raises:
            Refused: it is empty, or larger than everything together may be.
            StyleBankError: the disk is full.
        """
        name, key = plain_name(name, kind), secrets.token_hex(8)
        suffix = Path(name).suffix.lower()
        path = self.folder / f"{key}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        try:
            with path.open("xb") as target:
                shutil.copyfileobj(file, target, 2**20)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StyleBankError(str(write_error(Path(name), error))) from error
        upload = Upload(key, kind, name, path, path.stat().st_size)
        if not 0 < upload.bytes <= self._limit:
            path.unlink()
            raise (
                Refused(400, f"'{name}' is empty (0 bytes).")
                if not upload.bytes
                else Refused(
                    413, f"'{name}' is larger than all uploads together may be; the server's flag is --max-stored."
                )
            )
        self._keep(upload)
        return upload

    def point_to(self, kind: Kind, path: Path) -> Upload:
        """Makes a file of this machine known as if it was uploaded; it is neither copied nor ever deleted."""
        upload = Upload(secrets.token_hex(8), kind, path.name, path, 0, ours=False)
        self._keep(upload)
        return upload

    def get(self, kind: Kind, key: str) -> Upload:
        """The upload with this id. Raises Refused if there is none."""
        with self._lock:
            upload = self._uploads.get(key)
            if upload is None or upload.kind != kind:
                raise not_here(kind, key)
            self._uploads.move_to_end(key)
            return upload

    def find(self, key: str) -> Upload | None:
        """The upload with this id, of whatever kind, None if there is none."""
        with self._lock:
            return self._uploads.get(key)

    def remove(self, key: str) -> None:
        """Deletes an upload if it is there."""
        with self._lock:
            upload = self._uploads.pop(key, None)
        if upload is not None:
            if upload.ours:
                upload.path.unlink(missing_ok=True)
            self._forgotten(key)

    @property
    def used(self) -> int:
        """Bytes of all files."""
        with self._lock:
            return sum(upload.bytes for upload in self._uploads.values())

    def __len__(self) -> int:
        return len(self._uploads)

    def _keep(self, upload: Upload) -> None:
        with self._lock:
            self._uploads[upload.id] = upload
            excess, more = sum(each.bytes for each in self._uploads.values()) - self._limit, len(self._uploads) - MOST
            old = []
            for each in self._uploads.values():
                if excess <= 0 and more <= 0:
                    break
                old.append(each.id)
                excess, more = excess - each.bytes, more - 1
        for key in old:
            self.remove(key)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def plain_name(name: str | None, otherwise: str) -> str:
    """A file's name as a browser tells it, without folders and what cannot be printed."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(each for each in last if each.isprintable() and each not in '<>:"|?*').strip(" .")
    stem, dot, suffix = clean.rpartition(".")
    return f"{stem[:_LONGEST]}{dot}{suffix[:16]}" if stem else clean[:_LONGEST] or otherwise
