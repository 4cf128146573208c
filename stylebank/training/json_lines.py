"""A run's log as text, one JSON object a line: for scripts, `grep` and spreadsheets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from stylebank.files import new_file


class JsonLines:
    """Appends entries to a file; of a run that goes on, those after its checkpoint are removed first.

    Args:
        path: the file; it need not exist.
        purge_step: entries from this step on are done again; None begins a new file.
    """

    def __init__(self, path: Path, purge_step: int | None) -> None:
        self.path = path
        kept = [line for line in self._lines() if _step_of(line) < purge_step] if purge_step else []
        with new_file(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds an entry. What is not finite becomes null, which JSON has instead.

        Raises:
            OSError: the disk refuses.
        """
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **plain}) + "\n")


def _step_of(line: str) -> float:
    """The step of an entry; infinite for a line that was cut short."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
