"""Progress on stderr: bars in a terminal, and in a pipe or a file a plain line now and then. Decided here, for all."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Iterable
from typing import Any, Self, TypeVar

from tqdm import tqdm

T = TypeVar("T")

FIRST_LINE = 5.0  # seconds of work after which there is a line, where lines take a bar's place
EVERY = 30.0  # seconds between two of them


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar by a clock that nobody sets: by the machine's own it would stand still, or count wrong."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.disable:
            self._time = time.monotonic
            self.start_t = self.last_print_t = time.monotonic()


class _Lines(_Bar):
    """Work of a few seconds says nothing; what takes longer ends with a line, too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.due = time.monotonic() + FIRST_LINE
        self.said = ""
        super().__init__(*arguments, **{**options, "ncols": 0, "dynamic_ncols": False})  # no bar in the text

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + EVERY
            self._say()

    def clear(self, nolock: bool = False) -> None:
        """There is nothing to make way for."""

    def close(self) -> None:
        if self.disable:
            return
        self.disable = True
        self._instances.discard(self)  # type: ignore[attr-defined]
        if self.said:
            self._say()

    def _say(self) -> None:
        if (text := str(self)) != self.said:
            self.said = text
            print(text.strip(), file=self.fp, flush=True)


def bar(
    items: Iterable[T],
    *,
    name: str = "",
    unit: str = "it",
    total: int | None = None,
    shown: bool = True,
    after: float = 0,
) -> tqdm[T]:
    """A progress bar over items. Of several processes the first one shows its bars.

    Args:
        total: how many there are, if `items` cannot say.
        shown: False counts without showing.
        after: seconds before it appears: what is done by then shows nothing.
    """
    return _made(items, name, unit, total=total, shown=shown, delay=after)


def counter(total: int | None, *, name: str = "", unit: str = "it", done: int = 0, shown: bool = True) -> tqdm[Any]:
    """A progress bar that is moved by its `update`.

    Args:
        total: how many there will be, if that is known.
        done: how many of them were done before.
    """
    return _made(None, name, unit, total=total, shown=shown, initial=done)


def _made(items: Iterable[Any] | None, name: str, unit: str, shown: bool, **options: Any) -> tqdm[Any]:
    kind = _Bar if sys.stderr.isatty() else _Lines
    hidden = not (shown and _speaks())
    return kind(
        items, desc=name or None, unit=unit, dynamic_ncols=True, smoothing=0.05, miniters=1, disable=hidden, **options
    )


def _speaks() -> bool:
    return os.environ.get("RANK", "0") == "0"


def above(text: str, *, error: bool = False) -> None:
    """Prints a line above all bars, on stdout or stderr; a log file has it at once."""
    stream = sys.stderr if error else sys.stdout
    tqdm.write(text, file=stream)
    stream.flush()


def load_torch(*, line: bool = True) -> None:
    """Imports torch, which takes seconds, and says so: in a terminal until it is done.

    Args:
        line: in a pipe or a file, too.
    """
    if "torch" in sys.modules:
        return
    text, terminal = "Loading PyTorch ...", sys.stderr.isatty()
    if _speaks() and (terminal or line):
        sys.stderr.write(text + ("\r" if terminal else "\n"))
        sys.stderr.flush()
    importlib.import_module("torch")
    if _speaks() and terminal:
        sys.stderr.write(" " * len(text) + "\r")


class Bars:
    """Bars one below the other: each appears when its work begins, and stays when the next one does.

    So what is refused before any work is done is one sentence and nothing else.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        """Of the last bar."""
        self._name = ""
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int | None, *, name: str = "", unit: str = "it", note: str = "") -> None:
        """Brings the bar called `name` to `done`, and begins it if the last one was called otherwise."""
        if self._bar is None or name != self._name:
            self.__exit__()
            self._name, self.total = name, total
            self._bar = counter(total, name=name, unit=unit)
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
