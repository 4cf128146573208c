"""Requests that are refused, and what is said of errors: one sentence, with the HTTP status that fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stylebank.device import out_of_memory
from stylebank.errors import MissingExtraError, StyleBankError

BUG = "This is a bug in StyleBank:"


class Refused(StyleBankError):
    """A request that is not granted, with its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Cancelled(Exception):
    """Work that nobody waits for any more."""


def not_here(what: str, key: str) -> Refused:
    """What to raise for an id that stands for nothing."""
    return Refused(404, f"There is no {what} '{key[:40]}' here (any more); upload it again.")


def status_of(error: BaseException) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, MissingExtraError):
        return 501
    if isinstance(error, StyleBankError):
        return 400
    return 507 if isinstance(error, RuntimeError | MemoryError) and out_of_memory(error) else 500


def sentence(error: BaseException) -> str:
    """What to say of an error."""
    if isinstance(error, StyleBankError):
        text = str(error)
        return text if text.endswith((".", "?")) else f"{text}."
    if isinstance(error, RuntimeError | MemoryError) and out_of_memory(error):
        return "This does not fit into the server's memory; try a smaller size."
    if isinstance(error, OSError) and error.strerror:
        return f"The server's disk failed: {error.strerror}."
    return f"{BUG} {type(error).__name__}: {' '.join(str(error).split())[:300]}."


@contextmanager
def called(name: str, path: Path) -> Iterator[None]:
    """Context in which messages call an uploaded file by its own name, and not by where it lies here."""
    try:
        yield
    except StyleBankError as error:
        text = str(error).replace(str(path), name).replace(path.name, name)
        if text == str(error):
            raise
        raise Refused(status_of(error), text) from error
