"""The front doors of the package, used as from a notebook or a service: no command line, no printing."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import refused, write_vgg
from PIL import Image
from tiny import TREE, files_of, paint, write_bank

import stylebank
from stylebank.bank.io import load_bank
from stylebank.errors import BankError, ConfigError, ImageError, StyleBankError
from stylebank.evaluation import evaluation
from stylebank.evaluation.progress import EvaluationProgress
from stylebank.evaluation.request import EvaluationRequest
from stylebank.optimize import PRESETS, Painting
from stylebank.training.hooks import Hooks
from stylebank.training.request import TrainRequest
from stylebank.training.run import TrainResult
from stylebank.training.training_run import TrainingRun


@pytest.fixture
def request_to_train(photos: Path, tmp_path: Path, random_vgg_weights: Path) -> TrainRequest:
    paintings = paint(tmp_path / "paintings", "calm", "storm")
    values = {section: dict(keys) for section, keys in TREE.items()}
    values["data"] |= {"content": photos, "styles": (paintings,), "held_out": 0}
    return TrainRequest(out=tmp_path / "run", overrides=values, device="cpu", loss_weights=random_vgg_weights)


@pytest.fixture
def _quick_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done with plain cards takes long and is tested by itself."""
    row = {"card_style_gap_closed": 0.4321, "halo": 1.23}
    monkeypatch.setattr(evaluation, "measure_cards", lambda painter, style: row)


def test_importing_the_package_is_quick_and_offers_the_doors() -> None:
    """torch takes seconds to import, so nothing does before it is needed."""
    code = "import sys, stylebank; print('torch' in sys.modules, *dir(stylebank))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert printed[0] == "False"
    assert {"Stylizer", "train", "add_style", "evaluate", "optimize_image"} <= set(printed)
    for name in stylebank.__all__:
        assert getattr(stylebank, name)
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        _ = stylebank.stylise


def test_a_bank_is_trained_and_a_style_added_from_a_thread(
    request_to_train: TrainRequest, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[int] = []
    said: list[str] = []

    class Progress(Hooks):
        def step_ends(self, run: TrainingRun) -> None:
            steps.append(run.step)

    results = []

    def work() -> None:
        results.append(stylebank.train(request_to_train, say=said.append, hooks=Progress()))
        added = stylebank.add_style(
            tmp_path / "run",
            [paint(tmp_path / "new", "dawn") / "dawn.png"],
            photos,
            tmp_path / "more",
            names=["sunrise"],
            overrides={"data": {"workers": 0, "held_out": 0}, "train": {"steps": 2, "crop_size": 32}},
            device="cpu",
            loss_weights=request_to_train.loss_weights,
        )
        results.append(added)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    trained, added = results
    assert trained.finished
    assert steps == list(range(1, 9))
    assert "8 photographs" in said[0]
    assert trained.report["steps"] == trained.step == trained.steps == 8
    assert load_bank(trained.bank).model.names == ["calm", "storm"]
    assert added.bank == tmp_path / "more"
    assert load_bank(added.bank).model.names == ["calm", "storm", "sunrise"]
    old, new = files_of(trained.bank), files_of(added.bank)
    assert all(new[name] == data for name, data in old.items() if name != "bank.json")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("listening", [True, False])
def test_what_a_run_says_on_the_way_goes_to_who_listens_and_nowhere_else(
    request_to_train: TrainRequest, photos: Path, capsys: pytest.CaptureFixture[str], listening: bool
) -> None:
    class Vanish(Hooks):
        def forward_begins(self, run: TrainingRun, identity: bool) -> None:
            for file in run.photographs.train[:2]:
                file.write_bytes(b"no longer a picture")

    said: list[str] = []
    result = stylebank.train(request_to_train, say=said.append if listening else None, hooks=Vanish())
    assert result.report["counts"]["skipped_files"] == 2
    assert sum(text.startswith("Skipped: ") for text in said) == (2 if listening else 0)
    assert capsys.readouterr().out == ""


def test_a_run_goes_on_where_it_stopped(request_to_train: TrainRequest) -> None:
    class Stop(Hooks):
        def step_ends(self, run: TrainingRun) -> None:
            if run.step == 4:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        stylebank.train(request_to_train, hooks=Stop())
    again = TrainRequest(**{**vars(request_to_train), "resume": "auto"})
    assert stylebank.train(again).finished
    with refused(StyleBankError, "is not empty"):
        stylebank.train(request_to_train)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_single_painting_is_added_and_a_stopped_call_goes_on(
    photos: Path, tmp_path: Path, random_vgg_weights: Path, kind: type
) -> None:
    class Stop(Hooks):
        def step_ends(self, run: TrainingRun) -> None:
            if run.step == 2:
                raise RuntimeError("enough")

    def add(hooks: Hooks | None = None) -> TrainResult:
        return stylebank.add_style(
            bank,
            kind(paint(tmp_path / "new", "dawn") / "dawn.png"),
            photos,
            tmp_path / "more",
            overrides={"data": {"workers": 0, "held_out": 0}, "train": {"steps": 3, "checkpoint_every": 1}},
            resume="auto",
            device="cpu",
            loss_weights=random_vgg_weights,
            hooks=hooks,
        )

    bank = write_bank(tmp_path / "bank", "calm")
    with pytest.raises(RuntimeError, match="enough"):
        add(Stop())
    result = add()
    assert (result.finished, result.step, result.report["counts"]["restarts"]) == (True, 3, 1)
    assert load_bank(result.bank).model.names == ["calm", "dawn"]


def test_what_is_wrong_is_one_error_of_ours(request_to_train: TrainRequest, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.stepz"):
        stylebank.train(TrainRequest(out=tmp_path / "x", overrides={"train": {"stepz": 1}}))
    with pytest.raises(ConfigError, match=r"train\.steps: values are given by section and key"):
        stylebank.train(TrainRequest(out=tmp_path / "x", overrides={"train.steps": 1}))
    with refused(ConfigError, "--out is missing"):
        stylebank.train(TrainRequest())
    with refused(BankError, "does not exist"):
        stylebank.add_style(tmp_path / "none", [tmp_path / "a.png"], tmp_path, tmp_path / "out")
    with refused(BankError, "is not a bank"):
        stylebank.Stylizer.load(tmp_path)
    with refused(ConfigError, "give one of them"):
        stylebank.evaluate(EvaluationRequest(styles=[tmp_path], out=tmp_path / "report"))


@pytest.mark.usefixtures("_quick_cards")
def test_a_bank_is_evaluated(photos: Path, tmp_path: Path, random_vgg_weights: Path) -> None:
    bank, paintings = write_bank(tmp_path / "bank", "calm", "storm"), paint(tmp_path / "paintings", "calm", "storm")
    said: list[str] = []
    result = stylebank.evaluate(
        EvaluationRequest(
            styles=[paintings],
            out=tmp_path / "report",
            bank=bank,
            content=[photos],
            sizes={32: 2},
            iterations=(),
            loss_weights=random_vgg_weights,
            device="cpu",
        ),
        say=said.append,
    )
    assert not result.has_figure
    assert set(result.report["means"]["32"]["calm"]) == {"output", "photograph", "painting"}
    assert (tmp_path / "report" / "report.md").read_text() == result.text
    assert said == []


@pytest.mark.usefixtures("_quick_cards")
def test_an_evaluation_tells_how_far_it_is_and_prints_nothing(
    photos: Path, tmp_path: Path, random_vgg_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = EvaluationRequest(
        styles=[paint(tmp_path / "paintings", "calm", "storm")],
        out=tmp_path / "report",
        bank=write_bank(tmp_path / "bank", "calm", "storm"),
        content=[photos],
        sizes={32: 1},
        iterations=(2,),
        loss_weights=random_vgg_weights,
        device="cpu",
    )
    told: list[EvaluationProgress] = []
    stylebank.evaluate(request, on_progress=told.append)
    assert list(dict.fromkeys((each.stage, each.done, each.total, each.pair) for each in told)) == [
        ("outputs", 0, 1, ""),
        ("outputs", 1, 1, ""),
        ("cards", 0, 2, ""),
        ("cards", 1, 2, ""),
        ("cards", 2, 2, ""),
        ("optimization", 0, 4, ""),
        ("optimization", 1, 4, "32 px, calm"),
        ("optimization", 2, 4, "32 px, calm"),
        ("optimization", 3, 4, "32 px, storm"),
        ("optimization", 4, 4, "32 px, storm"),
    ]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("numbers", "mentions"),
    [
        ({"sizes": {8: None}}, ["short side", "16 or more", "8"]),
        ({"sizes": {64: 0}}, ["64 px", "1 or more"]),
        ({"iterations": (50, 0)}, ["iterations", "1 or more"]),
        ({"limit": 0}, ["limit", "1 or more"]),
        ({"long_pairs": -1}, ["long_pairs", "0 or more"]),
        ({"content": ()}, ["content or held_out_of"]),
        ({"held_out_of": Path("run")}, ["content or held_out_of"]),
        ({"network": "vgg16"}, ["--network is for --outputs"]),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(numbers: dict[str, Any], mentions: list[str]) -> None:
    with refused(ConfigError, *mentions):
        EvaluationRequest(**{"styles": [Path("a")], "out": Path("b"), "bank": Path("c"), "content": ["d"], **numbers})


def test_a_picture_is_optimised(tmp_path: Path) -> None:
    weights = write_vgg(tmp_path / "vgg.safetensors", "vgg19", "relu5_1")
    seen: list[int] = []
    result = stylebank.optimize_image(
        Image.new("RGB", (40, 32), "teal"),
        [Painting(Image.effect_noise((48, 48), 60).convert("RGB"))],
        replace(PRESETS["gatys"], iterations=3),
        weights=weights,
        device="cpu",
        callback=lambda step: seen.append(step.iteration),
    )
    assert seen == [1, 2, 3]
    assert result.picture.size == (40, 32)
    with refused(ImageError, "too small"):
        stylebank.optimize_image(Image.new("RGB", (8, 8)), [Painting(Image.new("RGB", (64, 64)))])
