"""`stylebank doctor`: what it finds, what it calls off, and that its work is real work."""

from __future__ import annotations

import copy
import os
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny import fail, run, succeed

from stylebank.doctor import inference, machine, pictures, training, trial, work
from stylebank.doctor.finding import Finding, Off, row
from stylebank.doctor.trial import Trial
from stylebank.losses.weights import WEIGHTS_VARIABLE

CPU = torch.device("cpu")
Capture = pytest.CaptureFixture[str]


def rows(text: str) -> dict[str, str]:
    """Check -> state of a printed table."""
    lines = [line for line in text.splitlines() if line.startswith(("ok ", "note ", "off "))]
    return {line[15:35].strip(): line.split()[0] for line in lines}


# --------------------------------------------------------------------------------------------------- the machine


def test_it_knows_every_extra_that_users_install() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert set(machine.EXTRAS.values()) == set(extras) - {"docs", "test", "page-test", "dev"}
    for package, extra in machine.EXTRAS.items():
        assert [need for need in extras[extra] if need.startswith(f"{package}>")], f"{extra} does not bring {package}"


def test_it_tells_what_there_is(capsys: Capture) -> None:
    text = succeed(capsys, "doctor", "--device", "cpu")
    found = rows(text)
    for check in ("Python", "packages", "processor", "device", "precision float32", "memory of cpu", "disk", "bank"):
        assert found[check] == "ok", text
    assert found["precision float16"] == "note"
    assert f"torch {torch.__version__}" in text
    assert "14 styles" in text
    assert "libx264" in text
    assert "Work on" not in text
    assert f"Nothing of {len(found)} checks is off." in text


def off(capsys: Capture, *arguments: object) -> dict[str, str]:
    """The states of a table in which something is off."""
    code = run("doctor", "--device", "cpu", *arguments)
    text = capsys.readouterr().out
    assert code == 1, text
    return {check: state for check, state in rows(text).items() if state == "off"}


def test_a_bank_that_is_damaged_or_not_there_is_off(tmp_path: Path, capsys: Capture) -> None:
    assert off(capsys, "--bank", tmp_path / "nowhere").keys() == {"bank"}


def test_weights_that_are_not_there_are_off(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "nowhere.safetensors"))
    assert off(capsys).keys() == {"loss network"}


def test_too_little_memory_is_off(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda _: 10**8)
    assert off(capsys).keys() == {"memory of cpu"}


def test_an_ffmpeg_without_the_usual_encoders_is_off(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_available", lambda name: name != "libx264")
    assert off(capsys).keys() == {"codecs"}


def test_a_device_that_computes_something_else_is_off(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    conv2d = torch.nn.functional.conv2d

    def _wrong(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return conv2d(x, kernel) * (1.1 if x.dtype == torch.bfloat16 else 1.0)

    monkeypatch.setattr(machine.F, "conv2d", _wrong)
    assert off(capsys).keys() == {"precision bfloat16"}


def test_an_unknown_device_is_refused(capsys: Capture) -> None:
    fail(capsys, "doctor", "--device", "abacus", mentions=["abacus", "cpu"])


def test_rows_are_columns() -> None:
    assert row(Finding("film", "12 frames", "ok", 1.25), 6) == "ok      1.2 s  film    12 frames"
    assert row(Finding("bank", "none", "off"), 6) == "off            bank    none"


# ------------------------------------------------------------------------------------------------------- the work


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """All the work with fewer and smaller steps, in a folder of which nothing may stay."""
    shorter = {"steps_per_cycle": 2, "identity_pretrain_steps": 2, "batch_size": 2, "crop_size": 32, "log_every": 1}
    tiny, speed = copy.deepcopy(dict(trial.TINY)), copy.deepcopy(dict(training.SPEED))
    monkeypatch.setattr(
        training, "TINY", {**tiny, "data": {**tiny["data"], "workers": 0}, "train": {**tiny["train"], **shorter}}
    )
    monkeypatch.setattr(
        training,
        "SPEED",
        {
            "model": tiny["model"],
            "loss": tiny["loss"],
            "data": {**speed["data"], "style_size": 32, "content_size": 40, "workers": 0},
            "train": {**speed["train"], "batch_size": 2, "crop_size": 32},
        },
    )
    monkeypatch.setattr(training, "STEPS", 2)
    monkeypatch.setattr(pictures, "ITERATIONS", 2)
    monkeypatch.setattr(pictures, "FRAMES", 4)
    monkeypatch.setattr(inference, "SIDE", 64)
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
    monkeypatch.setattr(torch, "compile", lambda module: module)  # a minute's work; what it comes to is looked at below
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.glob("stylebank-doctor-*"))


@pytest.mark.usefixtures("small")
def test_all_the_work_is_done_and_right(capsys: Capture) -> None:
    text = succeed(capsys, "doctor", "--run", "--device", "cpu")
    found = text.split("Work on cpu:\n")[1].splitlines()
    for line, check in zip(found, work.CHECKS, strict=False):
        only_gpus = check in ("training in float16", "steps that do not wait")
        assert line.startswith("note " if only_gpus else "ok "), line
        assert check in line
        assert " s  " in line[:15]
    assert "images/s" in text
    assert "forward" in text
    assert "bfloat16" in text.split("number formats")[1].splitlines()[0]


@pytest.mark.usefixtures("small")
def test_work_goes_on_after_what_fails(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Trial) -> str:
        raise ValueError("no\nsuch thing")

    def lacking(_: Trial) -> str:
        raise NotImplementedError("no compiler")

    checks = {"training": broken, "mixing": inference.mixtures, "compiling": lacking}
    monkeypatch.setattr(work, "CHECKS", checks)
    found = list(work.try_work(CPU))
    assert [finding.state for finding in found] == ["off", "off", "note"]
    assert found[0].result.startswith("ValueError: no such thing (test_doctor.py, line")
    assert "not tried" in found[1].result
    assert run("doctor", "--run", "--device", "cpu") == 1
    assert "2 of" in capsys.readouterr().out


@pytest.mark.usefixtures("small")
def test_stopped_it_leaves_nothing(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_: Trial) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "CHECKS", {"training": stopped})
    assert run("doctor", "--run", "--device", "cpu") == 130
    assert "Interrupted" in capsys.readouterr().err


@pytest.fixture
def trained(tmp_path: Path, small: None) -> Trial:
    place = tmp_path / "trial"
    place.mkdir()
    made = Trial(CPU, place)
    training.identity_branch(made)
    return made


def test_outputs_that_differ_are_off(trained: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "LEVELS", dict.fromkeys(inference.LEVELS, -1.0))
    monkeypatch.setattr(inference, "SAME", -1.0)
    for check in (inference.formats, inference.mixtures, inference.regions, inference.tiles, inference.compiled):
        with pytest.raises(Off, match="levels of 255"):
            check(trained)


def test_a_compiler_that_is_not_there_is_no_fault(trained: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    def _compile(module: object) -> object:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found in ['g++']")

    monkeypatch.setattr(torch, "compile", _compile)
    with pytest.raises(NotImplementedError, match=r"train\.compile"):
        inference.compiled(trained)


def test_random_weights_take_the_place_of_those_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "VGG19", tmp_path / "nowhere")
    file = Trial(CPU, tmp_path).weights
    assert file is not None
    assert machine.load_loss_network("vgg19", ["relu4_2"], weights=file)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_does_all_the_work() -> None:
    device = torch.device(os.environ.get("STYLEBANK_TEST_DEVICE", "cuda"))
    found = [*machine.look_at_machine(device, None), *work.try_work(device)]
    print(*(row(finding, 24) for finding in found), sep="\n")  # with -s, for who wants the speeds
    assert [finding for finding in found if finding.state == "off"] == []
