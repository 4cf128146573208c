"""Damaged files through `benchmarks/hostile.py`, which runs `infer.py` on each in a process of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import hostile as damaged
import hostile_films
import numpy as np
import pytest
from pictures import smooth
from tiny import write_bank

import stylebank

ROOT = Path(stylebank.__file__).parents[1]
PICTURES, FILMS = 12, 4

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no fork servers")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "hostile.py", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_no_damaged_file_does_harm(tmp_path: Path) -> None:
    for kind, make, count in (("pictures", damaged.picture, PICTURES), ("films", hostile_films.film, FILMS)):
        (tmp_path / kind).mkdir()
        for seed in range(count):
            made = make(tmp_path, np.random.default_rng([15, seed]))
            made.rename(tmp_path / kind / f"{seed}{made.suffix}")
    smooth(40, 30).save(tmp_path / "pictures" / "whole.png")
    bank = write_bank(tmp_path / "bank", "wave")
    done = run("--pictures", tmp_path / "pictures", "--films", tmp_path / "films", "--bank", bank, "--size", "16")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line[:36].strip(): int(line[36:43]) for line in done.stdout.splitlines()[2:]}
    assert set(rows) == {"written, opens with the right size", "refused in one sentence"}
    assert sum(rows.values()) == PICTURES + FILMS + 1
    assert min(rows.values()) > 1


def test_a_run_that_takes_too_long_is_bad_and_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    os.mkfifo(tmp_path / "pictures" / "pipe")  # no regular file, and left alone
    smooth(40, 30).save(tmp_path / "pictures" / "whole.png")
    bank = write_bank(tmp_path / "bank", "wave")
    done = run("--pictures", tmp_path / "pictures", "--bank", bank, "--timeout", "0.001")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "timed out: " + str(tmp_path / "pictures" / "whole.png") in done.stdout


@pytest.fixture
def case_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("hostile_case")


BUG = "Error: This is a bug in StyleBank: KeyError: 'x'. --verbose shows where; please report it with that."


@pytest.mark.parametrize(
    ("code", "said", "left", "kind"),
    [
        (0, "Stylized 1 of 1", {"out/made.png": (24, 16)}, "written, opens with the right size"),
        (0, "Stylized 1 of 1", {"out/made.png": (16, 24)}, "wrong size"),
        (0, "Stylized 1 of 1", {"out/made.png": b"no picture"}, "wrote what does not open"),
        (0, "Stylized 1 of 1", {}, "half-written file"),
        (0, "Stylized 1 of 1", {"out/made.png": (24, 16), "out/.made.png.1.tmp": b""}, "half-written file"),
        (0, "Stylized 1 of 1", {"out/made.png": (24, 16), "work/more": b""}, "wrote outside its output"),
        (1, "Error: it is damaged.", {"beside": b""}, "wrote outside its output"),
        (1, "Error: it is damaged.", {}, "refused in one sentence"),
        (2, "usage: infer.py\ninfer.py: error: --size is no number", {}, "refused in one sentence"),
        (1, "Error: it is damaged.", {"out/made.partial.mp4": b""}, "refused in one sentence"),
        (1, "Error: it is damaged.", {"out/made.png": (24, 16)}, "half-written file"),
        (1, "Error: one.\nError: two.", {}, "refused without one sentence"),
        (3, "Error: one.", {}, "refused without one sentence"),
        (1, "", {}, "refused without one sentence"),
        (1, "Error: 'a' does not fit into memory; give a --tile.", {}, "memory ran out"),
        (1, BUG, {}, "traceback, or 'This is a bug'"),
        (1, "Traceback (most recent call last):\n  ...\nKeyError", {}, "traceback, or 'This is a bug'"),
        (-9, "", {}, "crashed or was killed (signal 9)"),
        (None, "", {}, "timed out"),
    ],
)
def test_runs_are_judged_by_what_they_leave(
    tmp_path: Path, case_module: ModuleType, code: int | None, said: str, left: dict[str, object], kind: str
) -> None:
    source = tmp_path / "source.png"
    smooth(36, 24).save(source)
    ground = tmp_path / "ground"
    for name in ("out", "work", "tmp"):
        (ground / name).mkdir(parents=True)
    (ground / "log").write_text(said)
    for name, content in left.items():
        if isinstance(content, tuple):
            smooth(*content).save(ground / name)
        else:
            (ground / name).write_bytes(content)
    case = case_module.Case(source, source, "png", False, "bank", "wave", 16, 40.0)
    assert case_module.judged(case, ground, code, 1.0, changed=False).kind == kind
    assert case_module.judged(case, ground, code, 1.0, changed=True).kind == "changed its source, or wrote beside it"
