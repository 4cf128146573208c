"""Which photographs are evaluated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stylebank.errors import ConfigError


def held_out_by(run: Path) -> list[Path]:
    """The photographs that a training run kept from training, from its report.

    Raises:
        ConfigError: the report cannot be read or lists none.
    """
    report = run / "report.json"
    try:
        files = [Path(text) for text in json.loads(report.read_text(encoding="utf-8"))["held_out"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{report} cannot be read as a run's report with a held_out list ({error!r}).") from error
    if not files:
        raise ConfigError(f"{report} lists no held-out photographs; name some with --content instead.")
    return files


def check_names(files: Sequence[Path]) -> None:
    """Raises ConfigError if two photographs have the same name, by which outputs and reports know them."""
    stems: dict[str, Path] = {}
    for file in files:
        if (other := stems.setdefault(file.stem, file)) != file:
            raise ConfigError(f"{other} and {file} have the same name, so the report could not tell them apart.")
