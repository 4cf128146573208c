"""A bank as a folder anyone can read.

    my_bank/
      bank.json                 format, architecture, ordered style names, hash of the auto-encoder, licence, metrics
      autoencoder.safetensors
      styles/NAME.safetensors   one filter each
      styles/NAME.json          where it comes from, its own hash, and the auto-encoder it belongs to
      predictor.*               predicts filters from paintings, if the bank has that: see `predictor`

Loading never runs code (weights are safetensors), every hash is checked, and what stands under its real
name is whole: see `files`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from stylebank.bank.predictor import Predictor, copy_predictor, read_predictor, write_predictor
from stylebank.bank.records import (
    AUTOENCODER,
    FORMAT,
    MANIFEST,
    STYLES,
    SUFFIXES,
    Manifest,
    StyleInfo,
    StyleRecord,
    read_manifest,
    read_standing,
    read_style_record,
    write_json,
    write_manifest,
)
from stylebank.bank.weights import Storage, fill, write_weights
from stylebank.files import new_folder
from stylebank.network.model import StyleBank

__all__ = ["Bank", "Storage", "extend_bank", "load_bank", "save_bank", "write_style"]


@dataclass
class Bank:
    """A bank in memory: the network and what is known about it."""

    model: StyleBank
    manifest: Manifest
    records: dict[str, StyleRecord]
    predictor: Predictor | None = None
    """Predicts filters from paintings, where the bank has one."""


def save_bank(
    model: StyleBank,
    folder: Path,
    infos: Mapping[str, StyleInfo],
    *,
    licence: str = "",
    metrics: Mapping[str, float] | None = None,
    measured_on: Sequence[str] = (),
    storage: Storage = "float32",
    predictor: Predictor | None = None,
) -> None:
    """Writes every part of a bank; an older bank in `folder` is replaced in one go.

    Raises:
        StyleBankError: it cannot be written; what was there before stays.
    """
    with new_folder(folder) as target:
        autoencoder = _autoencoder_state(model)
        autoencoder_hash = write_weights(autoencoder, target / AUTOENCODER, storage)
        for name, module in zip(model.names, model.filters, strict=True):
            write_style(module, target, name, infos.get(name, StyleInfo()), autoencoder_hash, storage)
        manifest = Manifest(
            format=FORMAT,
            architecture=model.architecture,
            styles=list(model.names),
            autoencoder_sha256=autoencoder_hash,
            licence=licence,
            metrics=dict(metrics or {}),
            measured_on=list(measured_on),
        )
        if predictor:
            write_predictor(predictor, target, autoencoder_hash, storage)
        write_manifest(manifest, target)


def extend_bank(source: Path, model: StyleBank, folder: Path, infos: Mapping[str, StyleInfo]) -> None:
    """Writes the bank in `source` to `folder`, with the styles of `infos`; every other file is copied byte by byte.

    A style of a name that the bank has takes its place; others come last.

    Raises:
        StyleBankError: it cannot be written; what was there before stays.
    """
    manifest = read_manifest(source)
    with new_folder(folder) as target:
        (target / STYLES).mkdir()
        shutil.copyfile(source / AUTOENCODER, target / AUTOENCODER)
        for name in set(manifest.styles).difference(infos):
            for suffix in SUFFIXES:
                shutil.copyfile(source / STYLES / f"{name}{suffix}", target / STYLES / f"{name}{suffix}")
        for name, info in infos.items():
            module = model.filters[model.names.index(name)]
            write_style(module, target, name, info, manifest.autoencoder_sha256, "float32")
        copy_predictor(source, target)
        write_manifest(manifest.model_copy(update={"styles": list(dict.fromkeys([*manifest.styles, *infos]))}), target)


def add_predictor(source: Path, predictor: Predictor, folder: Path) -> None:
    """Writes the bank in `source` with this predictor to `folder`; every other file is copied byte by byte.

    Raises:
        StyleBankError: it cannot be written; what was there before stays.
    """
    manifest = read_manifest(source)
    with new_folder(folder) as target:
        (target / STYLES).mkdir()
        names = [AUTOENCODER, MANIFEST, *(f"{STYLES}/{name}{end}" for name in manifest.styles for end in SUFFIXES)]
        for name in names:
            shutil.copyfile(source / name, target / name)
        write_predictor(predictor, target, manifest.autoencoder_sha256, "float32")


def write_style(
    module: nn.Module, folder: Path, name: str, info: StyleInfo, autoencoder_hash: str, storage: Storage
) -> None:
    """Writes one filter and its record into the bank folder `folder` (its manifest is not touched)."""
    digest = write_weights(module.state_dict(), folder / STYLES / f"{name}.safetensors", storage)
    record = StyleRecord(name=name, sha256=digest, autoencoder_sha256=autoencoder_hash, **info.model_dump())
    write_json(record, folder / STYLES / f"{name}.json")


def load_bank(folder: Path) -> Bank:
    """Reads a bank and checks every hash. A bank that a training run replaces meanwhile is read again.

    Raises:
        BankError: something is missing, damaged, of a newer format, or belongs to another auto-encoder.
    """
    return read_standing(folder, _load)


def _load(folder: Path, manifest: Manifest) -> Bank:
    with torch.device("meta"):  # no memory yet: sizes in a file prove nothing until the weights are read
        model = StyleBank(manifest.architecture, manifest.styles)
    fill(_AutoEncoder(model), folder / AUTOENCODER, manifest.autoencoder_sha256)
    records = {}
    for name, module in zip(manifest.styles, model.filters, strict=True):
        records[name] = read_style_record(folder, name, manifest.autoencoder_sha256)
        fill(module, folder / STYLES / f"{name}.safetensors", records[name].sha256)
    return Bank(model.eval(), manifest, records, read_predictor(folder, manifest))


class _AutoEncoder(nn.Module):
    """Encoder and decoder under the key names of `autoencoder.safetensors`."""

    def __init__(self, model: StyleBank) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder


def _autoencoder_state(model: StyleBank) -> dict[str, Tensor]:
    return _AutoEncoder(model).state_dict()
