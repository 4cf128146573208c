"""What a bank's JSON files say: `bank.json`, and `styles/NAME.json` beside each filter.

The weights they describe are read and written by `io`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from stylebank.config import Architecture, Config
from stylebank.config_files import load_config
from stylebank.errors import BankError, ConfigError
from stylebank.files import new_file, sha256_of, standing_folders
from stylebank.styles import check_name

_T = TypeVar("_T")

FORMAT = 2
"""What is written; format 1, whose architecture was flat, is read too."""
MANIFEST = "bank.json"
AUTOENCODER = "autoencoder.safetensors"
STYLES = "styles"
SUFFIXES = (".safetensors", ".json")  # of the two files of a style


class Record(BaseModel):
    """What a JSON file of a bank says: no more and no less than the fields of its class."""

    # A metric may be infinite (the PSNR of equal pictures); JSON has no number for that.
    model_config = ConfigDict(extra="forbid", strict=False, ser_json_inf_nan="strings")


class _Version(BaseModel):
    """What every format of `bank.json` has; a newer one may have anything else beside it."""

    format: int


RENAMED_METRICS = {"told_apart": "style_accuracy"}
"""Metrics whose name was another one in older banks -> today's."""


def todays_names(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics under today's names."""
    return {RENAMED_METRICS.get(name, name): value for name, value in metrics.items()}


class StyleInfo(Record):
    """What is known about a style beside its weights."""

    title: str = ""
    """The work it was learned from, after its artist, as far as they are known."""
    source_sha256: str = ""
    """Hash of the pictures it was learned from."""
    settings: dict[str, dict[str, Any]] = {}
    """The parts of its training configuration that a style added later should share."""
    images: int = 0
    """Training crops this filter has seen, in the runs that its bank was started from, too."""
    unfinished: str = ""
    """How far the training came that was stopped before its end: `step 40 of 1000`; empty for a style that is done."""
    predicted: bool = False
    """Whether the filter was predicted from the painting in one pass, not trained."""
    metrics: Annotated[dict[str, float], AfterValidator(todays_names)] = {}
    measured_on: list[str] = []
    """The photographs of the metrics: the beginnings of their files' SHA-256."""
    measured_part: list[Annotated[int, Field(ge=0)]] = []
    """Which of them this style was measured on, by their places in the list; all if empty (`data.measured_pairs`)."""


class StyleRecord(StyleInfo):
    """The contents of `styles/NAME.json`."""

    name: str
    sha256: str
    """Of NAME.safetensors."""
    autoencoder_sha256: str


LARGEST_RECORD = 64 * 2**20  # bytes; a hundred thousand styles take a tenth of it
WIDEST = 2**16  # channels; more are a mistake, or meant to fill the memory
_BANK_KEYS = {"kernel_size": "kernel_size", "depth": "depth", "width": "width", "filter_norm": "norm"}
"""Keys of format 1's architecture that belong to the section `bank`, and their names there; `model` has the others."""


def _from_format_1(flat: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The architecture of format 1 in today's sections."""
    return {
        "model": {key: value for key, value in flat.items() if key not in _BANK_KEYS},
        "bank": {ours: flat[key] for key, ours in _BANK_KEYS.items() if key in flat},
    }


class Manifest(Record):
    """The contents of `bank.json`."""

    format: int
    architecture: Architecture
    styles: list[str]
    autoencoder_sha256: str
    licence: str = ""
    metrics: dict[str, float] = {}
    measured_on: list[str] = []
    """The photographs of the metrics, as in `StyleInfo`."""

    @model_validator(mode="before")
    @classmethod
    def _of_any_format(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and tree.get("format") == 1 and isinstance(flat := tree.get("architecture"), dict):
            return {**tree, "architecture": _from_format_1(flat)}
        return tree

    @field_validator("architecture")
    @classmethod
    def _can_be_built(cls, architecture: Architecture) -> Architecture:
        if max(*architecture.model.channels, architecture.bank.width) > WIDEST:
            raise ValueError("no network can be built with these numbers")
        return architecture


_R = TypeVar("_R", bound=BaseModel)


def trained_with(record: StyleRecord) -> Config:
    """The configuration that a style of a bank was trained with, as far as its record says; else the defaults.

    Raises:
        BankError: the record holds settings that are not valid.
    """
    try:
        return load_config(None, base=record.settings)
    except ConfigError as error:
        raise BankError(f"The record of style '{record.name}' holds settings that are not valid: {error}") from error


def read_standing(folder: Path, read: Callable[[Path, Manifest], _T]) -> _T:
    """What `read` makes of the bank that stands under `folder`: again if a training run replaces it meanwhile.

    Raises:
        BankError: as `read` and `read_manifest` do.
    """
    for here in standing_folders(folder):
        try:
            return read(here, read_manifest(here))
        except BankError as error:
            refused = error
    raise refused


def read_style_records(folder: Path) -> dict[str, StyleRecord]:
    """What is known of every style of a bank, without its weights; their hashes are checked.

    Raises:
        BankError: something is missing, damaged, of a newer format, or belongs to another auto-encoder.
    """

    def read(here: Path, manifest: Manifest) -> dict[str, StyleRecord]:
        check_hash(here / AUTOENCODER, manifest.autoencoder_sha256)
        return {name: read_style_record(here, name, manifest.autoencoder_sha256) for name in manifest.styles}

    return read_standing(folder, read)


def read_manifest(folder: Path) -> Manifest:
    """Reads `bank.json` and checks format and style names.

    Raises:
        BankError: it is missing, damaged or of a newer format.
    """
    version = read_json(folder / MANIFEST, _Version).format
    if version not in (1, FORMAT):
        raise BankError(f"{folder} has format {version}, but this version reads format 1 and format {FORMAT}.")
    manifest = read_json(folder / MANIFEST, Manifest)
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
    record = read_json(folder / STYLES / f"{name}.json", StyleRecord)
    if record.name != name:
        raise BankError(f"{folder / STYLES / name}.json describes the style {record.name!r}, not {name!r}.")
    if record.autoencoder_sha256 != autoencoder_hash:
        raise BankError(
            f"Style '{name}' in {folder} was trained on auto-encoder {record.autoencoder_sha256[:12]}..., "
            f"but the bank has {autoencoder_hash[:12]}...; a filter only works with its own auto-encoder."
        )
    check_hash(folder / STYLES / f"{name}.safetensors", record.sha256)
    return record


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes `bank.json` in today's format, whatever the format it was read in."""
    write_json(manifest.model_copy(update={"format": FORMAT}), folder / MANIFEST)


def write_json(record: BaseModel, path: Path) -> None:
    """Writes a record as indented JSON, whole or not at all."""
    with new_file(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def check_hash(path: Path, expected: str) -> None:
    """Compares a file with the hash that is on record for it.

    Raises:
        BankError: it is missing, or another.
    """
    if not path.is_file():
        raise BankError(f"{path} is missing.")
    try:
        found = sha256_of(path)
    except OSError as error:
        raise BankError(f"{path} cannot be read ({error.strerror or error}).") from error
    if found != expected:
        raise _other_hash(path, found, expected)


def read_checked(path: Path, expected: str) -> bytes:
    """A file's bytes, which have the hash that is on record for them. Raises as `check_hash` does."""
    if not path.is_file():
        raise BankError(f"{path} is missing.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BankError(f"{path} cannot be read ({error.strerror or error}).") from error
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise _other_hash(path, found, expected)
    return data


def _other_hash(path: Path, found: str, expected: str) -> BankError:
    return BankError(f"{path} was changed or damaged: its hash is {found[:12]}..., expected {expected[:12]}...")


def read_json(path: Path, kind: type[_R]) -> _R:
    """A record as it is on disk. Raises BankError: it is missing, too large, or not of this kind."""
    try:
        if path.exists() and not path.is_file():  # a pipe would block for ever
            raise BankError(f"{path} is no regular file.")
        if (size := path.stat().st_size) > LARGEST_RECORD:
            raise BankError(f"{path} has {size:,} bytes; no record has more than {LARGEST_RECORD:,}.")
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BankError(f"{path} is missing.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationError):
            raise _damaged(path, error) from error
        raise BankError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _damaged(path: Path, error: ValidationError) -> BankError:
    first = error.errors()[0]
    place = ".".join(str(part)[:100] for part in first["loc"])
    problem = f"{place} {first['msg'].removeprefix('Value error, ').lower()}".strip()
    return BankError(f"{path} is damaged: {problem}.")
