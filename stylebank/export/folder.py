"""The files of an exported folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import safetensors.torch
import torch
from torch import Tensor

from stylebank import __version__
from stylebank.bank.io import Bank
from stylebank.export.manifest import (
    FORMAT,
    MANIFEST,
    ExportManifest,
    ModelRecord,
    PortRecord,
    Precision,
    StyleFiles,
    file_records,
)
from stylebank.export.models import Form
from stylebank.export.onnx_file import OPSET, Port
from stylebank.export.readme import readme
from stylebank.network.model import MIN_SIDE

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many."""


def write_folder(
    bank: Bank,
    names: Sequence[str],
    precision: Precision,
    size: tuple[int, int] | None,
    folder: Path,
    progress: Progress,
    photographs: Sequence[Tensor] = (),
) -> ExportManifest:
    """Fills a new folder with the models and filters of some styles, a README, and the manifest that is returned.

    Args:
        bank: calibrated.
        size: (H, W) of all pictures; None for any.
        photographs: for int8, see `Form`.
    """
    model, half = bank.model, precision == "float16"
    scale = 2.0 ** -max(0, round(math.log2(model.identity_gain))) if half else 1.0
    form = Form(model, torch.float16 if half else torch.float32, scale, size, photographs)
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
    return _write_manifest(bank, precision, form, models, styles, folder)


def _write_manifest(
    bank: Bank,
    precision: Precision,
    form: Form,
    models: dict[str, ModelRecord],
    styles: list[StyleFiles],
    folder: Path,
) -> ExportManifest:
    architecture = bank.manifest.architecture
    manifest = ExportManifest(
        format=FORMAT,
        stylebank=__version__,
        precision=precision,
        opset=OPSET,
        size=form.size,
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
