"""The report as files: Markdown, JSON and the figure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylebank.device import environment
from stylebank.errors import ConfigError
from stylebank.evaluation.choices import FIGURE, JSON, MEANS, OUTPUTS, REPORT
from stylebank.evaluation.evaluation import Evaluation
from stylebank.evaluation.figure import draw
from stylebank.evaluation.report import markdown
from stylebank.evaluation.result import Result
from stylebank.evaluation.targets import Style
from stylebank.files import new_file, write_csv


def check_new(folder: Path, overwrite: bool) -> None:
    """Raises ConfigError if a folder has a report that may not be replaced."""
    if (folder / REPORT).exists() and not overwrite:
        raise ConfigError(f"{folder / REPORT} exists; pass --overwrite to replace it, or choose another --out.")


def write_report(
    name: str, evaluation: Evaluation, result: Result, notes: Sequence[str], folder: Path
) -> tuple[str, dict[str, Any]]:
    """Writes everything to a folder and returns the Markdown, and what the JSON says.

    Args:
        name: what the outputs' maker is called.

    Raises:
        StyleBankError: a file cannot be written.
    """
    report = {"about": about(name, evaluation, notes), **result.as_json()}
    text = markdown(report)
    if result.courses:
        draw(result, evaluation.machine.clock.name, folder / FIGURE)
    with new_file(folder / JSON) as temporary:
        temporary.write_text(json.dumps(_plain(report), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    means = [
        {"size": size, "style": style, "picture": kind, **row}
        for size, styles in report["means"].items()
        for style, kinds in styles.items()
        for kind, row in kinds.items()
    ]
    outputs = [
        {**{key: pair[key] for key in ("size", "style", "photograph")}, **pair["output"]} for pair in report["pairs"]
    ]
    write_csv(folder / MEANS, means)
    write_csv(folder / OUTPUTS, outputs)
    with new_file(folder / REPORT) as temporary:  # last: where it is, everything is
        temporary.write_text(text, encoding="utf-8")
    return text, report


def about(name: str, evaluation: Evaluation, notes: Sequence[str]) -> dict[str, Any]:
    """What was evaluated, how, and on what."""
    clock, styles, design = evaluation.machine.clock, evaluation.styles, evaluation.design
    paintings = ", ".join(str(size) for size in sorted({style.size for style in styles}))
    summary = (
        f"Paintings at short side {paintings}, {styles[0].objective.config.network.upper()}; "
        f"{str(evaluation.machine.dtype).removeprefix('torch.')} on {evaluation.machine.device}, times in {clock.name}."
    )
    return {
        "name": name,
        "summary": summary,
        "notes": list(notes),
        "photographs": [file.name for file in evaluation.files],
        "styles": {style.name: _settings(style) for style in styles},
        "sizes": {str(size or "that of the outputs"): count for size, count in design.sizes.items()},
        "iterations": design.table,
        "pairs_per_photograph": design.pairs_per_photograph,
        "long_pairs": design.long_pairs,
        "clock": clock.name,
        "environment": environment(),
    }


def _settings(style: Style) -> dict[str, Any]:
    config = style.objective.config.model_dump(mode="json")
    return {"style_size": style.size, "style_side": style.side, "source_sha256": style.source.sha256(), **config}


def _plain(value: Any) -> Any:
    """JSON has no number for infinity: None stands for it."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
