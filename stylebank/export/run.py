"""Exporting a bank: what is asked for, the folder that is written, and the proof that it computes the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import safetensors.torch
import torch

from stylebank import __version__
from stylebank.bank.io import Bank, find_bank, load_bank
from stylebank.errors import BankError, ConfigError, ExportError, did_you_mean, several
from stylebank.export.manifest import (
    FORMAT,
    MANIFEST,
    ExportManifest,
    ModelRecord,
    PortRecord,
    Precision,
    StyleFiles,
    file_records,
    read_export,
)
from stylebank.export.models import Form
from stylebank.export.onnx_file import OPSET, Port
from stylebank.export.parity import Comparison, check, compare
from stylebank.export.readme import readme
from stylebank.export.runtime import ExportedBank
from stylebank.files import new_folder
from stylebank.inference.blending import calibrate
from stylebank.network.model import MIN_SIDE

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many."""


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Raises:
        ConfigError: a size is smaller than the network takes.
    """

    bank: Path
    out: Path
    precision: Precision = "float32"
    size: tuple[int, int] | None = None
    """(H, W) of all pictures; None for any from 16 pixels up."""
    styles: Sequence[str] = ()
    """All, if none is named."""

    def __post_init__(self) -> None:
        if self.size and min(self.size) < MIN_SIDE:
            raise ConfigError(f"Pictures of {self.size[1]}x{self.size[0]} are too small: {MIN_SIDE} pixels at least.")


@dataclass(frozen=True)
class Exported:
    """A folder, and how near its pictures are to the bank's."""

    folder: Path
    manifest: ExportManifest
    comparisons: Sequence[Comparison]


def export(request: ExportRequest, progress: Progress = lambda what, done, total: None) -> Exported:
    """Writes a bank as a folder of ONNX models and filters, runs it, and keeps it only if it computes the same.

    Raises:
        BankError: the bank is missing or damaged, or has no such style.
        ExportError: the folder exists, or what was written differs from the bank; nothing is left then.
    """
    if request.out.exists():
        raise ExportError(f"{request.out} exists; choose another --out.")
    bank = _ready(request.bank)
    names = _chosen(bank, request)
    with new_folder(request.out) as folder:
        manifest = _write(bank, names, request, folder, progress)
        comparisons = _proven(bank, folder, manifest, progress)
    return Exported(request.out, manifest, comparisons)


def verify(bank: Path, folder: Path, progress: Progress = lambda what, done, total: None) -> Exported:
    """Checks every hash of an exported folder and compares it with its bank again.

    Raises:
        BankError: the bank is missing or damaged.
        ExportError: the folder is damaged, of another bank, or computes something else.
    """
    manifest = read_export(folder)
    loaded = _ready(bank)
    if manifest.autoencoder_sha256 != loaded.manifest.autoencoder_sha256:
        raise ExportError(f"{folder} was not exported from {bank}: its auto-encoder is another one.")
    if unknown := [style.name for style in manifest.styles if style.name not in loaded.model.names]:
        raise ExportError(f"{folder} has styles that {bank} has not: {several(unknown)}.")
    return Exported(folder, manifest, _proven(loaded, folder, manifest, progress))


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


def _proven(bank: Bank, folder: Path, manifest: ExportManifest, progress: Progress) -> list[Comparison]:
    exported = ExportedBank(folder, manifest)
    found = compare(bank.model, exported, lambda done, total: progress("comparing", done, total))
    check(found, manifest.precision)
    return found


def _write(
    bank: Bank, names: Sequence[str], request: ExportRequest, folder: Path, progress: Progress
) -> ExportManifest:
    model, half = bank.model, request.precision == "float16"
    scale = 2.0 ** -max(0, round(math.log2(model.identity_gain))) if half else 1.0
    form = Form(model, torch.float16 if half else torch.float32, scale, request.size)
    about = {"licence": bank.manifest.licence or "none given", "autoencoder_sha256": bank.manifest.autoencoder_sha256}
    total, done = len(form.wiring()) + len(names), 0

    models = dict[str, ModelRecord]()
    for name, made in form.shared(about):
        inputs, output, _ = form.wiring()[name]
        models[name] = _model_record(f"{name}.onnx", [form.ports[each] for each in inputs], form.ports[output])
        _save(made, folder / f"{name}.onnx")
        progress("exporting", done := done + 1, total)
    (folder / "styles").mkdir()
    titles = {name: bank.records[name].title for name in names}
    styles = [_write_filter(form, name, titles[name], folder) for name in names]
    for name, made in form.pictures(titles, about):
        _save(made, folder / "styles" / f"{name}.onnx")
        progress("exporting", done := done + 1, total)
    models["picture"] = _model_record("styles/NAME.onnx", [form.ports["photo"]], form.ports["picture"])
    return _write_manifest(bank, form, request, models, styles, folder)


def _write_manifest(
    bank: Bank,
    form: Form,
    request: ExportRequest,
    models: dict[str, ModelRecord],
    styles: list[StyleFiles],
    folder: Path,
) -> ExportManifest:
    architecture = bank.manifest.architecture
    manifest = ExportManifest(
        format=FORMAT,
        stylebank=__version__,
        precision=request.precision,
        opset=OPSET,
        size=request.size,
        smallest=MIN_SIDE,
        multiple=bank.model.stride,
        channels=architecture.model.channels[2],
        noise_channels=architecture.bank.noise_channels,
        kernel_size=architecture.bank.kernel_size,
        scale=form.scale,
        identity_gain=bank.model.identity_gain,
        licence=bank.manifest.licence,
        autoencoder_sha256=bank.manifest.autoencoder_sha256,
        models={name: record for name, record in models.items() if name != "picture"},
        picture=models["picture"],
        styles=styles,
        files={},
    )
    (folder / "README.md").write_text(readme(manifest), encoding="utf-8")
    manifest = manifest.model_copy(update={"files": file_records(folder)})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _model_record(file: str, inputs: Sequence[Port], output: Port) -> ModelRecord:
    return ModelRecord(file=file, inputs=[_port_record(port) for port in inputs], outputs=[_port_record(output)])


def _port_record(port: Port) -> PortRecord:
    return PortRecord(name=port.name, dtype=port.dtype, shape=port.shape, about=port.about)


def _write_filter(form: Form, name: str, title: str, folder: Path) -> StyleFiles:
    """A style's kernel and bias as the model `apply` wants them."""
    picture, file = f"styles/{name}.onnx", f"styles/{name}.safetensors"
    if not form.linear:
        return StyleFiles(name=name, title=title, picture=picture)
    kernel, bias = (parameter.to(form.dtype).contiguous() for parameter in form.kernel(name))
    data = safetensors.torch.save({"kernel": kernel, "bias": bias}, {"style": name, "title": title})
    (folder / file).write_bytes(data)
    return StyleFiles(name=name, title=title, filter=file, picture=picture)


def _save(model: onnx.ModelProto, path: Path) -> None:
    path.write_bytes(model.SerializeToString())
