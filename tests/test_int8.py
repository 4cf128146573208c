"""Stylizing in int8: what the bank makes, nearly, with everything that a stylizer can do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import refused
from onnx import helper
from PIL import Image
from tiny import CHANNELS, config, fail, pixels, succeed, write_bank

from stylebank.bank.io import save_bank
from stylebank.bank.records import StyleInfo
from stylebank.config import Architecture, ModelConfig
from stylebank.errors import ConfigError
from stylebank.export import fast
from stylebank.export.openvino_runtime import installed
from stylebank.export.parity import pictures
from stylebank.inference.stylizer import Stylizer
from stylebank.network.model import StyleBank

LEVEL = 1 / 255
needs_openvino = pytest.mark.skipif(not installed(), reason="needs OpenVINO")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("int8") / "bank", "dots", "waves", noise_channels=4)


@pytest.fixture(scope="module")
def stylizer(bank: Path) -> Stylizer:
    return fast.load_int8(bank)


@needs_openvino
@pytest.mark.parametrize("size", [(16, 16), (67, 93), (98, 31)])
def test_any_size_and_batch(bank: Path, stylizer: Stylizer, size: tuple[int, int]) -> None:
    photo = pictures(size, 2)
    expected = Stylizer.load(bank, "cpu", "float32").stylize(photo, "dots")
    found = stylizer.stylize(photo, "dots")
    assert found.shape == expected.shape
    assert 0 < (found - expected).abs().mean() < 5 * LEVEL


@needs_openvino
def test_mixtures_masks_seeds_and_tiles(bank: Path, stylizer: Stylizer) -> None:
    photo, mask = pictures((150, 170)), torch.zeros(150, 170)
    mask[40:, 60:130] = 0.8
    plain = Stylizer.load(bank, "cpu", "float32")
    for style, options in (
        ({"dots": 0.6, "waves": 0.4}, {"alpha": 0.7, "seed": 3}),
        ("dots", {"masks": {"waves": mask}}),
        ("identity", {}),
    ):
        expected, found = (each.stylize(photo, style, **options) for each in (plain, stylizer))
        assert (found - expected).abs().mean() < 5 * LEVEL
    whole, tiled = stylizer.stylize(photo, "dots"), stylizer.stylize(photo, "dots", tile=64)
    assert (whole - tiled).abs().mean() < LEVEL


@needs_openvino
def test_the_command(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray((pictures((40, 60))[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save(tmp_path / "a.png")
    ask = ("stylize", "--bank", bank, "--style", "dots", "--input", tmp_path / "a.png", "--device", "cpu")
    for precision in ("int8", "float32"):
        succeed(capsys, *ask, "--output", tmp_path / f"{precision}.png", "--precision", precision)
    found, expected = (pixels(tmp_path / f"{name}.png").astype(float) for name in ("int8", "float32"))
    assert 0 < np.abs(found - expected).mean() < 5


@needs_openvino
def test_what_int8_is_not_for(bank: Path, tmp_path: Path) -> None:
    with refused(ConfigError, "cuda"):
        fast.load_int8(bank, "cuda")
    architecture = Architecture(model=ModelConfig(channels=CHANNELS, norm="instance"))
    infos = {"dots": StyleInfo(settings=config().style_settings())}
    save_bank(StyleBank(architecture, ["dots"]), tmp_path / "bank", infos)
    with refused(ConfigError, "norm instance"):
        fast.load_int8(tmp_path / "bank")


def test_the_extra_is_asked_for(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    fail(
        *(capsys, "stylize", "--bank", bank, "--style", "dots", "--input", tmp_path / "a.png"),
        *("--output", tmp_path / "b.png", "--precision", "int8"),
        mentions=["int8 needs openvino: pip install 'stylebank[fast]'"],
    )
    assert not (tmp_path / "b.png").exists()


@needs_openvino
def test_signals_are_survived_when_models_are_gone(tmp_path: Path) -> None:
    """Handlers run on a stack that OpenVINO has laid, and must not have taken away."""
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    code = (
        "import faulthandler, gc, signal, sys; from stylebank.export.openvino_runtime import compiled\n"
        "faulthandler.enable(); models = [compiled(sys.argv[1], 'f32') for _ in range(2)]\n"
        "models.reverse(); models.clear(); gc.collect()  # the older one first\n"
        "signal.signal(signal.SIGINT, lambda *_: print('handled'))\n"
        "signal.raise_signal(signal.SIGINT)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr


def test_nothing_is_told_to_anybody() -> None:
    """OpenVINO's telemetry is not there for it, whether it is installed or not."""
    if installed():
        from stylebank.export.openvino_runtime import openvino

        openvino()
        assert sys.modules["openvino_telemetry"] is None
