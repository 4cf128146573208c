"""Exported folders: they compute what the bank computes, say what they are, and are refused when they don't."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import refused
from PIL import Image
from tiny import CHANNELS, fail, run, succeed, write_bank

from stylebank.bank.io import load_bank
from stylebank.config import LARGEST_SEED, Architecture, ModelConfig
from stylebank.errors import ExportError
from stylebank.export import graphs, parity
from stylebank.export.graphs import PictureGraph
from stylebank.export.layers import scaled_decoder
from stylebank.export.manifest import read_export
from stylebank.export.models import Form
from stylebank.export.openvino_runtime import compiled, installed
from stylebank.export.parity import pictures
from stylebank.export.run import ExportRequest, export
from stylebank.export.runtime import ExportedBank
from stylebank.inference.blending import StyleWeights, region_masks
from stylebank.inference.stylizer import Stylizer
from stylebank.network.model import StyleBank
from stylebank.network.noise import smooth_noise
from stylebank.shipped import DEFAULT_BANK

pytestmark = pytest.mark.timeout(900)  # exporting takes a while on a busy machine
LEVEL = 1 / 255
WEB = Path(__file__).parent / "web"
FORMS = ("plain", "noisy")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `bank` without noise, and all of it as float16 models of one size: `onnx`."""
    folder = tmp_path_factory.mktemp("plain")
    bank = write_bank(folder / "bank", "encoder", "waves", "dots")
    assert run("export", bank, "--out", folder / "onnx", "--precision", "float16", "--size", "37x26") == 0
    return folder


@pytest.fixture
def folders(plain: Path, exports: Path) -> dict[str, Path]:
    """`plain` and `noisy`: a bank each, and its models, which are float32 and of any size if there is noise."""
    return {"plain": plain, "noisy": exports}


def opened(folder: Path) -> ExportedBank:
    return ExportedBank(folder, read_export(folder))


def nearly(found: np.ndarray, expected: torch.Tensor, levels: float = 0.01) -> bool:
    assert found.shape == tuple(expected.shape)
    return bool(np.abs(found - expected.numpy()).max() < levels * LEVEL)


# ------------------------------------------------------------------------------------------------- same pictures


@pytest.mark.parametrize(("height", "width", "count"), [(16, 16, 1), (17, 50, 3), (98, 31, 1), (64, 64, 2)])
def test_a_style_s_own_model_takes_any_size(exports: Path, height: int, width: int, count: int) -> None:
    photo = pictures((height, width), count)
    stylizer = Stylizer.load(exports / "bank", "cpu", "float32")
    session = onnxruntime.InferenceSession(exports / "onnx" / "styles" / "dots.onnx")
    [picture] = session.run(None, {"photo": photo.numpy()})
    assert nearly(picture, stylizer.stylize(photo, "dots"))


@pytest.mark.parametrize(("name", "size", "levels"), [("plain", (26, 37), 5), ("noisy", (45, 70), 0.01)])
def test_mixtures_strength_and_seeds(folders: dict[str, Path], name: str, size: tuple[int, int], levels: float) -> None:
    photo, exported = pictures(size), opened(folders[name] / "onnx")
    stylizer = Stylizer.load(folders[name] / "bank", "cpu", "float32")
    recipe = stylizer.recipe({"dots": 0.7, "encoder": 0.3}, alpha=0.8, seed=3)
    fused = exported.apply(exported.encode(photo.numpy()), recipe.base, seed=3)
    picture = exported.decode(fused, size)
    assert nearly(picture, stylizer.stylize(photo, {"dots": 0.7, "encoder": 0.3}, alpha=0.8, seed=3), levels)
    if name == "noisy":
        assert not nearly(picture, stylizer.stylize(photo, {"dots": 0.7, "encoder": 0.3}, alpha=0.8, seed=4), 0.1)


@pytest.mark.parametrize(("name", "size", "levels"), [("plain", (26, 37), 5), ("noisy", (45, 70), 0.01)])
def test_masks(folders: dict[str, Path], name: str, size: tuple[int, int], levels: float) -> None:
    photo, exported = pictures(size), opened(folders[name] / "onnx")
    stylizer = Stylizer.load(folders[name] / "bank", "cpu", "float32")
    mask = torch.zeros(size)
    mask[10:, 20:50] = 0.8
    features = exported.encode(photo.numpy())
    recipe = stylizer.recipe("dots", masks={"encoder": mask})
    weights = [*(region.weights for region in recipe.regions), recipe.base]
    maps = region_masks(recipe, (features.shape[2], features.shape[3])).numpy()
    picture = exported.decode(exported.apply_regions(features, weights, maps), size)
    assert nearly(picture, stylizer.stylize(photo, "dots", masks={"encoder": mask}), levels)


@pytest.mark.parametrize("seed", [0, 1, 2**31, LARGEST_SEED])
def test_noise_has_the_same_values(exports: Path, seed: int) -> None:
    session = onnxruntime.InferenceSession(exports / "onnx" / "noise.onnx")
    features = np.zeros((2, CHANNELS[2], 37, 70), np.float32)
    [found] = session.run(None, {"features": features, "seed": np.array(divmod(seed, 2**16), np.int32)})
    expected = smooth_noise(2, [seed], range(37), range(70))
    assert found.shape == tuple(expected.shape)
    assert np.abs(found - expected.numpy()).max() < 1e-5


def test_shared_models_alone_are_compared_too(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Form, "pictures", lambda *_: pytest.fail("a whole model was asked for"))
    made = export(ExportRequest(plain / "bank", tmp_path / "parts", "float16", (26, 37), whole=False))
    assert made.manifest.picture is None
    assert {each.what for each in made.comparisons} >= {"waves, kernel", "mixture", "regions"}
    assert sorted(file.name for file in (tmp_path / "parts" / "styles").iterdir()) == [
        f"{name}.safetensors" for name in ("dots", "encoder", "waves")
    ]
    assert read_export(tmp_path / "parts") == made.manifest


def test_float16_of_one_size(plain: Path) -> None:
    photo, exported = pictures((26, 37)), opened(plain / "onnx")
    expected = Stylizer.load(plain / "bank", "cpu", "float32").stylize(photo, "waves")
    assert nearly(exported.picture("waves", photo.numpy()), expected, levels=5)
    assert exported.filters["waves"]["kernel"].dtype == np.float16
    with refused(ExportError, "cannot be run"):
        exported.picture("waves", pictures((16, 16)).numpy())


@pytest.mark.parametrize(("name", "size"), [("plain", (37, 26)), ("noisy", (41, 50))])
def test_the_examples_of_the_folder_s_readme_run(
    folders: dict[str, Path], name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(folders[name] / "onnx", folder)
    monkeypatch.chdir(folder)
    Image.fromarray((pictures(size[::-1])[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save("photo.jpg")
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
        with Image.open("picture.png") as picture:
            assert picture.size == size
        Path("picture.png").unlink()


@pytest.mark.skipif(
    not shutil.which("node") or not (WEB / "node_modules" / "onnxruntime-web").is_dir(),
    reason="needs Node, and npm install --prefix tests/web",
)
@pytest.mark.parametrize("name", FORMS)
def test_javascript_makes_the_same_pictures(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    photo, model = pictures((26, 37)).numpy(), folders[name] / "onnx" / "styles" / "dots.onnx"
    photo.tofile(tmp_path / "in")
    sizes = map(str, photo.shape[2:])
    subprocess.run(["node", WEB / "run.mjs", model, tmp_path / "in", tmp_path / "out", *sizes], check=True)
    found = np.fromfile(tmp_path / "out", np.float32).reshape(photo.shape)
    expected = opened(folders[name] / "onnx").picture("dots", photo)
    assert nearly(found, torch.from_numpy(expected), 1.0 if name == "plain" else 0.01)


@pytest.mark.skipif(not installed(), reason="needs OpenVINO")
def test_openvino_makes_the_same_pictures(exports: Path) -> None:
    folder, exported = exports / "onnx", opened(exports / "onnx")

    def computed(file: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(compiled(str(folder / file), "f32")(inputs)[0])

    photo = pictures((45, 70)).numpy()
    assert np.abs(computed("styles/dots.onnx", {"photo": photo}) - exported.picture("dots", photo)).max() < 0.1 * LEVEL
    features = computed("encoder.onnx", {"photo": photo})
    noise = {"noise": computed("noise.onnx", {"features": features, "seed": np.array([2**16 - 1] * 2, np.int32)})}
    weights: list[StyleWeights] = [{"dots": 0.6, "identity": 0.4}, {"encoder": 1.0}]
    kernel, bias, identity = exported.mixed(weights[0])
    maps = np.random.default_rng(0).random((2, *features.shape[2:]), np.float32)
    fused = computed(
        "apply.onnx", {"features": features, "kernel": kernel, "bias": bias, "identity": identity, **noise}
    )
    kernels, biases, identities = (np.stack(each) for each in zip(*map(exported.mixed, weights), strict=True))
    several = {"kernels": kernels, "biases": biases, "identities": identities[:, 0], "maps": maps}
    found = {
        "encoder": (features, exported.encode(photo)),
        "apply": (fused, exported.apply(features, weights[0], seed=LARGEST_SEED)),
        "regions": (
            computed("regions.onnx", {"features": features, **several, **noise}),
            exported.apply_regions(features, weights, maps, seed=LARGEST_SEED),
        ),
        "decoder": (computed("decoder.onnx", {"fused": fused}), exported.decode(fused, (48, 72))),
    }
    for made, expected in found.values():
        assert np.abs(made - expected).max() < 1e-3 * np.abs(expected).max()


# --------------------------------------------------------------------------------------- nothing overflows in float16


@pytest.mark.parametrize("norm", ["pixel", "instance", "none"])
@pytest.mark.parametrize("blocks", [0, 2])
def test_a_scaled_decoder_makes_the_same_of_scaled_features(norm: str, blocks: int) -> None:
    torch.manual_seed(0)
    config = ModelConfig(channels=CHANNELS, norm=norm, residual_blocks=blocks)  # type: ignore[arg-type]
    model = StyleBank(Architecture(model=config)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features = torch.randn(1, CHANNELS[2], 6, 7) * 100
    with torch.no_grad():
        expected, found = model.decoder(features), scaled_decoder(model.decoder, 1 / 64)(features / 64)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_filters_that_overflow_float16_are_scaled(tmp_path: Path) -> None:
    """In float16 itself, which ONNX Runtime computes in float32 on processors."""
    model = load_bank(write_bank(tmp_path / "bank", "one")).model.requires_grad_(False)
    for parameter in model.filters.parameters():
        parameter.mul_(20_000)
    photo = pictures((32, 32))
    expected = model.stylize(photo, [0]).clamp(0, 1)
    scaled = PictureGraph(model, "one", torch.float16, 2.0**-14)(photo)
    assert (scaled - expected).abs().mean() < LEVEL
    with torch.no_grad():
        plain = PictureGraph(model, "one", torch.float16, 1.0)(photo)
    assert not (plain - expected).abs().mean() < LEVEL


# ------------------------------------------------------------------------------------------------- what it says


def test_the_command_says_how_near_it_is(exports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = succeed(capsys, "export", exports / "bank", "--verify", exports / "onnx")
    for what in ("its own model, 2 styles", "kernel, 2 styles", "mixture", "regions", "identity", "agrees"):
        assert what in said
    assert "16x16 93x67" in said


def test_models_describe_themselves(exports: Path) -> None:
    manifest = json.loads((exports / "onnx" / "manifest.json").read_text("utf-8"))
    assert manifest["noise_channels"] == 2
    assert [style["name"] for style in manifest["styles"]] == ["dots", "encoder"]
    for file in (exports / "onnx").rglob("*.onnx"):
        model = onnx.load(file)
        record = manifest["models"].get(file.stem) if file.parent.name == "onnx" else manifest["picture"]
        assert [(each.domain, each.version) for each in model.opset_import if each.domain == ""] == [("", 18)]
        for record_of, values in (("inputs", model.graph.input), ("outputs", model.graph.output)):
            shapes = {
                value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
                for value in values
            }
            assert shapes == {port["name"]: port["shape"] for port in record[record_of]}
        said = {each.key: each.value for each in model.metadata_props}
        assert said["licence"] == "CC0-1.0"
        assert said["autoencoder_sha256"] == manifest["autoencoder_sha256"]
        assert model.producer_name == "stylebank"
        assert model.doc_string


def test_models_hold_nothing_of_the_machine_and_pads_are_explicit(folders: dict[str, Path]) -> None:
    for file in [file for folder in folders.values() for file in folder.rglob("*.onnx")]:
        data = file.read_bytes()
        for word in (b"site-packages", str(Path(__file__).parents[1]).encode(), b"stack_trace", b"PythonMod"):
            assert word not in data
        for node in onnx.load_from_string(data).graph.node:
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            if node.op_type == "Conv":
                assert attributes.get("auto_pad", b"NOTSET") == b"NOTSET"
                assert not any(attributes.get("pads", [0]))
            if node.op_type == "Pad":
                assert attributes["mode"] in (b"reflect", b"edge")
            assert node.op_type != "Resize"
            assert node.domain == ""
            assert node.op_type not in ("BitShift", "If", "Loop")


# ------------------------------------------------------------------------------------------------- refusals


def test_a_model_that_differs_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = write_bank(tmp_path / "bank", "dots", depth=2, width=8)  # few models
    real = graphs.scaled_filter

    def wrong(model: StyleBank, style: str, scale: float) -> torch.nn.Module:
        return real(model, style, scale * 1.5)

    monkeypatch.setattr(graphs, "scaled_filter", wrong)
    out = tmp_path / "made" / "out"
    fail(capsys, "export", bank, "--out", out, "--size", "37x26", mentions=["differ", "dots, ", "of 255"])
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize(
    ("mean", "largest", "good"), [(0.4, 3.0, True), (0.6, 3.0, False), (float("nan"), float("nan"), False)]
)
def test_limits_of_float16(mean: float, largest: float, good: bool) -> None:
    found = [parity.Comparison("mixture", (16, 16), mean, largest)]
    if good:
        parity.check(found, "float16")
    else:
        with refused(ExportError, "mixture", "mean 0.5"):
            parity.check(found, "float16")


def test_broken_folders(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(plain / "onnx", whole)
    text = (whole / "manifest.json").read_text("utf-8")

    def verify(*mentions: object) -> None:
        fail(capsys, "export", plain / "bank", "--verify", whole, mentions=mentions)

    model = (whole / "apply.onnx").read_bytes()
    (whole / "apply.onnx").write_bytes(model[:-1] + bytes([model[-1] ^ 1]))
    verify("apply.onnx", "changed or damaged")
    (whole / "apply.onnx").unlink()
    verify("apply.onnx", "missing")
    (whole / "apply.onnx").write_bytes(model)
    for broken, mention in (
        ("{", "damaged"),
        (text.replace('"format": 1', '"format": 7'), "format 7"),
        (text.replace('"apply.onnx"', '"../apply.onnx"'), "within the folder"),
        (text.replace('"precision": "float16"', '"precision": "int3"'), "precision"),
        (text.replace('"noise_channels": 0', '"noise_channels": 4'), "cannot be"),
    ):
        (whole / "manifest.json").write_text(broken, "utf-8")
        verify(mention)
    (whole / "manifest.json").unlink()
    verify("no exported bank")


def test_models_that_are_none(plain: Path, tmp_path: Path) -> None:
    shutil.copytree(plain / "onnx", tmp_path / "copy")
    exported = opened(tmp_path / "copy")
    (tmp_path / "copy" / "encoder.onnx").write_bytes(b"nothing")
    with refused(ExportError, "encoder.onnx", "ONNX Runtime"):
        exported.encode(np.zeros((1, 3, 26, 37), np.float32))


def test_a_folder_of_another_bank(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_bank(tmp_path / "other", "dots", seed=1)
    fail(capsys, "export", other, "--verify", plain / "onnx", mentions=["auto-encoder"])


def test_requests_that_cannot_be(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, out = plain / "bank", tmp_path / "out"
    fail(capsys, "export", bank, "--out", out, "--styles", "dot", mentions=["no style 'dot'", "'dots'?"])
    fail(capsys, "export", bank, "--out", out, "--size", "15", mentions=["15x15", "16 pixels"])
    fail(capsys, "export", bank, "--out", plain / "onnx", mentions=["exists"])
    fail(capsys, "export", bank, "--verify", out, mentions=["no exported bank"])
    fail(capsys, "export", bank, "--verify", plain / "onnx", "--size", "20", mentions=["--size"])
    fail(capsys, "export", tmp_path / "nothing", "--out", out, mentions=["is not a bank"])
    fail(capsys, "export", write_bank(tmp_path / "empty"), "--out", out, mentions=["no styles"])
    for options in (("--size", "big"), ("--size", "16x"), ()):
        with pytest.raises(SystemExit) as caught:
            run("export", bank, *(("--out", out) if options else ()), *options)
        assert caught.value.code == 2
    capsys.readouterr()
    assert not out.exists()


def test_the_extra_is_asked_for_before_any_work(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    needed = "onnxscript, onnxruntime: pip install 'stylebank[export]'"
    fail(capsys, "export", plain / "bank", "--out", tmp_path / "out", mentions=[needed])
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------- other forms


def test_deeper_filters_and_instance_norm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Filters of several layers are no input, so there is a model for each style alone. In float16, of any size."""
    bank = write_bank(tmp_path / "bank", "one", "two", depth=2, width=8, norm="instance")
    said = succeed(capsys, "export", bank, "--out", tmp_path / "out", "--precision", "float16")
    assert "its own model, 2 styles" in said
    assert "kernel" not in said
    assert sorted(file.name for file in (tmp_path / "out").rglob("*.onnx")) == [
        *("decoder.onnx", "encoder.onnx", "one.onnx", "two.onnx")
    ]
    assert not list((tmp_path / "out").rglob("*.safetensors"))


@pytest.mark.real_weights
def test_the_shipped_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of one size, which is translated in half the time."""
    options = ("--styles", "starry_night", "great_wave", "--precision", "float16", "--size", "93x67")
    said = succeed(capsys, "export", DEFAULT_BANK, "--out", tmp_path / "out", *options)
    assert "its own model, 2 styles" in said
