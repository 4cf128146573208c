"""Hostile input: every file either works or gets one clear sentence, in bounded time and memory.

STYLEBANK_FUZZ_CASES=1000 python -m pytest tests/test_hostile.py     # cases of each kind; 6 unless said
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
import traceback
from collections.abc import Callable
from pathlib import Path

import hostile
import numpy as np
import pytest
import torch
from tiny import files_of, paint, write_bank

from stylebank.cli import main

CASES = int(os.environ.get("STYLEBANK_FUZZ_CASES", "6"))
SECONDS = 60
MEMORY = 3 * 2**30  # bytes of address space beyond what the test itself has

Make = Callable[[Path, np.random.Generator], Path]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a whole bank, photographs, paintings, earlier results, and something that must stay."""
    write_bank(tmp_path / "bank", "calm", "storm")
    paint(tmp_path / "photos", "photo")
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "mine.txt").write_text("mine")
    return tmp_path


def command(kind: str, place: Path, case: Path) -> list[object]:
    network = ["--precision", "float32", "--overwrite"]
    if kind == "configuration":  # without photographs: a configuration that is valid gets no further
        return ["train", "--config", case, "--out", place / "out"]
    if kind == "bank":
        return [
            "stylize",
            "--bank",
            case,
            "--style",
            "all",
            "--input",
            place / "photos",
            "--output",
            place / "out",
            *network,
        ]
    options = ["--preset", "ultrafast"] if kind == "film" else []
    name = "result.mkv" if kind == "film" else "result.png"
    bank, out = place / "bank", place / "out" / name
    return ["stylize", "--bank", bank, "--style", "calm", "--input", case, "--output", out, *network, *options]


def _child(arguments: list[str], result: Path) -> None:
    torch.set_num_threads(1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    errors, code = io.StringIO(), 99
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 99
        except BaseException:  # noqa: BLE001 - what the test is there to find
            traceback.print_exc(file=errors)
    result.write_text(f"{code}\n{errors.getvalue()}", encoding="utf-8")
    os._exit(0)


def outcome(arguments: list[object], result: Path) -> tuple[int, str]:
    """The exit code and what was said on stderr by a command in a process of its own."""
    texts = [str(argument) for argument in arguments]
    process = multiprocessing.get_context("fork").Process(target=_child, args=(texts, result))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        pytest.fail(f"no end after {SECONDS} s: {texts}")
    assert result.exists(), f"died with {process.exitcode}: {texts}"
    code, _, errors = result.read_text(encoding="utf-8").partition("\n")
    return int(code), errors


def check(place: Path, arguments: list[object]) -> None:
    """Runs a command on a hostile file; it works or says one sentence, and touches nothing but its output."""
    before = {name: data for name, data in files_of(place).items() if not name.startswith("out")}
    code, errors = outcome(arguments, place.parent / f"{place.name}.result")
    assert "Traceback" not in errors, errors
    sentences = [line for line in errors.splitlines() if line.startswith("Error: ")]
    if code == 0:
        assert not sentences
    else:
        assert code == 1, errors
        assert len(sentences) == 1, errors
        assert len(sentences[0]) > 20
    after = {name: data for name, data in files_of(place).items() if not name.startswith("out")}
    assert after == before
    leftovers = [name for name in files_of(place) if name.endswith(".tmp")]
    assert not leftovers


@pytest.mark.parametrize("number", range(CASES))
@pytest.mark.parametrize("kind", ["picture", "film", "configuration", "bank"])
def test_a_hostile_file_works_or_gets_one_sentence(place: Path, kind: str, number: int) -> None:
    make: Make = getattr(hostile, kind)
    case = make(place, np.random.default_rng([number, len(kind)]))
    check(place, command(kind, place, case))
    assert not (place / "pwned").exists()


def test_a_picture_that_would_fill_the_memory_is_refused(place: Path) -> None:
    case = hostile.bomb(place)
    check(place, command("picture", place, case))
    assert not (place / "out").exists()
