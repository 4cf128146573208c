"""The page as a static folder: what `stylebank serve` does, films and training apart, in the browser itself.

The models are those of `export.run`, proven against the bank before they are kept. A browser loads one precision:
float32, or float16 where its GPU computes in it and that is asked for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylebank import __version__
from stylebank.bank.find import find_bank
from stylebank.bank.io import Bank, load_bank
from stylebank.errors import ExportError
from stylebank.export.folder import Progress
from stylebank.export.manifest import Precision
from stylebank.export.run import Exported, ExportRequest, export
from stylebank.export.web_readme import HEADERS, readme
from stylebank.export.web_runtime import RUNTIME_FOLDER, Runtime
from stylebank.files import new_folder
from stylebank.images.convert import srgb_profile
from stylebank.shipped import PAGE

PROFILE = "srgb.icc"
"""The ICC profile of the pictures that the page makes, as the command line's have it."""
BOTH: tuple[Precision, ...] = ("float32", "float16")
_SERVER_ONLY = ("backends/http.js", "server")
"""Of the page's modules."""
_BACKEND = '<meta name="stylebank-backend" content="{}" />'


@dataclass(frozen=True)
class WebRequest:
    """What to export."""

    bank: Path
    out: Path
    runtime: Runtime
    precisions: Sequence[Precision] = BOTH
    styles: Sequence[str] = ()
    """All, if none is named."""


@dataclass(frozen=True)
class WebFolder:
    """A static folder, how near its models are to the bank, and how large its parts are."""

    folder: Path
    exports: Sequence[Exported]
    sizes: dict[str, int]
    """Part -> bytes: the page, models of each precision, filters, files of the runtime."""


def export_web(request: WebRequest, progress: Progress = lambda what, done, total: None) -> WebFolder:
    """Writes the folder, and keeps it only if its models compute what the bank does.

    Raises:
        BankError: the bank is missing or damaged, or has no such style.
        ExportError: the folder exists, the bank's filters are no single kernels, files of the runtime are missing, or
            what was written differs from the bank; nothing is left then.
    """
    if request.out.exists():
        raise ExportError(f"{request.out} exists; choose another --out.")
    request.runtime.check()
    path = find_bank(request.bank)
    bank = load_bank(path)
    if bank.manifest.architecture.bank.depth > 1:
        raise ExportError(f"{request.bank} has filters of several layers, which the page cannot mix; valid is depth 1.")
    with new_folder(request.out) as folder:
        _copy_page(folder)
        work = folder / "work"
        exports = [
            export(
                ExportRequest(request.bank, work / precision, precision, styles=request.styles, whole=False), progress
            )
            for precision in request.precisions
        ]
        sizes = {"page": _size(folder) - _size(work)}
        sizes |= _take_models(exports, folder / "bank")
        shutil.rmtree(work)
        sizes |= request.runtime.copy_to(folder / RUNTIME_FOLDER)
        (folder / "bank" / PROFILE).write_bytes(srgb_profile())
        about = _about(bank, path.name, exports, request.runtime)
        (folder / "bank" / "bank.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(readme(bank.manifest.licence, request.runtime), encoding="utf-8")
        (folder / "_headers").write_text(HEADERS, encoding="utf-8")
    return WebFolder(request.out, exports, sizes)


def _copy_page(folder: Path) -> None:
    """The page's files, with the browser's own backend in place of the server's."""
    left_out = {PAGE / "js" / name for name in _SERVER_ONLY}

    def ignored(place: str, names: list[str]) -> list[str]:
        return [name for name in names if name.startswith((".", "__pycache__")) or Path(place) / name in left_out]

    shutil.copytree(PAGE, folder, dirs_exist_ok=True, ignore=ignored)
    index = folder / "index.html"
    text = index.read_text(encoding="utf-8")
    index.write_text(text.replace(_BACKEND.format("http"), _BACKEND.format("static")), encoding="utf-8")


def _take_models(exports: Sequence[Exported], target: Path) -> dict[str, int]:
    """Moves what the page loads out of exported folders: shared models, and the filters of the last one."""
    sizes = {}
    for each in exports:
        models = target / each.manifest.precision
        models.mkdir(parents=True)
        for record in each.manifest.models.values():
            shutil.move(each.folder / record.file, models / record.file)
        sizes[f"models, {each.manifest.precision}"] = _size(models)
    filters = target / "filters"
    filters.mkdir()
    for style in exports[-1].manifest.styles:
        assert style.filter is not None  # of banks of depth 1
        shutil.move(exports[-1].folder / style.filter, filters / f"{style.name}.safetensors")
    return {**sizes, "filters": _size(filters)}


def _about(bank: Bank, name: str, exports: Sequence[Exported], runtime: Runtime) -> dict[str, Any]:
    """`bank.json`, which the page reads first; paths are relative to it."""
    manifest, architecture = exports[-1].manifest, bank.manifest.architecture
    return {
        "format": 1,
        "version": __version__,
        "bank": name,
        "licence": manifest.licence,
        "channels": manifest.channels,
        "noise_channels": manifest.noise_channels,
        "kernel_size": manifest.kernel_size,
        "multiple": manifest.multiple,
        "margin": bank.model.margin,
        "normalized": architecture.model.normalize_features,
        "tiles": architecture.model.norm != "instance",
        "identity_gain": manifest.identity_gain,
        "filters": {"precision": manifest.precision, "scale": manifest.scale},
        "precisions": {
            each.manifest.precision: {
                "scale": each.manifest.scale,
                "models": {
                    model: f"{each.manifest.precision}/{record.file}" for model, record in each.manifest.models.items()
                },
            }
            for each in exports
        },
        "profile": PROFILE,
        "runtime": runtime.paths(),
        "styles": [
            {**_named(bank, style.name), "filter": f"filters/{style.name}.safetensors"} for style in manifest.styles
        ],
    }


def _named(bank: Bank, name: str) -> dict[str, str]:
    """A style's name, its painting's title and artist."""
    record = bank.records[name]
    artist, comma, title = record.title.partition(", ")
    return {
        "name": name,
        "title": (title if comma else artist) or name,
        "artist": artist if comma else "",
        "unfinished": record.unfinished,
    }


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
