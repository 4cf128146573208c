"""The files of an exported folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from stylebank import __version__
from stylebank.bank.io import Bank
from stylebank.export.formats import FORMATS, Format, Tools
from stylebank.export.manifest import (
    FORMAT,
    MANIFEST,
    ExportManifest,
    Kind,
    ModelRecord,
    PortRecord,
    Precision,
    StyleFiles,
    file_records,
)
from stylebank.export.models import Form, Part
from stylebank.export.ports import Port
from stylebank.export.readme import readme
from stylebank.network.model import MIN_SIDE

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it are done, and of how many."""


def write_folder(
    bank: Bank,
    names: Sequence[str],
    kind: Kind,
    precision: Precision,
    size: tuple[int, int] | None,
    folder: Path,
    progress: Progress,
    photographs: Sequence[Tensor] = (),
    whole: bool = True,
) -> ExportManifest:
    """Fills a new folder with the models and filters of some styles, a README, and the manifest that is returned.

    Args:
        bank: calibrated.
        size: (H, W) of all pictures; None for any.
        photographs: for int8, see `Form`.
        whole: with a model for every style that does all of it; else there is no README, which is about these.
    """
    files = FORMATS[kind]
    form, tools = _form(bank, files, precision, size, photographs), files.tools()
    about = {"licence": bank.manifest.licence or "none given", "autoencoder_sha256": bank.manifest.autoencoder_sha256}
    total, done = len(form.wiring()) + whole * len(names), 0

    models = dict[str, ModelRecord]()
    for part in form.shared(about):
        models[part.name] = _model_record(part.name + files.suffix, part.inputs, part.output)
        tools.save(tools.made(*part[1:]), folder / models[part.name].file)
        progress("exporting", done := done + 1, total)
    (folder / "styles").mkdir()
    titles = {name: bank.records[name].title for name in names}
    styles = [_write_filter(form, name, titles[name], folder) for name in names]
    if whole:
        styles = [style.model_copy(update={"picture": f"styles/{style.name}{files.suffix}"}) for style in styles]
        for style in _write_pictures(form.pictures(titles, about), tools, files.suffix, folder / "styles"):
            models["picture"] = _model_record(f"styles/NAME{files.suffix}", style.inputs, style.output)
            progress("exporting", done := done + 1, total)
    return _write_manifest(bank, kind, precision, form, models, styles, folder)


def _form(
    bank: Bank, files: Format, precision: Precision, size: tuple[int, int] | None, photographs: Sequence[Tensor]
) -> Form:
    half = precision == "float16"
    return Form(
        bank.model,
        torch.float16 if half else torch.float32,
        2.0 ** -max(0, round(math.log2(bank.model.identity_gain))) if half else 1.0,
        size,
        photographs,
        files.rounds_outputs,
        files.own_operations,
    )


def _write_pictures(parts: Iterable[Part], tools: Tools, suffix: str, folder: Path) -> Iterator[Part]:
    """A whole model of each style. All are the first one with other weights where that works."""
    model = None
    for part in parts:
        model = None if model is None else tools.again(model, part.module, part.about)
        model = tools.made(*part[1:]) if model is None else model
        tools.save(model, folder / f"{part.name}{suffix}")
        yield part


def _write_manifest(
    bank: Bank,
    kind: Kind,
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
        kind=kind,
        precision=precision,
        opset=FORMATS[kind].opset,
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
        picture=models.get("picture"),
        styles=styles,
        files={},
    )
    if manifest.picture:
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
    file = f"styles/{name}.safetensors"
    if not form.linear:
        return StyleFiles(name=name, title=title)
    kernel, bias = (parameter.to(form.dtype).contiguous() for parameter in form.kernel(name))
    data = safetensors.torch.save({"kernel": kernel, "bias": bias}, {"style": name, "title": title})
    (folder / file).write_bytes(data)
    return StyleFiles(name=name, title=title, filter=file)
