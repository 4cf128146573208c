"""Any painting at once: the network that predicts filters, its training, its files, and what users do with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import refused
from PIL import Image
from tiny import CHANNELS, assert_same_state, config_file, fail, files_of, paint, pixels, signal_at, succeed, write_bank
from torch import Tensor, nn

from stylebank.bank.io import load_bank
from stylebank.bank.operations import remove_styles, rewrite_bank
from stylebank.config import Architecture, BankConfig, ModelConfig, PredictorConfig
from stylebank.errors import BankError, ConfigError, ImageError
from stylebank.inference.stylizer import Stylizer
from stylebank.network.model import StyleBank
from stylebank.network.predictor import FilterPredictor, Statistics
from stylebank.training.predictor_task import PredictedFilters
from stylebank.training.run_folder import RunFolder
from stylebank.training.variants import variant_of

ARCHITECTURE = Architecture(model=ModelConfig(channels=CHANNELS), bank=BankConfig(noise_channels=6))
FORM = PredictorConfig(rank=24, width=16, compressed=8)
SETTINGS = ("predictor.rank=24", "predictor.width=16", "predictor.compressed=8", "predictor.held_out=2")
STYLES = ("calm", "storm")


def statistics(paintings: int = 3, scale: float = 1.0) -> Statistics:
    generator = torch.Generator().manual_seed(0)
    seen = torch.rand(paintings, 12, 50, generator=generator) * scale
    return Statistics({"relu1_2": seen @ seen.transpose(1, 2) / 50}, {"relu1_2": seen.mean(2)})


def predictor(seed: int = 0) -> FilterPredictor:
    torch.manual_seed(seed)
    return FilterPredictor(ARCHITECTURE, FORM, {"relu1_2": 12})


# ------------------------------------------------------------------------------------------------------ the network


def test_what_is_predicted_is_a_filter_for_each_painting() -> None:
    kernels, biases = predictor()(statistics(3))
    assert kernels.shape == (3, 16, 22, 3, 3)
    assert biases.shape == (3, 16)
    assert not torch.equal(kernels[0], kernels[1])


def test_paintings_do_not_know_of_each_other() -> None:
    network = predictor()
    together = network(statistics(3))
    for i in range(3):
        alone = network(statistics(3).of(slice(i, i + 1)))
        assert all(torch.allclose(one[0], many[i], atol=1e-5) for one, many in zip(alone, together, strict=True))


def test_it_begins_near_the_mean_of_trained_filters() -> None:
    network, trained = predictor(), torch.randn(5, 16, 22, 3, 3) * 0.1 + 1
    network.start_from(trained, torch.full((5, 16), 0.5))
    with torch.no_grad():
        kernels, biases = network(statistics())
    spread = float((trained - trained.mean(0)).std())
    assert 0.1 * spread < float((kernels - trained.mean(0)).std()) < 3 * spread
    assert torch.equal(biases, torch.full((3, 16), 0.5))


def test_every_kernel_has_the_size_asked_for_whatever_is_predicted() -> None:
    torch.manual_seed(0)
    network = FilterPredictor(ARCHITECTURE, FORM, {"relu1_2": 12}, size=7.0)
    nn.init.normal_(network.gains.weight, std=3.0)
    kernels, _ = network(statistics(3))
    assert torch.allclose(kernels.flatten(1).norm(dim=1), torch.full((3,), 7.0))


def test_biases_stay_below_the_largest_and_small_ones_as_they_are() -> None:
    biases = dict[float, Tensor]()
    for largest in (0.0, 4.0, 1e6):
        torch.manual_seed(0)
        network = FilterPredictor(ARCHITECTURE, FORM, {"relu1_2": 12}, size=7.0, largest_bias=largest)
        nn.init.normal_(network.gains.weight, std=3.0)
        _, biases[largest] = network(statistics(3))
    assert float(biases[0.0].norm(dim=1).min()) > 10
    assert float(biases[4.0].norm(dim=1).max()) < 4
    assert torch.allclose(F.normalize(biases[4.0]), F.normalize(biases[0.0]), atol=1e-5)
    assert torch.allclose(biases[1e6], biases[0.0], rtol=1e-4)


def test_once_trained_a_prediction_is_nearer_to_what_all_have_in_common() -> None:
    torch.manual_seed(0)
    network = FilterPredictor(ARCHITECTURE, FORM.model_copy(update={"shrink": 0.25}), {"relu1_2": 12})
    nn.init.normal_(network.kernel)
    learning, _ = network(statistics(3))
    kernels, _ = network.eval()(statistics(3))
    assert torch.allclose(kernels - network.kernel, 0.25 * (learning - network.kernel), atol=1e-6)
    plain = predictor().eval()
    assert torch.equal(plain(statistics(3))[0], plain.train()(statistics(3))[0])


def test_a_batch_of_predictions_is_that_of_each_by_itself() -> None:
    model, filters = StyleBank(ARCHITECTURE), PredictedFilters(predictor(), 3)
    filters.statistics = statistics(3)
    model.register_module("filters", filters)
    features = torch.rand(3, 16, 10, 9)
    together = model.apply_filters(features, [2, 0, 2], seeds=[4, 5, 6])
    each = [model.apply_filters(features[i : i + 1], [style], [4 + i]) for i, style in enumerate([2, 0, 2])]
    assert torch.allclose(together, torch.cat(each), atol=1e-4)


def test_several_pictures_of_a_style_are_averaged() -> None:
    mean = statistics(3).mean()
    assert mean.grams["relu1_2"].shape == (1, 12, 12)
    assert torch.allclose(mean.means["relu1_2"][0], statistics(3).means["relu1_2"].mean(0))


# ------------------------------------------------------------------------------------------------ paintings made up


def test_variants_are_other_paintings_and_the_same_at_every_call() -> None:
    rng = np.random.default_rng(0)
    painting = Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    assert variant_of(painting, 0, 5) is painting
    made = [variant_of(painting, number, 5) for number in (1, 2, 3)]
    assert all(30 <= min(each.size) <= 60 for each in made)
    assert len({each.tobytes() for each in made}) == 3
    assert variant_of(painting, 1, 5).tobytes() == made[0].tobytes()
    assert variant_of(painting, 1, 6).tobytes() != made[0].tobytes()


# --------------------------------------------------------------------------------------------------------- training


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictor")


@pytest.fixture(scope="module")
def bank(place: Path) -> Path:
    return write_bank(place / "bank", *STYLES, noise_channels=6)


@pytest.fixture(scope="module")
def arguments(place: Path, bank: Path, _photos: Path, random_vgg_weights: Path) -> list[object]:
    """A whole run in arguments, but for --out."""
    paintings = paint(place / "paintings", *(f"p{i}" for i in range(6)))
    return [
        *("--config", config_file(place / "config.yaml", *SETTINGS, "data.held_out=1"), "--bank", bank),
        *("--content", _photos, "--styles", paintings, "--loss-weights", random_vgg_weights),
    ]


@pytest.fixture(scope="module")
def trained(place: Path, arguments: list[object]) -> Path:
    """The folder of a run that came to its end."""
    from stylebank.cli import main

    assert main(list(map(str, ("train", *arguments, "--out", place / "run")))) == 0
    return place / "run"


def test_a_run_leaves_the_bank_as_it_was_with_a_predictor(bank: Path, trained: Path) -> None:
    before, after = files_of(bank), files_of(trained / "bank")
    assert {name: after[name] for name in before} == before
    assert sorted(after.keys() - before.keys()) == ["predictor.json", "predictor.safetensors"]
    record = json.loads(after["predictor.json"])
    norms = [filter.state_dict()["0.weight"].norm() for filter in load_bank(bank).model.filters]
    assert record["size"] == pytest.approx(float(torch.stack(norms).log().mean().exp()))
    assert record["largest_bias"] == record["size"] / 2
    network = load_bank(trained / "bank").predictor.network  # type: ignore[union-attr]
    assert network.largest_bias == record["largest_bias"]
    assert record["paintings"] == 4
    assert record["unfinished"] == ""
    assert {"style_gap_closed", "content_distance", "style_accuracy"} <= record["metrics"].keys()
    report = json.loads((trained / "report.json").read_text())
    assert len(report["metrics"]["styles"]) == 2  # the paintings that were kept


def test_a_run_learns(place: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    """The style loss at the end of a longer run is well below that at its beginning."""
    losses = []
    for steps in (2, 60):
        out = place / f"steps-{steps}"
        more = ["--set", f"train.steps={steps}", "train.lr=0.005", "train.log_every=2", "data.held_out=0"]
        more += ["predictor.held_out=5", "predictor.variants=0", "loss.content_weight=0"]  # a single painting
        succeed(capsys, "train", *arguments, "--out", out, *more)
        losses.append(json.loads((out / "report.json").read_text())["losses"]["loss/style"])
    assert losses[1] < 0.95 * losses[0]


def test_stopped_and_resumed_is_the_same_as_straight(
    place: Path, arguments: list[object], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / "resumed"
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, 4)
        succeed(capsys, "train", *arguments, "--out", out)
    assert json.loads((out / "bank" / "predictor.json").read_text())["unfinished"] == "step 5 of 8"
    succeed(capsys, "train", *arguments, "--out", out, "--resume")
    assert_same_state(out, trained)
    assert files_of(out / "bank") == files_of(trained / "bank")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--set", "predictor.rank=0"], "Adding a style needs both --bank and --add-style"),
        (["--set", "predictor.held_out=6"], "6 painting(s) are too few: predictor.held_out=6"),
        (["--set", "train.fixed_norm=true"], "train.fixed_norm is for adding styles"),
        (["--start-from", "x"], "--start-from"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    change: list[str], said: str, place: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in fail(capsys, "train", *arguments, "--out", place / "refused", *change)
    assert not (place / "refused").exists()


def test_a_painting_too_small_is_named(
    place: Path, arguments: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(place / "paintings", tmp_path / "paintings")
    Image.new("RGB", (9, 9)).save(tmp_path / "paintings" / "speck.png")
    options = ("--styles", tmp_path / "paintings", "--out", tmp_path / "run", "--set", "predictor.variants=0")
    said = fail(capsys, "train", *arguments, *options)
    assert "speck.png' of 9x9 pixels is too small; 16 are the least" in said
    assert not (tmp_path / "run").exists()


def test_filters_of_several_layers_are_refused(
    place: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    deep = write_bank(place / "deep", "calm", depth=2)
    assert "its filters are more than one convolution" in fail(
        capsys, "train", *arguments, "--bank", deep, "--out", place / "no"
    )


# ------------------------------------------------------------------------------------------------ a bank's files


def test_a_packed_bank_keeps_its_predictor(trained: Path, tmp_path: Path) -> None:
    rewrite_bank(trained / "bank", tmp_path / "packed", "float16")
    known, packed = load_bank(trained / "bank").predictor, load_bank(tmp_path / "packed").predictor
    assert known
    assert packed
    for name, value in known.network.state_dict().items():
        assert torch.equal(packed.network.state_dict()[name], value.half().float())
    remove_styles(trained / "bank", ["calm"], tmp_path / "fewer")
    assert load_bank(tmp_path / "fewer").predictor


def test_the_predictor_of_another_auto_encoder_is_refused(trained: Path, tmp_path: Path) -> None:
    other = write_bank(tmp_path / "other", "calm", seed=1, noise_channels=6)
    for name in ("predictor.json", "predictor.safetensors"):
        shutil.copy(trained / "bank" / name, other / name)
    with refused(BankError, other, "was trained on auto-encoder"):
        load_bank(other)


@pytest.mark.parametrize("damage", ["weights", "form", "missing"])
def test_a_damaged_predictor_is_refused(damage: str, trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained / "bank", tmp_path / "bank"))
    weights, record = folder / "predictor.safetensors", folder / "predictor.json"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))
    elif damage == "form":
        tree = json.loads(record.read_text())
        record.write_text(json.dumps({**tree, "form": {**tree["form"], "rank": 4096, "width": 65536}}))
    else:
        weights.unlink()
    with refused(BankError, folder):
        load_bank(folder)


# ----------------------------------------------------------------------------------------------- what users do


def test_a_painting_becomes_a_style_of_a_stylizer_and_of_a_bank(
    trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    painting, photograph = paint(tmp_path, "sunset") / "sunset.png", Image.open(photos / "disc.jpg")
    stylizer = Stylizer.load(trained / "bank", precision="float32")
    before = stylizer.stylize(photograph, "storm")
    stylizer.add_instant(Image.open(painting), "sunset")
    assert stylizer.styles == (*STYLES, "sunset")
    assert np.array_equal(np.asarray(stylizer.stylize(photograph, "storm")), np.asarray(before))
    made = np.asarray(stylizer.stylize(photograph, "sunset"))
    assert not np.array_equal(made, np.asarray(before))

    succeed(capsys, "bank", "predict", trained, "--style-image", painting, "--out", tmp_path / "more")
    bank = load_bank(tmp_path / "more")
    assert bank.records["sunset"].predicted
    assert not bank.records["storm"].predicted
    loaded = Stylizer.load(tmp_path / "more", precision="float32")
    assert np.array_equal(np.asarray(loaded.stylize(photograph, "sunset")), made)
    assert "predicted" in succeed(capsys, "bank", "show", tmp_path / "more")


def test_paintings_on_the_command_line(
    trained: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paintings = paint(tmp_path / "paintings", "dawn", "dusk")
    mask = Image.new("L", (96, 80))
    mask.paste(255, (48, 0, 96, 80))
    mask.save(tmp_path / "right.png")
    always = ["--bank", trained / "bank", "--input", photos / "disc.jpg", "--precision", "float32"]

    def made(name: str, *options: object) -> np.ndarray:
        succeed(capsys, "stylize", *always, *options, "--output", tmp_path / name)
        return pixels(tmp_path / name).astype(int)

    dawn, dusk = (made(f"{name}.png", "--style-image", paintings / f"{name}.png") for name in ("dawn", "dusk"))
    assert abs(dawn - dusk).mean() > 1
    halves = made("mix.png", "--style-image", paintings / "dawn.png:0.5", paintings / "dusk.png:0.5")
    assert min(abs(halves - dawn).mean(), abs(halves - dusk).mean()) > 0.1
    parts = made("mask.png", "--style", "calm", "--mask", f"{paintings / 'dawn.png'}={tmp_path / 'right.png'}")
    calm = made("calm.png", "--style", "calm")
    assert abs(parts[:, :20] - calm[:, :20]).max() <= 1
    assert abs(parts[:, 80:] - calm[:, 80:]).mean() > 0.5
    Image.new("RGB", (1, 1)).save(paintings / "dot.png")
    for options, mentions in (
        ([paintings / "dot.png"], [paintings / "dot.png", "1x1"]),
        ([paintings / "dawn.png:0.5", paintings / "dusk.png"], ["--style-image", paintings / "dusk.png:0.5"]),
    ):
        fail(capsys, "stylize", *always, "--style-image", *options, "--output", tmp_path / "no.png", mentions=mentions)


def test_a_bank_without_a_predictor_says_what_to_do(
    bank: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    painting = paint(tmp_path, "dawn") / "dawn.png"
    with refused(BankError, "has no predictor", "--add-style"):
        Stylizer.load(bank).add_instant(Image.open(painting), "dawn")
    arguments = ["--bank", bank, "--style-image", painting, "--input", photos / "disc.jpg"]
    assert "has no predictor" in fail(capsys, "stylize", *arguments, "--output", tmp_path / "out.png")


def test_what_is_no_painting_is_refused(trained: Path) -> None:
    stylizer = Stylizer.load(trained / "bank")
    with refused(ImageError, "16"):
        stylizer.add_instant(Image.new("RGB", (40, 8)), "strip")
    with refused(ConfigError, "identity"):
        stylizer.add_instant(Image.new("RGB", (40, 40)), "identity")
    with refused(BankError, "calm"):
        stylizer.add_instant(Image.new("RGB", (40, 40)), "calm")


def test_an_added_style_can_begin_as_its_prediction(
    trained: Path,
    photos: Path,
    random_vgg_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    painting = paint(tmp_path, "dawn") / "dawn.png"
    settings = ["data.min_side=16", "data.workers=0", "data.held_out=0", "train.precision=float32", "train.steps=1"]
    kernels: dict[str, Tensor] = {}
    for start in ("identity", "predicted", "auto"):
        out = tmp_path / start
        arguments = ["--bank", trained / "bank", "--add-style", painting, "--content", photos, "--out", out]
        arguments += ["--loss-weights", random_vgg_weights, "--start", start, "--set", *settings, "train.lr=1e-6"]
        succeed(capsys, "train", *arguments)
        kernels[start] = next(load_bank(out).model.filters[2].parameters())
    stylizer = Stylizer.load(trained / "bank", precision="float32")
    assert (kernels["identity"] - kernels["predicted"]).abs().max() > 0.1
    assert torch.equal(kernels["auto"], kernels["predicted"])
    assert RunFolder(tmp_path / "auto-run").task()["start"] == "predicted"  # a resumed run begins the same way
    assert stylizer.styles == STYLES
