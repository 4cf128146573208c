"""What the person at the keyboard reads when something fails: one sentence, and with `--verbose` where it happened."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stylebank.bars import above
from stylebank.errors import StyleBankError, StyleBankWarning

BUG = "This is a bug in StyleBank:"

_logger = logging.getLogger(__name__)


def sentence(error: BaseException) -> str:
    """What to say about an error. One that nobody foresaw is called a bug, and the process named that met it."""
    if isinstance(error, StyleBankError):
        return str(error)
    if out_of_memory(error):
        advice = "pictures: lower --size; training: raise train.accumulate, or lower train.crop_size"
        return f"{_process()}Out of memory; {advice}."
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{_process()}'{str(error.filename)[:300]}' cannot be used: {error.strerror}."
    if isinstance(error, UnicodeEncodeError):
        return f"{_process()}A name holds characters that cannot be part of a file's name here: {error.object[:100]!r}."
    text = " ".join(str(error).split())[:300]
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{_process()}{BUG} {what}. --verbose shows where; please report it with that."


def tell(error: BaseException) -> None:
    """Says it on stderr."""
    trace(error)
    print(f"Error: {sentence(error)}", file=sys.stderr)


def trace(error: BaseException) -> None:
    """Prints where an error was raised, and from which others, if `--verbose` asks for it."""
    _logger.debug("Where it was raised:", exc_info=error)


@contextmanager
def warnings_in_a_line() -> Iterator[None]:
    """Context in which StyleBank's warnings are one line on stderr each, above any progress bar."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
        if issubclass(category, StyleBankWarning):
            above(f"Warning: {message}", error=True)
        else:
            before(message, category, *rest, **named)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be had, see `device.out_of_memory`."""
    if "torch" not in sys.modules:  # whose errors need no import as long as it has none
        return isinstance(error, MemoryError)
    from stylebank.device import out_of_memory as of_torch

    return of_torch(error)


@contextmanager
def tracebacks(wanted: bool) -> Iterator[None]:
    """Context in which everything that StyleBank logs goes to stderr, tracebacks of errors first of all."""
    if not wanted:
        yield
        return
    logger, handler = logging.getLogger("stylebank"), logging.StreamHandler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def _process() -> str:
    """Which of several processes this is, for what only one of them says."""
    if "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        return ""
    return f"Process {os.environ['RANK']}: "
