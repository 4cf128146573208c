"""int8 exports: integer convolutions, levels found on photographs, and what they cost, measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import refused
from PIL import Image
from tiny import fail, paint, run, succeed, write_bank

from stylebank.errors import ExportError
from stylebank.export import photographs, quality
from stylebank.export.layers import PaddedConv
from stylebank.export.manifest import read_export
from stylebank.export.openvino_runtime import compiled, installed
from stylebank.export.parity import pictures
from stylebank.export.quality import Quality, check_quality
from stylebank.export.quantize import QuantizedConv, quantize
from stylebank.export.runtime import ExportedBank
from stylebank.inference.stylizer import Stylizer
from stylebank.network.layers import ReflectConv2d

pytestmark = pytest.mark.timeout(900)  # exporting takes a while on a busy machine
LEVEL = 1 / 255


@pytest.fixture(scope="module", autouse=True)
def small() -> None:
    """Photographs of a size that takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "SHORT_SIDE", 48)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `bank`, and `exported`, what was made of it."""
    folder = tmp_path_factory.mktemp("int8")
    write_bank(folder / "bank", "dots", "waves", noise_channels=4)
    assert run("export", folder / "bank", "--out", folder / "exported", "--precision", "int8") == 0
    return folder


def test_pictures_are_near_and_convolutions_are_integer(folder: Path, tmp_path: Path) -> None:
    manifest = read_export(folder / "exported")
    exported = ExportedBank(folder / "exported", manifest)
    stylizer = Stylizer.load(folder / "bank", "cpu", "float32")
    photo = pictures((50, 71))
    for name in ("dots", "waves"):
        expected = stylizer.stylize(photo, name).numpy()
        found = exported.picture(name, photo.numpy())
        assert found.shape == expected.shape
        assert 0 < np.abs(found - expected).mean() < 5 * LEVEL
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{name}.onnx")
        onnxruntime.InferenceSession(folder / "exported" / "styles" / f"{name}.onnx", options)
        kinds = [node.op_type for node in onnx.load(tmp_path / f"{name}.onnx").graph.node]
        assert kinds.count("QLinearConv") == 6  # all but the last one, whose outputs become pixels
    assert exported.filters["dots"]["kernel"].dtype == np.float32


def test_every_style_has_levels_of_its_own(folder: Path) -> None:
    def weights(name: str) -> dict[str, bytes]:
        graph = onnx.load(folder / "exported" / "styles" / f"{name}.onnx").graph
        return {each.name: onnx.numpy_helper.to_array(each).tobytes() for each in graph.initializer}

    dots, waves = weights("dots"), weights("waves")
    differing = {name for name in dots if dots[name] != waves[name]}
    assert {"filter.0.packed", "filter.0.made.scale", "decoder.layers.2.0.0.seen.scale"} <= differing
    assert not any(name.startswith("encoder") for name in differing)


@pytest.mark.skipif(not installed(), reason="needs OpenVINO")
def test_openvino_makes_the_same_pictures(folder: Path) -> None:
    photo = pictures((50, 71)).numpy()
    model = compiled(str(folder / "exported" / "styles" / "dots.onnx"), "f32")
    plain = onnxruntime.SessionOptions()  # as the file has it: made integer, sums are rounded in other places
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = onnxruntime.InferenceSession(folder / "exported" / "styles" / "dots.onnx", plain).run(
        None, {"photo": photo}
    )
    # A level more or less, here and there.
    assert np.abs(np.asarray(model({"photo": photo})[0]) - np.asarray(expected[0])).mean() < LEVEL


@pytest.mark.parametrize(("bias", "largest"), [(True, 63), (False, 63), (True, 127)])
def test_rounding_is_as_coarse_as_its_levels(bias: bool, largest: int) -> None:
    torch.manual_seed(0)
    conv = PaddedConv(ReflectConv2d(3, 5, 3, bias=bias)).requires_grad_(False)
    x = torch.rand(1, 3, 20, 20) * 4 - 1
    expected, part = conv(x), torch.nn.Sequential(conv)
    quantize(part, [x], largest=largest)
    made = part[0]
    assert isinstance(made, QuantizedConv)
    assert made.packed.abs().flatten(1).amax(1).tolist() == [largest] * 5
    assert float(made.seen.scale) == pytest.approx(float(x.max() - x.min()) / 255, rel=1e-5)
    error = (part(x) - expected).abs()
    assert 0 < error.max() < 4 * float(made.made.scale)
    error = (part(torch.full((1, 3, 20, 20), 9.0)) - part(torch.full((1, 3, 20, 20), 3.5))).abs()
    assert error.max() < 1e-5  # above what was seen
    zeros = part[0].seen(torch.zeros(1, 3, 4, 4))
    assert not zeros.any()  # zero stays zero


# ------------------------------------------------------------------------------------------------- what it costs


def test_the_command_says_what_it_costs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quality.LARGEST_STYLE_LOSS, True, 9.0)  # stripes are not what these styles learned
    said = succeed(capsys, "export", folder / "bank", "--verify", folder / "exported")
    assert "float32's own pictures" in said
    [line] = [line for line in said.splitlines() if line.startswith("dots")]
    assert line.split()[1] == "1.000"
    paintings = paint(tmp_path / "paintings", "dots", "waves", "other")
    said = succeed(capsys, "export", folder / "bank", "--verify", folder / "exported", "--paintings", paintings)
    assert "of paintings" in said
    assert "agrees" in said


@pytest.mark.parametrize(
    ("painting", "gap", "content", "good"),
    [
        (True, 0.69, 1.0, True),
        (True, 0.67, 1.0, False),
        (False, 0.67, 1.0, True),
        (True, 0.70, 1.06, False),
        (True, 0.70, 0.94, False),
        (True, float("nan"), 1.0, False),
    ],
)
def test_limits(painting: bool, gap: float, content: float, good: bool) -> None:
    found = [Quality("dots", painting, (0.70, gap), (1.0, content))]
    if good:
        check_quality(found)
    else:
        with refused(ExportError, "int8 is too coarse for 'dots'", "0.700", "limits", "--calibrate"):
            check_quality(found)


def test_what_is_too_coarse_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = write_bank(tmp_path / "bank", "dots", depth=2, width=8)  # few models
    black = tmp_path / "black"
    black.mkdir()
    Image.new("RGB", (32, 32)).save(black / "a.png")
    out = tmp_path / "made" / "out"
    options = ("--precision", "int8", "--size", "64x48", "--calibrate", black)
    fail(capsys, "export", bank, "--out", out, *options, mentions=["int8"])
    assert not list(out.parent.iterdir())


def test_requests_that_cannot_be(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank, out = folder / "bank", tmp_path / "out"
    fail(capsys, "export", bank, "--out", out, "--calibrate", tmp_path, mentions=["--precision int8"])
    fail(capsys, "export", bank, "--out", out, "--paintings", tmp_path, mentions=["--precision int8"])
    fail(capsys, "export", bank, "--verify", folder / "exported", "--calibrate", tmp_path, mentions=["--calibrate"])
    (tmp_path / "empty").mkdir()
    options = ("--out", out, "--precision", "int8")
    fail(capsys, "export", bank, *options, "--calibrate", tmp_path / "empty", mentions=["empty"])
    others = paint(tmp_path / "others", "stripes")
    fail(
        *(capsys, "export", bank, "--verify", folder / "exported", "--paintings", others),
        mentions=["named like a style", "dots, waves"],
    )
    assert not out.exists()
