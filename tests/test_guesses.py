"""Names that are not there get the question whether a similar one was meant; who painted what is listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import fail, paint, run, succeed, write_bank

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write_bank(tmp_path / "bank", "calm", "storm")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return paint(tmp_path / "pictures", "one")


@pytest.mark.parametrize(
    ("asked", "meant"), [("clam", "calm"), ("Calm", "calm"), ("the calm", "calm"), ("sto", "storm"), ("xyz", None)]
)
def test_a_style_that_is_not_there_gets_a_guess(
    asked: str, meant: str | None, bank: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("stylize", "--bank", bank, "--input", pictures, "--output", tmp_path / "out", "--style", asked)
    sentence = fail(capsys, *command, mentions=["no style"])
    assert sentence.endswith(f"Did you mean '{meant}'?") if meant else "Did you mean" not in sentence


def test_a_bank_that_is_not_there_gets_a_guess(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near = bank.parent / f"{bank.name}s"
    fail(capsys, "stylize", "--bank", near, "--list", mentions=["does not exist", f"Did you mean '{bank}'?"])
    fail(capsys, "bank", "show", near, mentions=[f"Did you mean '{bank}'?"])


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["stylise"], "'stylize'"),
        (["bank", "shwo"], "'show'"),
        (["stylize", "--stroks", "2"], "'--stroke'"),
        (["stylize", "--preserve-colors", "lumma"], "'luma'"),
        (["train", "--sttyles", "x"], "'--styles'"),
        (["stylize", "--zzz"], None),
    ],
)
def test_commands_and_options_that_are_not_there_get_a_guess(
    arguments: list[str], meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.rstrip().endswith(f"Did you mean {meant}?") if meant else "Did you mean" not in error


def test_configuration_keys_that_are_not_there_get_a_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--set", "train.step=3", "loss.zzz=1", "--out", tmp_path / "run") == 1
    wrong = dict(line.strip().split(": ", 1) for line in capsys.readouterr().err.splitlines()[1:])
    assert wrong["train.step"].endswith("Did you mean 'steps'?")
    assert "Did you mean" not in wrong["loss.zzz"]


def test_artists_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = ROOT / "checkpoints" / "stylebank-14"
    assert "Edvard Munch, The Scream (1893)" in succeed(capsys, "bank", "show", shipped)
