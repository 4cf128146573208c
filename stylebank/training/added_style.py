"""What a style that is added is trained with where nothing else is asked for: how long, how fast, from what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylebank.bank.find import find_bank
from stylebank.bank.io import load_bank
from stylebank.bank.predictor import read_predictor_info
from stylebank.bank.records import read_manifest, read_style_record, trained_with
from stylebank.config import Config, TrainConfig
from stylebank.errors import ConfigError
from stylebank.losses.weights import held_network
from stylebank.styles import find_styles
from stylebank.training.optimizer import MUON_STEP
from stylebank.training.request import TrainRequest
from stylebank.training.task import Start

ADDED_STYLE_BATCH = 2  # crops at most: a bank may have been trained on a GPU, and the style is added on a laptop
ADDED_STYLE_CROP = 192  # pixels at most: larger ones bring little and take long (docs/training.md)
ADDED_STYLE_STEPS = 1000  # "around 1,000 iterations", Chen et al. 2017, section 3.4
KERNEL_STEP = 0.05  # of a kernel's root mean square, how far a step goes
KEPT_PIXELS = 1000 * 128**2  # about 0.7 GB with what is made of them: larger crops and batches must not fill the memory


def settings_of(request: TrainRequest) -> dict[str, dict[str, Any]] | None:
    """An added style starts from the settings its bank was trained with."""
    if not request.add_style or not request.bank or request.config:
        return None
    bank = find_bank(request.bank)
    manifest = read_manifest(bank)
    if not manifest.styles:
        return {"train": {"steps": ADDED_STYLE_STEPS}}
    record = read_style_record(bank, _like(request, manifest.styles), manifest.autoencoder_sha256)
    settings, train = record.settings, trained_with(record).train
    side, steps = min(train.crop_size, ADDED_STYLE_CROP), _steps_asked(request)
    batch = min(train.batch_size, ADDED_STYLE_BATCH)
    quicker: dict[str, Any] = {
        "steps": steps,
        "batch_size": batch,
        "crop_size": side,
        "small_crop_steps": steps // 2 if side >= 32 else 0,
        "warmup_steps": min(train.warmup_steps, steps // 20),
        "kept_batches": max(1, KEPT_PIXELS // (batch * side**2)),
    }
    if manifest.architecture.bank.linear:
        quicker["fixed_norm"] = True
        if request.start != "own":  # which is near its best already
            quicker["lr"] = _rate(bank, train)
    loss = dict(settings.get("loss", {}))
    if request.start != "own":
        loss.pop("strengths", None)  # of other styles
    return {**settings, "loss": loss, "train": {**settings.get("train", {}), **quicker}}


def _like(request: TrainRequest, styles: Sequence[str]) -> str:
    """The style whose settings are taken: the bank's first, or the one that is trained on."""
    if request.start != "own":
        return styles[0]
    names = request.names or [source.name for source in find_styles(request.add_style)]
    return next((name for name in names if name in styles), styles[0])


def _rate(bank: Path, train: TrainConfig) -> float:
    """The learning rate at which a step changes a kernel by a twentieth, as its norm is fixed."""
    model = load_bank(bank).model
    kernel = next(model.filters[0].parameters())
    step = KERNEL_STEP * model.kernel_norm() / math.sqrt(kernel.numel())
    return min(1.0, float(f"{step / (MUON_STEP if train.optimizer == 'muon' else 1):.2g}"))


def _steps_asked(request: TrainRequest) -> int:
    """How long an added style is to be trained; what is no number of steps is refused with the configuration."""
    steps = request.overrides.get("train", {}).get("steps")
    return steps if isinstance(steps, int) and steps > 0 else ADDED_STYLE_STEPS


def in_form_of_bank(request: TrainRequest, config: Config) -> Config:
    """With the network that is there, where one is trained on as it is: a configuration may be of another."""
    if not request.bank:
        return config
    bank = find_bank(request.bank)
    form = read_manifest(bank).architecture
    for section in ("model", "bank"):
        there = getattr(form, section)
        for key in request.overrides.get(section, {}):
            if getattr(getattr(config, section), key) != (value := getattr(there, key)):
                raise ConfigError(f"{section}.{key} is {value} in {bank}, whose network stays as it is: leave it out.")
    return config.model_copy(update={"model": form.model, "bank": form.bank})


def start_of(request: TrainRequest, config: Config) -> Start:
    """Fifty steps from a prediction come nearer to the painting than a hundred from the identity (docs/instant.md)."""
    if request.start != "auto":
        return request.start
    info = read_predictor_info(find_bank(request.bank)) if request.bank and request.add_style else None
    if not info:
        return "identity"
    trains = held_network(request.loss_weights) or config.loss.network
    return "predicted" if info.settings.get("loss", {}).get("network") == trains else "identity"
