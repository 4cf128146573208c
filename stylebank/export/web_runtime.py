"""onnxruntime-web for the static page: files of its npm package, or where else to load them from."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from stylebank.errors import ExportError

VERSION = "1.30.0"
"""The version that the page was tested with."""
RUNTIME_FOLDER = "runtime"
INSTALLED = Path("node_modules/onnxruntime-web/dist")
"""Where npm puts it, below the folder it is called in."""
_BUILDS = {
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": (
        "ort.webgpu.min.mjs",
        "ort-wasm-simd-threaded.asyncify.mjs",
        "ort-wasm-simd-threaded.asyncify.wasm",
    ),
}
"""Engine -> the module that the page imports, and what that loads."""


@dataclass(frozen=True)
class Runtime:
    """Where the runtime's files are: a folder they are copied from, or an address that browsers load them from."""

    place: str

    @property
    def elsewhere(self) -> bool:
        """Whether browsers load it from another address."""
        return self.place.startswith("https://")

    @property
    def folder(self) -> Path:
        """The folder with its files: the package's own or the `dist` in it."""
        given = Path(self.place)
        return given / "dist" if (given / "dist").is_dir() else given

    def check(self) -> None:
        """Returns if the files are there.

        Raises:
            ExportError: it says which is missing, and how to get it.
        """
        if self.elsewhere:
            return
        for name in (name for files in _BUILDS.values() for name in files):
            if not (self.folder / name).is_file():
                raise ExportError(
                    f"{self.folder} holds no {name}: npm install onnxruntime-web@{VERSION}, and give its dist folder "
                    "as --runtime."
                )

    def copy_to(self, target: Path) -> dict[str, int]:
        """Copies what the page loads; returns the bytes that a browser loads of it, by engine."""
        if self.elsewhere:
            return {}
        target.mkdir()
        for name in (name for files in _BUILDS.values() for name in files):
            shutil.copyfile(self.folder / name, target / name)
        return {
            f"onnxruntime-web, {engine}": sum((target / name).stat().st_size for name in files)
            for engine, files in _BUILDS.items()
        }

    def paths(self) -> dict[str, str]:
        """What `bank.json` says of it: addresses relative to that file."""
        start = f"{self.place.rstrip('/')}/" if self.elsewhere else f"../{RUNTIME_FOLDER}/"
        return {"folder": start, **{engine: start + files[0] for engine, files in _BUILDS.items()}}

    def version(self) -> str:
        """As its package says; empty if that does not lie beside it."""
        package = self.folder.parent / "package.json"
        if self.elsewhere or not package.is_file():
            return ""
        try:
            return str(json.loads(package.read_text(encoding="utf-8")).get("version", ""))
        except (ValueError, AttributeError):
            return ""
