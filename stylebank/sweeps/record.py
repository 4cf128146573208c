"""What is known of every run of a study, and the file it is kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from stylebank.errors import ConfigError
from stylebank.files import new_file
from stylebank.sweeps.grid import Cell, Tree
from stylebank.sweeps.names import JSON
from stylebank.training.run_folder import RunFolder

RUNS = "runs"
MEASURES = ("identity_psnr", "style_gap_closed", "style_gap_closed_min", "content_distance", "seconds")


class Entry(BaseModel):
    """One run: what was varied, how far it came, and what was measured on photographs it did not train on."""

    name: str
    values: dict[str, Any]
    state: Literal["waiting", "stopped", "done", "failed"] = "waiting"
    error: str = ""
    """Why it failed, one sentence."""
    steps: int = 0
    seconds: float = 0.0
    """Of training, without measuring."""
    metrics: dict[str, Any] = {}
    """As in the run's `report.json`."""

    @property
    def measures(self) -> dict[str, float]:
        """`MEASURES` of a run that is done, over its styles (mean, and for the style gap also the lowest); else {}."""
        if self.state != "done":
            return {}
        styles = self.metrics["styles"].values()
        gaps, distances = ([row[key] for row in styles] for key in ("style_gap_closed", "content_distance"))
        psnr, count = self.metrics["identity_psnr"], len(gaps)
        numbers = (psnr, sum(gaps) / count, min(gaps), sum(distances) / count, self.seconds)
        return dict(zip(MEASURES, numbers, strict=True))


class _File(BaseModel):
    """`study.json`."""

    format: Literal[1] = 1
    keys: list[str]
    base: Tree
    """The configuration without the varied keys."""
    runs: list[Entry]


class Study:
    """All runs in a study's folder, those of earlier grids over the same keys included.

    Raises:
        ConfigError: the folder holds something else, or a study of other keys or with other settings.
    """

    def __init__(self, folder: Path, cells: Sequence[Cell]) -> None:
        self.folder = folder
        self.keys, self.base = list(cells[0].values), cells[0].base
        known = {entry.name: entry for entry in self._earlier()}
        for cell in cells:
            known[cell.name] = self._look(cell, known.get(cell.name))
        self.entries = {entry.name: entry for entry in self._in_order(list(known.values()))}

    def run_folder(self, name: str) -> RunFolder:
        """Where a run lies."""
        return RunFolder(self.folder / RUNS / name)

    def finished(self) -> list[Entry]:
        """The runs that were trained to the end and measured."""
        return [entry for entry in self.entries.values() if entry.state == "done"]

    def save(self) -> None:
        """Writes `study.json`."""
        file = _File(keys=self.keys, base=self.base, runs=list(self.entries.values()))
        with new_file(self.folder / JSON) as temporary:
            temporary.write_text(file.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def update(self, name: str, error: str = "") -> Entry:
        """Looks at a run's folder again; `error` says why it failed, if it did."""
        self.entries[name] = self._seen(self.entries[name].values, name, error)
        return self.entries[name]

    def _look(self, cell: Cell, before: Entry | None) -> Entry:
        return self._seen(cell.values, cell.name, before.error if before else "")

    def _seen(self, values: dict[str, Any], name: str, error: str) -> Entry:
        folder = self.run_folder(name)
        report = folder.last_report()
        entry = Entry(name=name, values=values, steps=report.get("steps", 0), seconds=report.get("seconds", 0.0))
        metrics = report.get("metrics") or {}
        if metrics and entry.steps == report.get("of"):
            return entry.model_copy(update={"state": "done", "metrics": metrics})
        if error:
            return entry.model_copy(update={"state": "failed", "error": error})
        return entry.model_copy(update={"state": "stopped"}) if folder.begun else entry

    def _earlier(self) -> list[Entry]:
        path = self.folder / JSON
        if not path.is_file():
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise ConfigError(f"{self.folder} is not empty and holds no study; choose another --out.")
            return []
        try:
            file = _File.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is damaged or of another version; move it away to make it anew.") from error
        if file.keys != self.keys:
            raise ConfigError(
                f"{self.folder} holds a study of {', '.join(file.keys)}, this one is of {', '.join(self.keys)}; "
                "choose another --out."
            )
        if different := _differences(file.base, self.base):
            text = ", ".join(f"{key} is {there!r} there and {here!r} here" for key, there, here in different)
            raise ConfigError(f"{self.folder} holds a study with other settings: {text}; choose another --out.")
        return file.runs

    def _in_order(self, entries: Sequence[Entry]) -> list[Entry]:
        """As in a full grid, the last key changing fastest; numbers ascend, other values come as first given."""
        orders = {key: _ordered([entry.values[key] for entry in entries]) for key in self.keys}
        return sorted(entries, key=lambda entry: [orders[key].index(repr(entry.values[key])) for key in self.keys])


def _ordered(values: Sequence[Any]) -> list[str]:
    """Different values as texts: numbers by size, others by appearance."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        values = sorted(values)
    return list(dict.fromkeys(map(repr, values)))


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], place: str = "") -> list[tuple[str, Any, Any]]:
    """Keys whose values differ, with both values; a key that only one version of the program has is passed over."""
    found: list[tuple[str, Any, Any]] = []
    for key in there.keys() & here.keys():
        one, other = there[key], here[key]
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other, f"{place}{key}.")
        elif one != other:
            found.append((f"{place}{key}", one, other))
    return sorted(found, key=lambda difference: difference[0])
