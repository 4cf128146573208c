"""A run's folder: resolved configuration, environment, bank, training state, previews, log and report."""

from __future__ import annotations

import glob
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylebank.config import Config
from stylebank.config_files import dump_config
from stylebank.device import environment
from stylebank.errors import TrainingError
from stylebank.files import new_file


@dataclass
class RunFolder:
    """Where the parts of a run lie under its folder."""

    path: Path
    bank_path: Path | None = None
    """Where the bank goes if not to `path/bank`."""

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def state_file(self) -> Path:
        """Weights, optimizers and step: all that resuming needs."""
        return self.path / "state.pt"

    @property
    def bank(self) -> Path:
        """The bank as of the last checkpoint."""
        return self.bank_path or self.path / "bank"

    @property
    def best(self) -> Path:
        """The bank that did best on held-out photographs so far, where they are looked at (`train.validate_every`)."""
        return self.path / "best"

    def create(self, config: Config, task: dict[str, Any]) -> None:
        """Starts a new run here: writes environment, configuration and, last, what was asked for.

        Raises:
            TrainingError: the folder already holds something.
        """
        if self.path.exists() and (not self.path.is_dir() or self._holds_something()):
            raise TrainingError(f"{self.path} is not empty; choose another --out or move it, or go on with --resume.")
        self._write_json("environment.json", environment())
        self._write(self.config_file, dump_config(config))
        self._write_json("task.json", task)

    def _holds_something(self) -> bool:
        """Whether there is more than a start that was cut short: `task.json` is its last file."""
        names = {path.name for path in self.path.iterdir() if path not in self._leftovers()}
        return names not in (set(), {"environment.json"}, {"environment.json", "config.yaml"})

    @property
    def begun(self) -> bool:
        """Whether a run was created here."""
        return (self.path / "task.json").is_file()

    @property
    def saved(self) -> bool:
        """Whether the run has come to a checkpoint; if not, it can only begin anew."""
        return self.state_file.exists() or self.bank.exists()

    def clear(self) -> None:
        """Removes what a killed process had half written."""
        for path in self._leftovers():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _leftovers(self) -> list[Path]:
        """Files and folders under the temporary names of `files`."""
        folders = (self.path, self.path / "previews")
        found = [path for folder in folders for path in folder.glob(f".*.{'[0-9a-f]' * 8}.tmp")]
        return [*found, *self.bank.parent.glob(f".{glob.escape(self.bank.name)}.{'[0-9a-f]' * 8}.tmp")]

    def task(self) -> dict[str, Any]:
        """What was asked for when the run was created.

        Raises:
            TrainingError: this is not a run folder.
        """
        try:
            task = json.loads((self.path / "task.json").read_text(encoding="utf-8"))
            asked = {key: task[key] for key in ("bank", "add_style", "names")}
            return {**asked, "start": task.get("start", "identity")}  # which older runs do not say
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{self.path} is not a run folder that can be resumed: it has no valid task.json."
            ) from error

    def write_config(self, config: Config) -> None:
        """Replaces the resolved configuration (a resumed run may change some of it)."""
        self._write(self.config_file, dump_config(config))

    def write_report(self, report: dict[str, Any]) -> Path:
        """Writes `report.json` and returns its path."""
        return self._write_json("report.json", report)

    def last_report(self) -> dict[str, Any]:
        """The report as last written; empty if there is none that can be read."""
        try:
            report = json.loads((self.path / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return report if isinstance(report, dict) else {}

    def _write_json(self, name: str, value: dict[str, Any]) -> Path:
        return self._write(self.path / name, json.dumps(value, indent=2, default=str) + "\n")

    @staticmethod
    def _write(path: Path, text: str) -> Path:
        with new_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path
