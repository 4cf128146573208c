"""Generated data for all tests: photographs, paintings and loss-network weights; nothing is downloaded."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import settings
from PIL import Image
from torch import nn

from stylebank.errors import StyleBankError
from stylebank.losses.vgg import LossNetwork
from stylebank.losses.weights import WEIGHTS_VARIABLE, Network

torch.set_num_threads(1)
settings.register_profile("stylebank", deadline=None, derandomize=True, database=None, max_examples=25)
settings.load_profile("stylebank")


@pytest.fixture(scope="session", autouse=True)
def _no_lines_of_progress() -> Iterator[None]:
    """However slow a machine is, what is said is what the test is about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.bars.FIRST_LINE", 3600.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_disks() -> Iterator[None]:
    """No test outlives a power cut: instead of being written through, a descriptor is only looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="module", autouse=True)
def _little_to_clear_up() -> None:
    """Whoever collects garbage, as every training does, need not look at all that was there before the tests."""
    gc.collect()
    gc.freeze()


@contextmanager
def refused(kind: type[StyleBankError], *mentions: object) -> Iterator[None]:
    """The block fails with an error for users: one line, which says all of `mentions`."""
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    assert message
    assert "\n" not in message
    for mention in mentions:
        assert str(mention) in message


# ------------------------------------------------------------------------------------------------- pictures


def _drawings(width: int, height: int) -> dict[str, np.ndarray]:
    """Pictures of different kinds, each (height, width, 3) in [0, 1]."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    disc = ((x - 0.4) ** 2 + (y - 0.5) ** 2 < 0.07).astype(float)
    squares = ((np.arange(width) // 8)[None] + (np.arange(height) // 8)[:, None]) % 2
    coarse = rng.random((height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    return {
        "gradient": np.stack([x, y, 1 - x], -1),
        "stripes": np.stack([0.5 + 0.5 * np.sin(x * 40), 0.3 + 0.2 * x, y], -1),
        "waves": np.stack([0.5 + 0.5 * np.sin(y * 25 + 6 * x), 0.5 + 0.5 * np.cos(x * 12), 0.4 + 0 * x], -1),
        "noise": rng.random((height, width, 3)),
        "patches": coarse,
        "disc": np.stack([disc, 0.6 * disc + 0.2, 1 - disc], -1),
        "squares": np.stack([squares, 0.8 * squares, 0.5 + 0 * x], -1),
        "dusk": np.stack([0.2 + 0.1 * y, 0.1 + 0.1 * x, 0.3 * (1 - y) + 0.3 * disc], -1),
    }


def _draw(folder: Path, width: int, height: int, suffix: str) -> Path:
    folder.mkdir()
    for name, drawing in _drawings(width, height).items():
        Image.fromarray((drawing * 255).astype(np.uint8)).save(folder / f"{name}{suffix}", quality=92)
    return folder


@pytest.fixture(scope="session")
def _photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _draw(tmp_path_factory.mktemp("made") / "photos", 96, 80, ".jpg")


@pytest.fixture
def photos(_photos: Path, tmp_path: Path) -> Path:
    """A folder of eight JPEGs, 96x80; a copy, so that a test may damage it."""
    return Path(shutil.copytree(_photos, tmp_path / "photos"))


@pytest.fixture
def style_images(tmp_path: Path) -> Path:
    """A folder of three PNG paintings, 72x64: patches, squares and waves."""
    folder = _draw(tmp_path / "styles", 72, 64, ".png")
    for file in folder.iterdir():
        if file.stem not in {"patches", "squares", "waves"}:
            file.unlink()
    return folder


# --------------------------------------------------------------------------------------------- loss network


def write_vgg(path: Path, network: Network, deepest: str = "relu4_2") -> Path:
    """Random He-initialised weights of a VGG up to a layer, under torchvision's key names, in float16."""
    model = LossNetwork(network, [deepest])
    generator = torch.Generator().manual_seed(0)
    for layer in model.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.normal_(layer.bias, std=0.05, generator=generator) if layer.bias is not None else None
    safetensors.torch.save_file({key: value.half() for key, value in model.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def random_vgg_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random VGG-19 weights up to relu4_2; VGG-19 is the configuration's default."""
    return write_vgg(tmp_path_factory.mktemp("weights") / "vgg19.safetensors", "vgg19")


# ------------------------------------------------------------------------------------------------- exports


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `bank` that has noise, and two of its styles as models: `onnx` and, where it is, `openvino`.

    OpenVINO's files are made of the same ONNX models, so each is translated once.
    """
    from tiny import run, write_bank

    from stylebank.export import onnx_models, openvino_models
    from stylebank.export.openvino_runtime import installed

    folder, translated = tmp_path_factory.mktemp("exports"), dict[str, Any]()

    def made(module: nn.Module, inputs: Any, output: Any, about: Mapping[str, str]) -> Any:
        if about["name"] not in translated:
            translated[about["name"]] = onnx_models.to_onnx(module, inputs, output, about)
        return translated[about["name"]]

    write_bank(folder / "bank", "encoder", "waves", "dots", noise_channels=2)  # one of them like a part of the network
    with pytest.MonkeyPatch.context() as patch:
        for module in (onnx_models, openvino_models):
            patch.setattr(module, "made", made)
        for kind in ("onnx", "openvino") if installed() else ("onnx",):
            options = ("--format", kind, "--styles", "dots", "encoder")
            assert run("export", folder / "bank", "--out", folder / kind, *options) == 0
    return folder


# ------------------------------------------------------------------------------------------------- whoever runs them


@pytest.fixture(autouse=True)
def _no_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have set the variable."""
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
