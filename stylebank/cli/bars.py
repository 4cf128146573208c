"""Progress bars on stderr, drawn by what functions tell of how far they are."""

from __future__ import annotations

from typing import Any, Self

from tqdm import tqdm


class Bars:
    """Bars one below the other: each appears when its work begins, and stays when the next one does.

    So what is refused before any work is done is one sentence and nothing else.

    Args:
        options: of every bar, see `tqdm`.
    """

    def __init__(self, **options: Any) -> None:
        self.total: int | None = None
        """Of the last bar."""
        self._options, self._name = options, ""
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
            self._bar = tqdm(total=total, desc=name or None, unit=unit, **self._options)
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
