"""The loss network: its layers, its weights files, and losses that do not depend on which VGG file it is."""

from __future__ import annotations

import pickle
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import refused, write_vgg
from torch import Tensor, nn

from stylebank.config import LossConfig
from stylebank.device import import_torchvision
from stylebank.errors import WeightsError
from stylebank.files import sha256_of
from stylebank.images import load_picture, to_tensor
from stylebank.losses.functional import gram
from stylebank.losses.objective import Objective, style_grams
from stylebank.losses.vgg import LossNetwork, layer_names, load_loss_network
from stylebank.losses.weights import WEIGHTS_VARIABLE, Network, held_network, settle_network
from stylebank.shipped import VGG19
from stylebank.styles import StyleSource, find_styles

NETWORKS: tuple[Network, ...] = ("vgg16", "vgg19")


def torchvision_features(network: Network, modules: int, pooling: str = "max") -> nn.Sequential:
    """The first modules of torchvision's `features`, with random weights."""
    vgg = import_torchvision().models.vgg
    torch.manual_seed(0)
    widths = vgg.cfgs[{"vgg16": "D", "vgg19": "E"}[network]]
    features: nn.Sequential = vgg.make_layers(widths[: 13 if network == "vgg16" else 15])[:modules].eval()
    if pooling == "average":
        for i, layer in enumerate(features):
            if isinstance(layer, nn.MaxPool2d):
                features[i] = nn.AvgPool2d(2)
    return features


def prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"features.{key}": value for key, value in state.items()}


def random_images(count: int = 2, side: int = 36) -> Tensor:
    return torch.rand(count, 3, side, side + 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Weights up to relu2_1: all that most tests here need."""
    return write_vgg(tmp_path / "small.safetensors", "vgg16", "relu2_1")


# --------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize(("network", "convolutions"), [("vgg16", 13), ("vgg19", 16)])
def test_names_are_those_of_the_literature(network: Network, convolutions: int) -> None:
    names = layer_names(network)
    assert names[:6] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]
    assert names[-1] == "pool5"
    assert sum(name.startswith("conv") for name in names) == convolutions
    assert ("relu4_4" in names) == (network == "vgg19")
    assert len(set(names)) == len(names)


def test_unknown_layers_are_refused_with_the_valid_ones() -> None:
    with refused(WeightsError, "relu9_1", "relu4_4", *layer_names("vgg16")):
        LossNetwork("vgg16", ["relu1_1", "relu9_1", "relu4_4"])
    with refused(WeightsError, *layer_names("vgg19")):
        LossNetwork("vgg19", [])


def test_only_the_layers_up_to_the_deepest_are_built() -> None:
    network = LossNetwork("vgg16", ["relu2_1", "relu1_1"])
    assert network.names[-1] == "relu2_1"
    assert [len(list(network.features)), sum(isinstance(m, nn.Conv2d) for m in network.features)] == [7, 3]
    assert set(network(random_images())) == {"relu1_1", "relu2_1"}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_activations_equal_torchvision(network: Network, pooling: str, tmp_path: Path) -> None:
    names = layer_names(network)[: layer_names(network).index("relu4_1") + 1]
    theirs = torchvision_features(network, len(names), pooling)
    torch.save(prefixed(theirs.state_dict()), tmp_path / "vgg.pth")
    ours = load_loss_network(network, names, pooling, tmp_path / "vgg.pth")  # type: ignore[arg-type]
    images = random_images()
    got = ours(images.clone())
    x = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    for name, layer in zip(names, theirs, strict=True):
        x = nn.functional.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        assert torch.allclose(got[name], x, atol=1e-5), name


def test_asking_for_fewer_layers_changes_none_of_them(small: Path) -> None:
    """Rectifiers work in place where nobody looks; that must never be seen."""
    images = random_images()
    every = load_loss_network("vgg16", ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"], weights=small)(images)
    for name, value in every.items():
        alone = load_loss_network("vgg16", [name], weights=small)(images)
        assert torch.equal(alone[name], value), name
    assert every["conv1_1"].min() < 0 <= every["relu1_1"].min()


def test_gradients_reach_the_picture_but_not_the_weights(small: Path) -> None:
    network = load_loss_network("vgg16", ["relu2_1"], weights=small)
    images = random_images().requires_grad_()
    network(images)["relu2_1"].square().mean().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert not any(p.requires_grad or p.grad is not None for p in network.parameters())


def test_it_never_enters_training_mode() -> None:
    network = LossNetwork("vgg16", ["relu1_1"])
    assert not nn.Sequential(network).train()[0].training
    assert not network.train().training


# ---------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("prefix", ["features.", ""])
def test_both_file_formats_and_both_key_forms(suffix: str, prefix: str, small: Path, tmp_path: Path) -> None:
    state = {prefix + k.removeprefix("features."): v for k, v in safetensors.torch.load_file(small).items()}
    file = tmp_path / f"copy{suffix}"
    safetensors.torch.save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    expected = load_loss_network("vgg16", ["relu2_1"], weights=small).state_dict()
    loaded = load_loss_network("vgg16", ["relu2_1"], weights=file).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in expected.items())
    assert next(iter(loaded.values())).dtype == torch.float32  # the file holds float16


def test_the_environment_names_the_file(small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(small))
    by_environment = load_loss_network("vgg16", ["relu1_1"]).state_dict()
    assert torch.equal(
        by_environment["features.0.weight"].half(), safetensors.torch.load_file(small)["features.0.weight"]
    )
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path / "gone.safetensors"))
    load_loss_network("vgg16", ["relu1_1"], weights=small)  # a file named outright comes first
    with refused(WeightsError, tmp_path / "gone.safetensors"):
        load_loss_network("vgg16", ["relu1_1"])


def test_the_other_vgg_is_refused(tmp_path: Path) -> None:
    """VGG-19 has a convolution where VGG-16 already pools: everything after it has another place."""
    file = write_vgg(tmp_path / "vgg19.safetensors", "vgg19", "relu4_1")
    with refused(WeightsError, file, "holds vgg19", "vgg16 is needed"):
        load_loss_network("vgg16", ["relu1_1"], weights=file)
    with refused(WeightsError, "holds vgg19"):
        load_loss_network("vgg16", ["relu4_2"], weights=VGG19)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("prefix", ["features.", ""])
@pytest.mark.parametrize(("network", "deepest"), [("vgg16", "relu4_1"), ("vgg19", "relu3_4"), (None, "relu3_3")])
def test_which_network_a_file_holds_is_read_from_its_tensors(
    network: Network | None, deepest: str, prefix: str, suffix: str, tmp_path: Path
) -> None:
    written = write_vgg(tmp_path / "any.safetensors", network or "vgg16", deepest)
    state = {prefix + k.removeprefix("features."): v for k, v in safetensors.torch.load_file(written).items()}
    state["classifier.0.weight"] = torch.zeros(2)
    file = tmp_path / f"whole{suffix}"
    safetensors.torch.save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    assert held_network(file) == network
    said: list[str] = []
    other: Network = "vgg19" if network == "vgg16" else "vgg16"
    assert settle_network(other, file, said.append) == (network or other)
    assert len(said) == (1 if network else 0)
    if network:
        assert said == [f"{file} holds {network}: used as that, instead of {other}."]
        assert settle_network(network, file, pytest.fail) == network


def test_without_a_file_the_network_asked_for_is_used(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert held_network() is None
    assert settle_network("vgg16", None, pytest.fail) == "vgg16"
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(VGG19))
    assert held_network() == "vgg19"
    assert held_network(small) is None  # a file named outright comes first


def test_no_network_is_read_from_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "odd.safetensors").write_bytes(b"hello")
    for path in (tmp_path / "none.safetensors", tmp_path / "none.pth", tmp_path, tmp_path / "odd.safetensors"):
        with refused(WeightsError, path):
            held_network(path)


def test_weights_that_end_too_early_are_refused(small: Path) -> None:
    with refused(WeightsError, small, "features.7.weight", "conv2_2"):
        load_loss_network("vgg16", ["relu2_2"], weights=small)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_truncated_files_are_refused(suffix: str, kept: float, small: Path, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{suffix}"
    state = safetensors.torch.load_file(small)
    safetensors.torch.save_file(state, whole) if suffix == ".safetensors" else torch.save(state, whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: int(len(data) * kept)])
    with refused(WeightsError, cut):
        load_loss_network("vgg16", ["relu2_1"], weights=cut)


@pytest.mark.parametrize("content", [b"hello\nworld", b"\x80\x02.", b"PK\x03\x04", b"\xff" * 40])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_other_files_are_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(content)
    with refused(WeightsError, file):
        load_loss_network("vgg16", ["relu1_1"], weights=file)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pth"):
        with refused(WeightsError, path):
            load_loss_network("vgg16", ["relu1_1"], weights=path)


def test_a_list_of_tensors_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with refused(WeightsError, tmp_path / "list.pth", "list"):
        load_loss_network("vgg16", ["relu1_1"], weights=tmp_path / "list.pth")


class _Code:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_code_in_a_pickle_is_refused_and_not_run(write: str, tmp_path: Path) -> None:
    touched, file = tmp_path / "touched", tmp_path / "evil.pth"
    state = {"features.0.weight": _Code(touched)}
    torch.save(state, file) if write == "torch" else file.write_bytes(pickle.dumps(state, protocol=2))
    with refused(WeightsError, file):
        load_loss_network("vgg16", ["relu1_1"], weights=file)
    assert not touched.exists()
    pickle.loads(pickle.dumps(state))  # the trap was armed
    assert touched.exists()


def test_without_file_or_network_connection_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    weights = import_torchvision().models.VGG16_Weights
    monkeypatch.setattr(weights, "get_state_dict", unreachable)
    with refused(WeightsError, "vgg16", "no route to host", "--loss-weights", WEIGHTS_VARIABLE):
        load_loss_network("vgg16", ["relu1_1"])
    with refused(WeightsError, "--network vgg19", "loss.network: vgg19", "no download"):
        load_loss_network("vgg16", ["relu1_1"])


# --------------------------------------------------------------------------------- losses on top of the network

LOSS = LossConfig(content_layers=("relu2_2",), style_layers=("relu1_2", "relu2_2"))


def rescaled(network: LossNetwork, scales: list[float]) -> LossNetwork:
    """The same function but for the size of its activations: convolution i gives `scales[i]` times as much."""
    copy = LossNetwork(network.network, network.wanted)
    copy.load_state_dict(network.state_dict())
    convolutions = [layer for layer in copy.features if isinstance(layer, nn.Conv2d)]
    before = 1.0
    for layer, scale in zip(convolutions, scales, strict=True):
        assert layer.bias is not None
        layer.weight.mul_(scale / before)
        layer.bias.mul_(scale)
        before = scale
    return copy


def test_one_set_of_loss_weights_fits_every_vgg_file(random_vgg_weights: Path, style_images: Path) -> None:
    """The same terms and the same gradient, whatever the scale of the activations at each layer."""
    network = load_loss_network("vgg19", ["relu1_2", "relu2_2"], weights=random_vgg_weights)
    sources = find_styles([style_images])
    images = random_images()
    results = []
    for each in (network, rescaled(network, [30.0, 500.0, 0.2, 90.0])):
        outputs = (images.flip(3) * 0.8).requires_grad_()
        objective = Objective(each, style_grams(each, sources, LOSS.style_layers, 48), LOSS)
        terms = objective.stylizing_terms(images, outputs, [2, 0], objective.content_of(images))
        objective.total(terms).backward()
        results.append((terms, outputs.grad))
    (before, gradient), (after, other_gradient) = results
    assert set(before) == {"content", "style", "tv"}
    for name, value in before.items():
        assert value.shape == (2,)
        assert value.min() > 0.01
        assert torch.allclose(value, after[name], rtol=1e-4), name
    assert gradient is not None
    assert other_gradient is not None
    assert torch.allclose(gradient, other_gradient, rtol=1e-3, atol=1e-8)


def test_the_rescaled_network_is_another_network(random_vgg_weights: Path) -> None:
    """Raw activations do change, or the test above would show nothing."""
    network = load_loss_network("vgg19", ["relu1_2"], weights=random_vgg_weights)
    images = random_images()
    assert torch.allclose(
        rescaled(network, [30.0, 500.0])(images)["relu1_2"], 500 * network(images)["relu1_2"], rtol=1e-3, atol=1e-2
    )


def test_style_grams_are_those_of_each_painting_and_averaged_over_several(
    random_vgg_weights: Path, style_images: Path
) -> None:
    network = load_loss_network("vgg19", ["relu1_2"], weights=random_vgg_weights)
    files = sorted(style_images.iterdir())
    sources = [StyleSource("one", (files[0],)), StyleSource("two", (files[1], files[2]))]
    grams = style_grams(network, sources, ["relu1_2"], 64)["relu1_2"]
    alone = [gram(network(to_tensor(load_picture(file).rgb)[None])["relu1_2"])[0] for file in files]  # 72x64 already
    assert grams.shape == (2, 64, 64)
    assert torch.allclose(grams[0], alone[0], rtol=1e-4, atol=1e-5)
    assert torch.allclose(grams[1], (alone[1] + alone[2]) / 2, rtol=1e-4, atol=1e-5)


def test_each_output_is_held_against_its_own_style_and_photograph(random_vgg_weights: Path, style_images: Path) -> None:
    network = load_loss_network("vgg19", [*LOSS.style_layers], weights=random_vgg_weights)
    objective = Objective(network, style_grams(network, find_styles([style_images]), LOSS.style_layers, 48), LOSS)
    images, outputs = random_images(3), random_images(3).flip(2)
    together = objective.stylizing_terms(images, outputs, [1, 2, 0], objective.content_of(images))
    for i, style in enumerate([1, 2, 0]):
        one = images[i : i + 1]
        alone = objective.stylizing_terms(one, outputs[i : i + 1], [style], objective.content_of(one))
        for name, value in alone.items():
            assert torch.allclose(together[name][i : i + 1], value, rtol=1e-4), name


def test_total_weights_the_terms(small: Path) -> None:
    config = LossConfig(content_weight=2, style_weight=3, tv_weight=5)
    objective = Objective(load_loss_network("vgg16", ["relu1_1"], weights=small), {}, config)
    terms = {"content": torch.tensor([1.0, 3.0]), "style": torch.tensor([1.0, 1.0]), "tv": torch.tensor([0.0, 2.0])}
    assert objective.total(terms).item() == pytest.approx(2 * 2 + 3 * 1 + 5 * 1)
    assert objective.total({"identity": torch.tensor([0.5, 1.5])}).item() == pytest.approx(1)


def test_without_zeros_there_is_no_edge(random_vgg_weights: Path) -> None:
    """What is the same everywhere in a picture is so in every layer: nothing tells where the picture ends."""
    gray = torch.full((1, 3, 32, 40), 0.4)
    spreads = {}
    for padding in ("zeros", "replicate"):
        network = load_loss_network("vgg19", ["relu1_2", "relu4_2"], weights=random_vgg_weights, padding=padding)
        spreads[padding] = [float(x.std((2, 3)).max() / x.abs().max()) for x in network(gray).values()]
    assert max(spreads["replicate"]) < 1e-5
    assert min(spreads["zeros"]) > 0.01


def test_padding_changes_nothing_inside(random_vgg_weights: Path) -> None:
    images = random_images(2)
    zeros, replicate = (
        load_loss_network("vgg19", ["relu2_2"], weights=random_vgg_weights, padding=padding)(images)["relu2_2"]
        for padding in ("zeros", "replicate")
    )
    assert torch.allclose(zeros[:, :, 4:-4, 4:-4], replicate[:, :, 4:-4, 4:-4], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(zeros, replicate, rtol=1e-2)


def test_strengths_weigh_the_style_term_of_single_styles(small: Path) -> None:
    config = LossConfig(content_weight=2, style_weight=3, tv_weight=5, strengths={"b": 4.0})
    objective = Objective(load_loss_network("vgg16", ["relu1_1"], weights=small), {}, config, torch.tensor([3.0, 12.0]))
    terms = {"content": torch.tensor([1.0, 3.0]), "style": torch.tensor([1.0, 1.0]), "tv": torch.tensor([0.0, 2.0])}
    assert objective.total(terms, [0, 1]).item() == pytest.approx(2 * 2 + 3 * (1 + 4) / 2 + 5 * 1)
    assert objective.total(terms, [1, 0]).item() == pytest.approx(2 * 2 + 3 * (4 + 1) / 2 + 5 * 1)
    alone = Objective(objective.network, {}, config.for_style("b"))  # as evaluated and optimised
    second = {name: value[1:] for name, value in terms.items()}
    assert alone.total(second).item() == pytest.approx(objective.total(second, [1]).item())


# ---------------------------------------------------------------------------------------------- real weights


def test_vgg19_comes_with_the_program(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_torchvision().models.VGG19_Weights, "get_state_dict", pytest.fail)
    network = load_loss_network("vgg19", ["relu1_1", "relu4_2", "relu5_2"])
    image = to_tensor(load_picture(photos / "disc.jpg").rgb)[None]
    features = network(image)["relu4_2"]
    assert features.shape == (1, 512, 10, 12)
    assert features.isfinite().all()
    assert features.abs().mean() > 1e-3
    assert 0.05 < (features > 0).float().mean() < 0.95  # sparse, yet alive
    other = network(to_tensor(load_picture(photos / "waves.jpg").rgb)[None])["relu4_2"]
    assert not torch.allclose(features, other, rtol=0.1)
    with refused(WeightsError, "comes with the program", "conv5_3"):
        load_loss_network("vgg19", ["relu5_3"])


def test_the_shipped_file_is_the_one_its_page_names() -> None:
    page = (VGG19.parent / "README.md").read_text(encoding="utf-8")
    assert sha256_of(VGG19) in page
    assert f"{VGG19.stat().st_size:,} bytes" in page
    assert "Simonyan" in page
    assert "Attribution 4.0 International" in (VGG19.parent / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [lambda x: x * float("nan"), lambda x: x.to(torch.int8), lambda x: x + 0j])
def test_values_that_are_no_weights_are_refused(
    change: Callable[[Tensor], Tensor], random_vgg_weights: Path, tmp_path: Path
) -> None:
    state = safetensors.torch.load_file(random_vgg_weights)
    key = next(key for key in state if "features.2.weight" in key)
    torch.save({**state, key: change(state[key].float())}, tmp_path / "odd.pth")
    with refused(WeightsError, "odd.pth", key, "no weights"):
        load_loss_network("vgg19", ["relu1_2"], weights=tmp_path / "odd.pth")
