"""The smallest runs and banks that are still whole, for the end-to-end tests."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from stylebank.bank.io import add_predictor, load_bank, save_bank
from stylebank.bank.predictor import Predictor, PredictorInfo
from stylebank.bank.records import StyleInfo
from stylebank.cli import main
from stylebank.config import Architecture, BankConfig, Config, ModelConfig, PredictorConfig
from stylebank.config_files import dump_config, load_config, parse_overrides
from stylebank.network.model import StyleBank
from stylebank.network.predictor import FilterPredictor
from stylebank.styles import find_styles
from stylebank.training.hooks import Hooks
from stylebank.training.run_folder import RunFolder
from stylebank.training.state import load_training_state
from stylebank.training.task import more_styles, new_bank
from stylebank.training.trainer import Trainer
from stylebank.training.training_run import TrainingRun

CHANNELS = (8, 8, 16)
TREE: dict[str, dict[str, Any]] = {
    "model": {"channels": list(CHANNELS)},
    "loss": {"content_layers": ["relu2_2"], "style_layers": ["relu1_2", "relu2_2"]},
    "data": {"style_size": 32, "content_size": 40, "min_side": 16, "held_out": 1, "workers": 0},
    "train": {
        "steps": 8,
        "batch_size": 2,
        "crop_size": 32,
        "identity_pretrain_steps": 2,
        "warmup_steps": 2,
        "precision": "float32",
        "log_every": 3,
        "checkpoint_every": 4,
        "preview_every": 4,
    },
}


def config(*overrides: str) -> Config:
    """A run of eight steps: identity, identity, then the cycle stylizing, stylizing, identity twice."""
    return load_config(None, parse_overrides(overrides), base=TREE)


def config_file(path: Path, *overrides: str) -> Path:
    path.write_text(dump_config(config(*overrides)), encoding="utf-8")
    return path


def paint(folder: Path, *names: str, size: tuple[int, int] = (48, 40)) -> Path:
    """A folder of paintings (PNG), each of colours and stripes of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    for name in names:
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        rng = np.random.default_rng(seed)
        waves = np.sin(x[..., None] * rng.uniform(0.1, 1, 3) + y[..., None] * rng.uniform(0.1, 1, 3))
        pixels = rng.uniform(60, 190, 3) + 60 * waves
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def write_bank(folder: Path, *names: str, seed: int = 0, licence: str = "CC0-1.0", **form: Any) -> Path:
    """An untrained bank whose styles look different from each other."""
    torch.manual_seed(seed)
    model = StyleBank(Architecture(model=ModelConfig(channels=CHANNELS), bank=BankConfig(**form)), names)
    for module in model.filters:
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    infos = {
        name: StyleInfo(title=name.capitalize(), settings=config().style_settings(), images=7, metrics={"gap": 0.5})
        for name in names
    }
    save_bank(model, folder, infos, licence=licence, metrics={"identity_psnr": 20.5})
    return folder


def with_predictor(bank: Path, folder: Path) -> Path:
    """A bank with an untrained predictor."""
    form, layers = PredictorConfig(rank=4, width=8, compressed=2), {"relu1_2": 64, "relu2_2": 128}
    network = FilterPredictor(load_bank(bank).manifest.architecture, form, layers)
    info = PredictorInfo(form=form, layers=layers, settings=config().style_settings())
    add_predictor(bank, Predictor(network, info), folder)
    return folder


def trainer(
    content: Path, styles: Path, weights: Path, out: Path, *overrides: str, bank: Path | None = None, **options: Any
) -> Trainer:
    """A trainer that has not begun, of a new bank or (with `bank`) of styles added to one."""
    settings = config(f"data.content={content.as_posix()!r}", *overrides)
    sources = find_styles([styles])
    task = more_styles(bank, settings, sources) if bank else new_bank(settings, sources)
    return Trainer(TrainingRun(settings, task, RunFolder(out), torch.device("cpu"), weights, **options))


# ------------------------------------------------------------------------------------------------ looking at


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file under a folder: relative name -> contents."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def tensors(value: Any, place: str = "") -> dict[str, Tensor]:
    """Every tensor and number in nested dictionaries and lists, by place."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: x for name, inner in items for key, x in tensors(inner, f"{place}/{name}").items()}
    if isinstance(value, bool | int | float | Tensor):
        return {place: torch.as_tensor(value)}
    return {}


def assert_same_state(one: Path, other: Path) -> None:
    """Two runs stand at the same point, bit by bit: weights, optimizers, step, and the last gradient norm."""
    states = []
    for folder in (one, other):
        state = load_training_state(folder / "state.pt")
        del state["seconds"], state["losses"]  # of the clock, and of the windows the log happened to have
        states.append(tensors(state))
    assert states[0].keys() == states[1].keys()
    different = [place for place, value in states[0].items() if not torch.equal(value, states[1][place])]
    assert not different


# ------------------------------------------------------------------------------------------------- commands


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def succeed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs a command that must work, and returns what it printed."""
    code = run(*arguments)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def fail(capsys: pytest.CaptureFixture[str], *arguments: object, mentions: Sequence[object] = (), code: int = 1) -> str:
    """Runs a command that must be refused with one line on stderr, and returns that line.

    Args:
        code: the exit code that it must have; 2 is wrong usage.
    """
    ended = run(*arguments)
    error = capsys.readouterr().err
    assert ended == code, error
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.strip()]
    assert len(lines) == 1, error
    assert lines[0].startswith("Error: ")
    for mention in mentions:
        assert str(mention) in lines[0], lines[0]
    return lines[0]


def signal_at(monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals = signal.SIGINT) -> None:
    """Sends this process a signal in the middle of one training step (counted from 0)."""
    update_begins = Hooks.update_begins

    def _update_begins(self: Hooks, run: TrainingRun, identity: bool) -> None:
        if run.step == step:
            signal.raise_signal(number)
        update_begins(self, run, identity)

    monkeypatch.setattr(Hooks, "update_begins", _update_begins)
