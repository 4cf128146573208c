"""The loss network on the command line: the one that comes with the program, and files of the other one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from conftest import write_vgg
from tiny import config_file, fail, paint, succeed

from stylebank.config_files import load_config
from stylebank.device import import_torchvision
from stylebank.losses.weights import WEIGHTS_VARIABLE
from stylebank.optimize import PRESETS
from stylebank.optimize.presets import with_network
from stylebank.shipped import VGG19

Capture = pytest.CaptureFixture[str]
SAID = "holds vgg16: used as that, instead of vgg19."


@pytest.fixture(scope="module", autouse=True)
def _offline() -> None:
    """Held-out photographs at 32 pixels, and no download."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
        for weights in (import_torchvision().models.VGG16_Weights, import_torchvision().models.VGG19_Weights):
            patch.setattr(weights, "get_state_dict", _no_connection)
        yield


def _no_connection(*_: object, **__: object) -> None:
    raise OSError("no route to host")


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights up to relu4_2, as far as measuring goes."""
    return write_vgg(tmp_path_factory.mktemp("weights") / "vgg16.safetensors", "vgg16")


@pytest.fixture
def inputs(tmp_path: Path, photos: Path) -> list[object]:
    """The end of a command that trains or measures, but for --out."""
    return ["--content", photos, "--styles", paint(tmp_path / "styles", "calm", "storm")]


def test_training_measuring_and_adding_need_no_flag(tmp_path: Path, inputs: list[object], capsys: Capture) -> None:
    bank = tmp_path / "run"
    succeed(capsys, "train", "--config", config_file(tmp_path / "tiny.yaml"), *inputs, "--out", bank)
    text = succeed(capsys, "bank", "verify", bank, *inputs)
    assert "numbers agree" in text
    more = ["--set", "train.steps=2", "train.small_crop_steps=0", "data.held_out=0", "data.min_side=16"]
    painting = next(paint(tmp_path / "more", "new").iterdir())
    succeed(capsys, "train", "--bank", bank, "--add-style", painting, *inputs[:2], "--out", tmp_path / "two", *more)
    succeed(
        capsys, "evaluate", "--bank", tmp_path / "two", *inputs, "--sizes", 64, "--no-optimization",
        "--limit", 1, "--out", tmp_path / "report",
    )  # fmt: skip


def test_a_configuration_that_wants_vgg16_names_the_way_without_a_download(
    tmp_path: Path, inputs: list[object], photos: Path, capsys: Capture
) -> None:
    wanted = ["--set", "loss.network=vgg16", "--out", tmp_path / "run"]
    mentions = ["vgg16", "no route to host", "--network vgg19", "loss.network: vgg19", "no download"]
    fail(capsys, "train", "--config", config_file(tmp_path / "tiny.yaml"), *inputs, *wanted, mentions=mentions)
    fail(
        capsys, "optimize", "--preset", "normalized", "--content", photos / "disc.jpg", "--iterations", 1, "--size", 32,
        "--style", photos / "waves.jpg", "--output", tmp_path / "out.png", mentions=mentions,
    )  # fmt: skip
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "out.png").exists()


def test_a_run_on_a_file_of_the_other_network_says_so_and_writes_it_down(
    tmp_path: Path, inputs: list[object], vgg16: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    run = tmp_path / "run"
    command = ["train", "--config", config_file(tmp_path / "tiny.yaml"), *inputs, "--out", run]
    assert f"{vgg16} {SAID}" in succeed(capsys, *command, "--loss-weights", vgg16)
    assert load_config(run / "config.yaml").loss.network == "vgg16"
    record = json.loads((run / "bank" / "styles" / "calm.json").read_text())
    assert record["settings"]["loss"]["network"] == "vgg16"
    measure = ["bank", "verify", run, *inputs]
    assert "numbers agree" in succeed(capsys, *measure, "--loss-weights", vgg16)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(VGG19))  # its numbers would be others
    fail(capsys, *measure, mentions=[VGG19, "holds vgg19", "vgg16 is needed"])
    report = ["--no-optimization", "--out", tmp_path / "report"]
    fail(capsys, "evaluate", "--bank", run, *inputs, *report, mentions=[VGG19, "holds vgg19", "vgg16 is needed"])


def test_a_study_runs_on_the_network_given_unless_it_is_about_networks(
    tmp_path: Path, inputs: list[object], vgg16: Path, capsys: Capture
) -> None:
    study = ["study", "--config", config_file(tmp_path / "tiny.yaml"), *inputs, "--loss-weights", vgg16]
    study += ["--set", "train.steps=3", "--out", tmp_path / "study"]
    fail(capsys, *study, "--vary", "loss.network=vgg16,vgg19", mentions=["holds vgg16", "vgg19 is needed"])
    assert SAID in succeed(capsys, *study, "--vary", "train.lr=0.001", "--seeds", 0)
    configs = list((tmp_path / "study").rglob("config.yaml"))
    assert [load_config(file).loss.network for file in configs] == ["vgg16"]


def test_a_preset_is_carried_over_to_the_network_given(tmp_path: Path, photos: Path, capsys: Capture) -> None:
    text = succeed(
        capsys, "optimize", "--preset", "normalized", "--content", photos / "disc.jpg", "--iterations", 1, "--size", 32,
        "--style", photos / "waves.jpg", "--output", tmp_path / "out.png", "--loss-weights", VGG19,
    )  # fmt: skip
    assert f"{VGG19} holds vgg19: used as that, instead of vgg16." in text


def test_outputs_are_measured_on_the_network_given(
    tmp_path: Path, inputs: list[object], photos: Path, vgg16: Path, capsys: Capture
) -> None:
    for style in ("calm", "storm"):
        paint(tmp_path / "outputs" / style, "disc", size=(96, 80))
    rest = ["--content", photos / "disc.jpg", *inputs[2:], "--style-size", 32, "--no-optimization"]
    command = ["evaluate", "--outputs", tmp_path / "outputs", *rest, "--loss-weights", vgg16]
    succeed(capsys, *command, "--out", tmp_path / "report")
    assert "VGG16" in next((tmp_path / "report").glob("*.md")).read_text()
    fail(capsys, *command, "--network", "vgg19", "--out", tmp_path / "other", mentions=["holds vgg16"])


def test_layers_that_were_chosen_stay_on_another_network() -> None:
    chosen = dataclasses.replace(PRESETS["normalized"], style_layers={"relu1_1": 1.0}, iterations=3)
    changed = with_network(chosen, "vgg19")
    assert changed.style_layers == {"relu1_1": 1.0}
    assert list(changed.content_layers) == ["relu3_1"]
    whole = with_network(PRESETS["normalized"], "vgg19")
    assert len(whole.style_layers) == 13
    assert list(whole.style_layers)[-1] == "relu5_1"
    assert with_network(whole, "vgg16") == PRESETS["normalized"]
