"""A folder that one process at a time works in: two servers would write the same banks, two trainings one state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from stylebank.errors import StyleBankError

LOCK = ".in-use"
"""Who works in the folder; there while a process does, or after one was killed."""
_TRIES = 100  # a process that ends removes file and folder, maybe just when the next one has opened them
_FAR = 2**30  # bytes into the file: Windows lets nobody read a part that is locked

_held: set[BinaryIO] = set()


class _Taken(Exception):
    """Another process has the folder."""


@contextmanager
def in_use(folder: Path, worker: str, advice: str, about: str = "") -> Iterator[None]:
    """Context in which the folder is this process's; it is made, and goes away again if nothing was put into it.

    The lock is the operating system's, so that it ends with the process, however that ends; processes that it forks
    do not hold it. Where no file can be locked (a folder that may not be written to, file systems without locks),
    nothing is.

    Args:
        worker: what works in such a folder, as in "server".
        advice: what to do if another one does, as in "end that one, or give another --keep".
        about: what another one is told of this one, beside its number.

    Raises:
        StyleBankError: another process works in it.
    """
    made = not folder.exists()
    try:
        file = _locked(folder)
    except _Taken as error:
        raise StyleBankError(f"The folder '{folder}' is in use by another {worker}{_who(folder)}; {advice}.") from error
    try:
        if file is not None:
            _sign(file, about)
            _held.add(file)
        yield
    finally:
        if file is not None:
            _held.discard(file)
            _give_back(file, folder)
        if made:
            with suppress(OSError):  # what was kept, stays
                folder.rmdir()


def _locked(folder: Path) -> BinaryIO | None:
    """The file, open and locked; None if that cannot be done here. Raises _Taken."""
    for _ in range(_TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / LOCK).open("a+b")
        except FileNotFoundError:
            continue
        except OSError:
            return None
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
                return file
        except FileNotFoundError:
            pass
        except (BlockingIOError, PermissionError) as error:
            file.close()
            raise _Taken from error
        except OSError:
            file.close()
            return None
        file.close()
    return None


def _sign(file: BinaryIO, about: str) -> None:
    """Writes down who has the folder, for those who are refused."""
    with suppress(OSError):  # a full disk
        file.truncate(0)
        file.write(f"process {os.getpid()}{about and ', '}{about}".encode())
        file.flush()


def _who(folder: Path) -> str:
    with suppress(OSError):
        said = (folder / LOCK).read_text(encoding="ascii", errors="replace")[:60]
        return f" ({said})" if said.isprintable() and said else ""
    return ""


def _give_back(file: BinaryIO, folder: Path) -> None:
    """Removes the file while it is still locked, or on Windows, where that cannot be done, just afterwards."""
    with suppress(OSError):
        (folder / LOCK).unlink()
    file.close()
    if os.name == "nt":
        with suppress(OSError):  # the next process has it open
            (folder / LOCK).unlink()


if os.name == "nt":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _let_go() -> None:
        """A forked process, such as one that decodes photographs, may live on for a while after this one."""
        for file in _held:
            file.close()
        _held.clear()

    os.register_at_fork(after_in_child=_let_go)
