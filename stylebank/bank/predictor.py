"""The part of a bank that predicts filters from paintings: two files beside `bank.json`, and not every bank has them.

my_bank/
predictor.safetensors     the weights of `network.predictor.FilterPredictor`
predictor.json            its form, its own hash, the auto-encoder it belongs to, what it was trained with
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from stylebank.bank.records import Manifest, Record, check_hash, read_json, write_json
from stylebank.bank.weights import Storage, fill, write_weights
from stylebank.config import PredictorConfig
from stylebank.errors import BankError
from stylebank.network.predictor import FilterPredictor

WEIGHTS, RECORD = "predictor.safetensors", "predictor.json"
FILES = (WEIGHTS, RECORD)
LARGEST = 2**12  # of every number that a predictor is built from


class PredictorInfo(Record):
    """What is known about a predictor beside its weights."""

    form: PredictorConfig
    layers: dict[str, int]
    """Of the loss network, and how many channels each has."""
    size: float = Field(default=0, ge=0, allow_inf_nan=False)
    """Of every kernel, see `FilterPredictor`; 0 in records from before there was one."""
    largest_bias: float = Field(default=0, ge=0, allow_inf_nan=False)
    """As `size`."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Of its training: the sections `loss`, `data` and `train`, as for a style."""
    paintings: int = 0
    """How many it learned from."""
    unfinished: str = ""
    """As of a style."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Means over paintings and photographs that it has not seen."""


class PredictorRecord(PredictorInfo):
    """The contents of `predictor.json`."""

    sha256: str
    """Of predictor.safetensors."""
    autoencoder_sha256: str


@dataclass
class Predictor:
    """A predictor in memory."""

    network: FilterPredictor
    info: PredictorInfo


def write_predictor(predictor: Predictor, folder: Path, autoencoder_hash: str, storage: Storage) -> None:
    """Writes both files into a bank's folder."""
    digest = write_weights(predictor.network.state_dict(), folder / WEIGHTS, storage)
    known = predictor.info.model_dump(include=set(PredictorInfo.model_fields))
    write_json(PredictorRecord(sha256=digest, autoencoder_sha256=autoencoder_hash, **known), folder / RECORD)


def read_predictor_info(folder: Path) -> PredictorInfo | None:
    """What is known about a bank's predictor, without its weights; None if it has none. Raises BankError."""
    return read_json(folder / RECORD, PredictorRecord) if (folder / RECORD).exists() else None


def read_predictor(folder: Path, manifest: Manifest) -> Predictor | None:
    """The predictor of the bank in a folder; None if it has none.

    Raises:
        BankError: it is damaged, or belongs to another auto-encoder or architecture.
    """
    if not any((folder / name).exists() for name in FILES):
        return None
    record = read_json(folder / RECORD, PredictorRecord)
    if record.autoencoder_sha256 != manifest.autoencoder_sha256:
        raise BankError(
            f"The predictor in {folder} was trained on auto-encoder {record.autoencoder_sha256[:12]}..., but the bank "
            f"has {manifest.autoencoder_sha256[:12]}...; it only works with its own."
        )
    check_hash(folder / WEIGHTS, record.sha256)
    if max(record.form.rank, record.form.width, *record.layers.values()) > LARGEST or not record.form.rank:
        raise BankError(f"{folder / RECORD} is damaged: no predictor can be built with these numbers.")
    network = FilterPredictor(manifest.architecture, record.form, record.layers, record.size, record.largest_bias)
    fill(network, folder / WEIGHTS, record.sha256, f"the form in {RECORD}")
    return Predictor(network.eval().requires_grad_(False), record)


def copy_predictor(source: Path, folder: Path) -> None:
    """Copies a bank's predictor, if it has one, byte by byte to a bank with the same auto-encoder."""
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
