"""Exporting a bank: what is asked for, the folder that is written, and the proof that it computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bank.io import Bank, load_bank
from stylebank.errors import BankError, ConfigError, ExportError, did_you_mean, several
from stylebank.export.folder import Progress, write_folder
from stylebank.export.formats import FORMATS
from stylebank.export.manifest import ExportManifest, Kind, Precision, read_export
from stylebank.export.parity import Comparison, check, compare
from stylebank.export.photographs import for_calibration, for_measuring
from stylebank.export.quality import Quality, check_quality, measure_quality, metrics, paintings_of
from stylebank.export.runtime import ExportedBank
from stylebank.files import new_folder
from stylebank.inference.blending import calibrate
from stylebank.network.model import MIN_SIDE


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Raises:
        ConfigError: a size is smaller than the network takes, or the format has no such models.
    """

    bank: Path
    out: Path
    precision: Precision = "float32"
    size: tuple[int, int] | None = None
    """(H, W) of all pictures; None for any from 16 pixels up."""
    styles: Sequence[str] = ()
    """All, if none is named."""
    calibrate: Path | None = None
    """For int8: a folder of photographs to take the range of activations from, instead of samples."""
    paintings: Path | None = None
    """For int8: a folder of paintings named like the styles, to measure them on."""
    kind: Kind = "onnx"
    whole: bool = True
    """With a model for every style that does all of it, beside the shared ones."""

    def __post_init__(self) -> None:
        FORMATS[self.kind].check(self.precision, self.size)
        if self.precision != "int8" and (self.calibrate or self.paintings):
            raise ConfigError("Photographs to calibrate on and paintings to measure on are for int8.")
        if self.size and min(self.size) < MIN_SIDE:
            raise ConfigError(f"Pictures of {self.size[1]}x{self.size[0]} are too small: {MIN_SIDE} pixels at least.")


@dataclass(frozen=True)
class Exported:
    """A folder, and how near its pictures are to the bank's."""

    folder: Path
    manifest: ExportManifest
    comparisons: Sequence[Comparison]
    quality: Sequence[Quality] = ()
    """Of int8."""


def export(request: ExportRequest, progress: Progress = lambda what, done, total: None) -> Exported:
    """Writes a bank as a folder of models and filters, runs it, and keeps it only if it computes the same.

    Raises:
        BankError: the bank is missing or damaged, or has no such style.
        ExportError: the folder exists, or what was written differs from the bank; nothing is left then.
        MissingExtraError: what makes or runs such models is not installed.
    """
    FORMATS[request.kind].check_installed()
    if request.out.exists():
        raise ExportError(f"{request.out} exists; choose another --out.")
    bank = _ready(request.bank)
    names = _chosen(bank, request)
    photographs = for_calibration(request.calibrate, request.size) if request.precision == "int8" else []
    with new_folder(request.out) as folder:
        manifest = write_folder(
            bank, names, request.kind, request.precision, request.size, folder, progress, photographs, request.whole
        )
        proof = _proven(bank, folder, manifest, request.paintings, progress)
    return Exported(request.out, manifest, *proof)


def verify(
    bank: Path,
    folder: Path,
    paintings: Path | None = None,
    progress: Progress = lambda what, done, total: None,
    trust: bool = False,
) -> Exported:
    """Checks every hash of an exported folder and compares it with its bank again.

    Args:
        paintings: see `ExportRequest`.
        trust: open files, too, that could run code when they are opened.

    Raises:
        BankError: the bank is missing or damaged.
        ConfigError: the folder is not of int8, and there are paintings; or none is named like a style.
        ExportError: the folder is damaged, of another bank, or computes something else; or it is not trusted.
        MissingExtraError: what runs such models is not installed.
    """
    manifest = read_export(folder)
    form = FORMATS[manifest.kind]
    form.check_installed()
    if form.runs_code and not trust:
        raise ExportError(
            f"{folder} holds {form.title}, and opening one can run code that somebody has put into it: give --trust if "
            "you, or people you trust, have written it."
        )
    loaded = _ready(bank)
    if manifest.autoencoder_sha256 != loaded.manifest.autoencoder_sha256:
        raise ExportError(f"{folder} was not exported from {bank}: its auto-encoder is another one.")
    if unknown := [style.name for style in manifest.styles if style.name not in loaded.model.names]:
        raise ExportError(f"{folder} has styles that {bank} has not: {several(unknown)}.")
    if paintings and manifest.precision != "int8":
        raise ConfigError(f"{folder} is {manifest.precision}; paintings are to measure int8 on.")
    return Exported(folder, manifest, *_proven(loaded, folder, manifest, paintings, progress))


def _ready(path: Path) -> Bank:
    bank = load_bank(find_bank(path))
    bank.model.requires_grad_(False)
    calibrate(bank.model)
    return bank


def _chosen(bank: Bank, request: ExportRequest) -> list[str]:
    known = bank.manifest.styles
    if not known:
        raise BankError(f"{request.bank} has no styles to export.")
    for name in request.styles:
        if name not in known:
            raise BankError(
                f"{request.bank} has no style '{name}'; it has {several(known)}.{did_you_mean(name, known)}"
            )
    return list(dict.fromkeys(request.styles)) or list(known)


def _proven(
    bank: Bank, folder: Path, manifest: ExportManifest, paintings: Path | None, progress: Progress
) -> tuple[list[Comparison], list[Quality]]:
    exported = ExportedBank(folder, manifest)
    found = compare(bank.model, exported, lambda done, total: progress("comparing", done, total))
    check(found, manifest.precision)
    if manifest.precision != "int8":
        return found, []
    measure = metrics()
    targets = paintings_of(paintings, [style.name for style in manifest.styles], measure)
    photographs = for_measuring(manifest.size)
    quality = measure_quality(
        bank.model, exported, photographs, targets, measure, lambda done, total: progress("measuring", done, total)
    )
    check_quality(quality)
    return found, quality
