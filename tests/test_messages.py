"""What is said when something fails: one sentence, the exit code, and with --verbose where it happened."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import fail, paint, run, succeed, write_bank

from stylebank.cli import messages
from stylebank.cli.demo import command as demo
from stylebank.errors import ConfigError
from stylebank.inference.stylizer import Stylizer

ROOT = Path(__file__).parents[1]


@pytest.fixture
def stylize(tmp_path: Path) -> list[object]:
    bank, photos = write_bank(tmp_path / "bank", "calm"), paint(tmp_path / "photos", "one", "two")
    command = ["stylize", "--bank", bank, "--style", "calm", "--input", photos, "--output", tmp_path / "out"]
    return [*command, "--precision", "float32"]


def test_without_the_flag_there_is_one_sentence_and_with_it_the_traceback_too(
    stylize: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = fail(capsys, *stylize, "--alpha", 7)
    assert run(*stylize, "--alpha", 7, "--verbose") == 1
    error = capsys.readouterr().err
    assert "Where it was raised:\nTraceback (most recent call last):" in error
    assert error.startswith(f"Bank {stylize[2]}: 1 styles, on ")
    assert "cli/stylize/" in error
    assert error.endswith(f"{sentence}\n")
    assert fail(capsys, *stylize, "--alpha", 7) == sentence  # nothing is left of it
    assert logging.getLogger("stylebank").handlers == []


def test_files_that_fail_on_their_own_have_tracebacks_too(
    stylize: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos" / "one.png").write_bytes(b"no picture")
    assert run(*stylize, "--verbose") == 1
    error = capsys.readouterr().err
    assert "UnidentifiedImageError" in error
    assert error.count("\nError: '") == 1
    assert (tmp_path / "out" / "two.png").exists()


@pytest.mark.parametrize("before", [True, False])
def test_the_flag_may_stand_before_the_command_and_after(before: bool, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bank", "show", "nowhere"]
    assert run(*(["--verbose", *command] if before else [*command, "--verbose"])) == 1
    assert "Traceback" in capsys.readouterr().err
    assert "Traceback" not in fail(capsys, *command)


def test_a_bug_is_called_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(options: object) -> int:
        raise KeyError("no such\nthing")

    monkeypatch.setattr(demo, "run", broken)
    sentence = fail(capsys, "demo", mentions=[messages.BUG, "KeyError: ", "no such", "--verbose"])
    assert "Process" not in sentence
    assert run("demo", "--verbose") == 1
    assert "in broken" in capsys.readouterr().err


def test_of_several_processes_it_says_which_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"RANK": "3", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert messages.sentence(ZeroDivisionError("by zero")).startswith(f"Process 3: {messages.BUG} ZeroDivisionError")
    assert messages.sentence(ConfigError("Wrong.")) == "Wrong."


def test_too_little_memory_is_no_bug(
    stylize: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert messages.out_of_memory(caught.value)
    assert not messages.out_of_memory(RuntimeError("shapes differ"))

    def full(*_: object) -> None:
        raise caught.value

    monkeypatch.setattr(Stylizer, "encode", full)
    assert run(*stylize) == 1
    error = capsys.readouterr().err
    assert error.count("does not fit into memory") == 2
    monkeypatch.setattr(Stylizer, "load", full)
    fail(capsys, *stylize, mentions=["Out of memory"])


@pytest.mark.skipif(os.name == "nt", reason="torchrun with gloo is for Linux and macOS")
def test_torchrun_has_the_sentence_and_the_code(stylize: list[object], tmp_path: Path) -> None:
    """A bug in one of two processes."""
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import os, sys\n"
        "from stylebank.cli import main\nfrom stylebank.cli.stylize import work\n"
        "def plan(*arguments, **options): raise KeyError('gone')\n"
        "if os.environ['RANK'] == '1': work.plan = plan\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", broken]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [str(word) for word in (*start, *stylize, "--device", "cpu")]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)
    assert ended.returncode == 1
    assert f"Error: Process 1: {messages.BUG} KeyError: 'gone'." in ended.stderr


def test_help_names_both_flags(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train"], ["bank", "show"], ["study"], []):
        with pytest.raises(SystemExit):
            succeed(capsys, *command, "--help")
        printed = capsys.readouterr().out
        assert "--verbose" in printed
        assert "--max-megapixels" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bank", "x" * 300],
        ["--bank", "/"],
        ["--input", "x" * 300],
        ["--output", f"{'x' * 300}.png"],
        ["--mask", f"calm={'x' * 300}.png"],
        ["--regions", "kmeans:2", "--show-regions", f"{'x' * 300}.png"],
        ["--label-map", f"{'x' * 300}.png", "--assign", "0=calm"],
        ["--feather", "1e300", "--mask", "calm=mask.png"],
        ["--tile", "0"],
        ["--regions", "kmeans:2", "--assign", "0=calm", "--seed", "-1"],
    ],
)
def test_ordinary_mistakes_are_no_bugs(
    stylize: list[object], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A later option stands in for an earlier one."""
    try:
        code = run(*stylize, *arguments)
    except SystemExit as error:  # argparse's own
        code = int(str(error.code))
    error = capsys.readouterr().err
    assert code in (1, 2)
    assert messages.BUG not in error
    assert "Traceback" not in error
    assert len([line for line in error.splitlines() if "rror:" in line]) == 1
    assert len(error) < 3000


@pytest.mark.parametrize("key", ["data.content", "data.styles"])
@pytest.mark.parametrize("name", ["x" * 300, "\udcff\udc80", "a/" * 3000])
def test_names_that_no_file_can_have_are_told(key: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--out", "run", "--set", f"{key}={json.dumps(name)}") == 1
    error = capsys.readouterr().err
    assert messages.BUG not in error
    assert error.count("Error:") == 1
