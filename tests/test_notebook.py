"""The notebook's cells run one after the other, in fewer and smaller steps than it has."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import stylebank

NOTEBOOK = Path(stylebank.__file__).parents[1] / "docs" / "tour.ipynb"
QUICKER = {"SIDE = 384": "SIDE = 48", "STEPS = 300": "STEPS = 2", '"crop_size": 128': '"crop_size": 32'}


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown_by(cell: str, names: dict[str, Any]) -> Any:
    """Runs a cell and returns the value of its last expression, which a notebook would show."""
    *statements, last = ast.parse(cell).body
    assert isinstance(last, ast.Expr), "every cell ends with what it shows"
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_cells_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
    names: dict[str, Any] = {}
    text = "\0".join(cells())
    for whole, quick in QUICKER.items():
        assert text.count(whole) == 1
        text = text.replace(whole, quick)
    shown = [shown_by(cell, names) for cell in text.split("\0")]
    assert "starry_night" in shown[0]
    pictures = [value for value in shown if isinstance(value, Image.Image)]
    assert len(pictures) == 8
    assert len({picture.tobytes() for picture in pictures}) == 8
    assert {picture.size for picture in pictures} == {pictures[0].size}
    assert shown[-2]["mosaic"]["style_gap_closed"] < 1


def test_it_is_stored_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])
