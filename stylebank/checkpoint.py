"""A bank as a folder anyone can read, and the training state beside it.

    my_bank/
      bank.json                 format, architecture, ordered style names, hash of the auto-encoder, licence, metrics
      autoencoder.safetensors
      styles/NAME.safetensors   one filter each
      styles/NAME.json          where it comes from, its own hash, and the auto-encoder it belongs to

Loading never runs code (safetensors, or `weights_only`), every hash is checked, and what stands under its real
name is whole: see `files`.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from stylebank.errors import BankError, ConfigError, TrainingError
from stylebank.files import new_file, new_folder, settle_folder, sha256_of
from stylebank.model import Architecture, StyleBank
from stylebank.styles import check_name

FORMAT = 1
MANIFEST = "bank.json"
AUTOENCODER = "autoencoder.safetensors"
STYLES = "styles"
SUFFIXES = (".safetensors", ".json")  # of the two files of a style
Storage = Literal["float32", "float16"]


class _Record(BaseModel):
    # A metric may be infinite (the PSNR of equal pictures); JSON has no number for that.
    model_config = ConfigDict(extra="forbid", strict=False, ser_json_inf_nan="strings")


class _Version(BaseModel):
    """What every format of `bank.json` has; a newer one may have anything else beside it."""

    format: int


class StyleInfo(_Record):
    """What is known about a style beside its weights."""

    title: str = ""
    source_sha256: str = ""
    """Hash of the pictures it was learned from."""
    settings: dict[str, dict[str, Any]] = {}
    """The parts of its training configuration that a style added later should share."""
    images: int = 0
    """Training crops this filter has seen."""
    metrics: dict[str, float] = {}
    measured_on: list[str] = []
    """The photographs of the metrics: the beginnings of their files' SHA-256."""


class StyleRecord(StyleInfo):
    """The contents of `styles/NAME.json`."""

    name: str
    sha256: str
    """Of NAME.safetensors."""
    autoencoder_sha256: str


class Manifest(_Record):
    """The contents of `bank.json`."""

    format: int
    architecture: Architecture
    styles: list[str]
    autoencoder_sha256: str
    licence: str = ""
    metrics: dict[str, float] = {}
    measured_on: list[str] = []
    """The photographs of the metrics, as in `StyleInfo`."""

    @field_validator("architecture")
    @classmethod
    def _can_be_built(cls, arch: Architecture) -> Architecture:
        numbers = (*arch.channels, arch.width, arch.kernel_size, arch.depth, arch.residual_blocks + 1)
        layers = max(arch.depth, arch.residual_blocks)
        if min(numbers) < 1 or max(numbers) > 2**16 or arch.kernel_size % 2 == 0 or layers > 64:
            raise ValueError("no network can be built with these numbers")
        return arch


@dataclass
class Bank:
    """A bank in memory: the network and what is known about it."""

    model: StyleBank
    manifest: Manifest
    records: dict[str, StyleRecord]


_R = TypeVar("_R", bound=BaseModel)


def save_bank(
    model: StyleBank,
    folder: Path,
    infos: Mapping[str, StyleInfo],
    *,
    licence: str = "",
    metrics: Mapping[str, float] | None = None,
    measured_on: Sequence[str] = (),
    storage: Storage = "float32",
) -> None:
    """Writes every part of a bank; an older bank in `folder` is replaced in one go.

    Raises:
        StyleBankError: it cannot be written; what was there before stays.
    """
    with new_folder(folder) as target:
        autoencoder = _autoencoder_state(model)
        autoencoder_hash = _write_weights(autoencoder, target / AUTOENCODER, storage)
        for name, module in zip(model.names, model.filters, strict=True):
            write_style(module, target, name, infos.get(name, StyleInfo()), autoencoder_hash, storage)
        manifest = Manifest(
            format=FORMAT,
            architecture=model.arch,
            styles=list(model.names),
            autoencoder_sha256=autoencoder_hash,
            licence=licence,
            metrics=dict(metrics or {}),
            measured_on=list(measured_on),
        )
        write_json(manifest, target / MANIFEST)


def extend_bank(source: Path, model: StyleBank, folder: Path, infos: Mapping[str, StyleInfo]) -> None:
    """Writes the bank in `source` plus the new styles of `infos` to `folder`; every old file is copied byte by byte.

    Raises:
        StyleBankError: it cannot be written; what was there before stays.
    """
    manifest = read_manifest(source)
    with new_folder(folder) as target:
        (target / STYLES).mkdir()
        shutil.copyfile(source / AUTOENCODER, target / AUTOENCODER)
        for name in manifest.styles:
            for suffix in SUFFIXES:
                shutil.copyfile(source / STYLES / f"{name}{suffix}", target / STYLES / f"{name}{suffix}")
        for name, info in infos.items():
            module = model.filters[model.names.index(name)]
            write_style(module, target, name, info, manifest.autoencoder_sha256, "float32")
        write_json(manifest.model_copy(update={"styles": [*manifest.styles, *infos]}), target / MANIFEST)


def write_style(
    module: nn.Module, folder: Path, name: str, info: StyleInfo, autoencoder_hash: str, storage: Storage
) -> None:
    """Writes one filter and its record into the bank folder `folder` (its manifest is not touched)."""
    digest = _write_weights(module.state_dict(), folder / STYLES / f"{name}.safetensors", storage)
    record = StyleRecord(name=name, sha256=digest, autoencoder_sha256=autoencoder_hash, **info.model_dump())
    write_json(record, folder / STYLES / f"{name}.json")


def find_bank(path: Path) -> Path:
    """The bank folder a user means: the folder itself, or the `bank` inside a run folder.

    Raises:
        BankError: neither holds a bank.
    """
    for folder in (path, path / "bank"):
        settle_folder(folder)
        if (folder / MANIFEST).is_file():
            return folder
    there = "holds no bank.json" if path.exists() else "does not exist"
    raise BankError(f"{path} is not a bank: it {there}.")


def load_bank(folder: Path) -> Bank:
    """Reads a bank and checks every hash. A bank that a training run replaces meanwhile is read again.

    Raises:
        BankError: something is missing, damaged, of a newer format, or belongs to another auto-encoder.
    """
    while True:
        manifest = read_manifest(folder)
        try:
            return _load(folder, manifest)
        except BankError:
            if read_manifest(folder) == manifest:
                raise


def _load(folder: Path, manifest: Manifest) -> Bank:
    with torch.device("meta"):  # no memory yet: sizes in a file prove nothing until the weights are read
        model = StyleBank(manifest.architecture, manifest.styles)
    _check_hash(folder / AUTOENCODER, manifest.autoencoder_sha256)
    _fill(_AutoEncoder(model), folder / AUTOENCODER)
    records = {}
    for name, module in zip(manifest.styles, model.filters, strict=True):
        records[name] = read_style_record(folder, name, manifest.autoencoder_sha256)
        _fill(module, folder / STYLES / f"{name}.safetensors")
    return Bank(model.eval(), manifest, records)


def read_manifest(folder: Path) -> Manifest:
    """Reads `bank.json` and checks format and style names.

    Raises:
        BankError: it is missing, damaged or of a newer format.
    """
    version = _read_json(folder / MANIFEST, _Version).format
    if version != FORMAT:
        raise BankError(f"{folder} has format {version}, but this version reads format {FORMAT}.")
    manifest = _read_json(folder / MANIFEST, Manifest)
    try:
        for name in manifest.styles:
            check_name(name)
    except ConfigError as error:
        raise BankError(f"{folder / MANIFEST}: {error}") from error
    if len(set(manifest.styles)) != len(manifest.styles):
        raise BankError(f"{folder / MANIFEST} names a style twice.")
    return manifest


def read_style_record(folder: Path, name: str, autoencoder_hash: str) -> StyleRecord:
    """Reads `styles/NAME.json` of a bank folder, checks the filter's hash and that it fits the auto-encoder.

    Raises:
        BankError: it is missing, damaged, or was trained on another auto-encoder.
    """
    record = _read_json(folder / STYLES / f"{name}.json", StyleRecord)
    if record.name != name:
        raise BankError(f"{folder / STYLES / name}.json describes the style {record.name!r}, not {name!r}.")
    if record.autoencoder_sha256 != autoencoder_hash:
        raise BankError(
            f"Style '{name}' in {folder} was trained on auto-encoder {record.autoencoder_sha256[:12]}..., "
            f"but the bank has {autoencoder_hash[:12]}...; a filter only works with its own auto-encoder."
        )
    _check_hash(folder / STYLES / f"{name}.safetensors", record.sha256)
    return record


def write_json(record: BaseModel, path: Path) -> None:
    """Writes a record as indented JSON, whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def save_training_state(state: Mapping[str, Any], path: Path) -> None:
    """Writes the state of a run, whole or not at all."""
    buffer = io.BytesIO()  # torch's own writer hides why the disk refused
    torch.save(dict(state), buffer)
    with new_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_training_state(path: Path) -> dict[str, Any]:
    """Reads what `save_training_state` wrote; never runs code.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise TrainingError(f"There is nothing to resume: {path} does not exist.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # garbage makes the unpickler raise nearly anything
        raise TrainingError(f"The training state {path} is damaged and cannot be resumed.") from error
    return state


class _AutoEncoder(nn.Module):
    """Encoder and decoder under the key names of `autoencoder.safetensors`."""

    def __init__(self, model: StyleBank) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder


def _autoencoder_state(model: StyleBank) -> dict[str, Tensor]:
    return _AutoEncoder(model).state_dict()


def _write_weights(state: Mapping[str, Tensor], path: Path, storage: Storage) -> str:
    """Writes tensors as safetensors and returns the file's hash."""
    dtype = {"float32": torch.float32, "float16": torch.float16}[storage]
    tensors = {key: value.detach().to("cpu", dtype).contiguous() for key, value in state.items()}
    with new_file(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))
    return sha256_of(path)


def _fill(module: nn.Module, path: Path) -> None:
    """Loads a safetensors file into a module of exactly the same keys and shapes."""
    try:
        state = {key: value.to(torch.float32, copy=True) for key, value in safetensors.torch.load_file(path).items()}
        module.load_state_dict(state, assign=True)
    except SafetensorError as error:
        raise BankError(f"{path} is damaged: {error}.") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n")[1:2]).strip()
        raise BankError(f"{path} does not fit the architecture in {MANIFEST}: {reason}") from error
    bad = [key for key, value in state.items() if not value.isfinite().all()]
    if bad:
        raise BankError(f"{path} holds values that are not finite in {', '.join(bad)}.")


def _check_hash(path: Path, expected: str) -> None:
    if not path.is_file():
        raise BankError(f"{path} is missing.")
    if (found := sha256_of(path)) != expected:
        raise BankError(f"{path} was changed or damaged: its hash is {found[:12]}..., expected {expected[:12]}...")


def _read_json(path: Path, kind: type[_R]) -> _R:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BankError(f"{path} is missing.") from error
    except OSError as error:
        raise BankError(f"{path} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        problem = f"{place} {first['msg'].removeprefix('Value error, ').lower()}".strip()
        raise BankError(f"{path} is damaged: {problem}.") from error
