"""What an exported folder says about itself: `manifest.json`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from stylebank.errors import ExportError
from stylebank.files import sha256_of

MANIFEST = "manifest.json"
FORMAT = 1
LARGEST = 16 * 2**20  # bytes
Kind = Literal["onnx", "openvino", "pt2"]
"""Of files, see `formats`."""
Precision = Literal["float32", "float16", "int8"]


def _inside(path: str) -> str:
    """A path below the folder, with slashes, that leads nowhere else."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path:
        raise ValueError("must be a path within the folder")
    return path


Side = Annotated[int, Field(ge=16, le=99_999)]
Inside = Annotated[str, AfterValidator(_inside)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PortRecord(_Part):
    """An input or output: what may be any length has a name in `shape`."""

    name: str
    dtype: str
    shape: list[int | str]
    about: str = ""


class ModelRecord(_Part):
    """A model's file; OpenVINO's weights are in another one beside it, NAME.bin."""

    file: Inside
    inputs: list[PortRecord]
    outputs: list[PortRecord]


class StyleFiles(_Part):
    """A style: its filter, and the model that does all of it."""

    name: str
    title: str = ""
    filter: Inside | None = None
    """Safetensors with `kernel` (C, C + Z, k, k) and `bias` (C,); none of banks whose filters are no single kernel."""
    picture: Inside | None = None
    """A model, photo in and picture out; none in a folder of shared models."""


class FileRecord(_Part):
    """Size and hash of a file."""

    bytes: int
    sha256: str


class ExportManifest(_Part):
    """The contents of `manifest.json`."""

    format: int
    stylebank: str
    """Version of the program that wrote it."""
    kind: Kind = "onnx"
    precision: Precision
    opset: int | None
    """Of the ONNX operations that models are made of."""
    size: tuple[Side, Side] | None
    """[height, width] of all pictures, or null for any size from `smallest` up."""
    smallest: int
    multiple: int
    """Pixels that a step from one feature to the next is; the decoder's pictures are a multiple of it."""
    channels: int
    noise_channels: int
    kernel_size: int
    scale: float
    """What kernels and biases were multiplied with."""
    identity_gain: float
    licence: str
    autoencoder_sha256: str
    models: dict[str, ModelRecord]
    picture: ModelRecord | None = None
    """What all models of single styles are like; their files are those of `styles`."""
    styles: Annotated[list[StyleFiles], Field(min_length=1)]
    files: dict[Inside, FileRecord]

    @property
    def numbers(self) -> str:
        """Type of features, noise, kernels and weights of mixtures, as numpy calls it."""
        return "float16" if self.precision == "float16" else "float32"


def file_records(folder: Path) -> dict[str, FileRecord]:
    """Every file below a folder but the manifest, with slashes in its name."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    return {
        file.relative_to(folder).as_posix(): FileRecord(bytes=file.stat().st_size, sha256=sha256_of(file))
        for file in files
    }


def read_export(folder: Path) -> ExportManifest:
    """Reads a folder's manifest and checks the hash of every file it names.

    Raises:
        ExportError: the folder is not one that was exported, or something in it is missing or was changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ExportError(f"{folder} is no exported bank: it holds no {MANIFEST}.")
    try:
        if path.stat().st_size > LARGEST:
            raise ExportError(f"{path} is larger than any manifest ({LARGEST:,} bytes).")
        manifest = ExportManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part)[:100] for part in first["loc"])
        raise ExportError(f"{path} is damaged: {place} {first['msg'].lower()}".strip() + ".") from error
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror or error}).") from error
    if manifest.format != FORMAT:
        raise ExportError(f"{path} has format {manifest.format}; this version reads format {FORMAT}.")
    _check_files(folder, manifest)
    return manifest


def _check_files(folder: Path, manifest: ExportManifest) -> None:
    models = [model.file for model in manifest.models.values()]
    models += [style.picture for style in manifest.styles if style.picture]
    named = models + [style.filter for style in manifest.styles if style.filter]
    if manifest.kind == "openvino":
        named += [str(PurePosixPath(file).with_suffix(".bin")) for file in models]
    for name in named:
        if name not in manifest.files:
            raise ExportError(f"{folder / MANIFEST} gives no hash for {name}.")
    for name, record in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise ExportError(f"{file} is missing.")
        if file.stat().st_size != record.bytes or sha256_of(file) != record.sha256:
            raise ExportError(f"{file} was changed or damaged: it is not what {MANIFEST} says.")
