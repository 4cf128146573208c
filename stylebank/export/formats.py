"""The kinds of files that a bank is exported as. What makes and runs one is a module, imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from stylebank.errors import ConfigError, several
from stylebank.export import available
from stylebank.export.manifest import Kind, Precision

if TYPE_CHECKING:
    from torch import nn

    from stylebank.export.ports import Port

Run = Callable[[Mapping[str, Any]], Any]
"""Inputs by name -> the output, as numpy's arrays."""


class Tools(Protocol):
    """What the module of a format offers. A model is whatever it makes."""

    def made(self, module: nn.Module, inputs: Sequence[Port], output: Port, about: Mapping[str, str]) -> Any:
        """A model of a module, with metadata `about`.

        Raises:
            ExportError: it cannot be one.
        """

    def again(self, model: Any, module: nn.Module, about: Mapping[str, str]) -> Any | None:
        """A model of a module that differs from an earlier one's in its filter's weights; None if it must be made."""

    def save(self, model: Any, path: Path) -> None:
        """Writes a model to its files."""

    def opened(self, path: Path) -> Run:
        """A model, ready to be run on as many threads as torch has. What it raises has a reason in it."""


@dataclass(frozen=True)
class Format:
    """A kind of files."""

    title: str
    """What its models are called."""
    runtime: str
    """What runs them, here too."""
    suffix: str
    module: str
    """Of this room: it offers `Tools`."""
    extra: str = ""
    """What has to be installed; nothing beside the program if empty."""
    beside: str = ""
    """Suffix of a second file of each model."""
    precisions: tuple[Precision, ...] = get_args(Precision)
    any_size: bool = True
    opset: int | None = None
    """Of the ONNX operations that models are made of."""
    own_operations: bool = False
    """Whether its module puts other operations in the place of the program's own."""
    runs_code: bool = False
    """Whether a file that somebody else has made could run their code when it is opened."""
    rounds_outputs: bool = False
    """Whether its runtime needs outputs of convolutions rounded to compute in integers; see `quantize`."""

    def tools(self) -> Tools:
        """What makes and runs its files.

        Raises:
            MissingExtraError: it is not installed.
        """
        self.check_installed()
        return cast(Tools, importlib.import_module(f"stylebank.export.{self.module}"))

    def check_installed(self) -> None:
        """Returns if all that it needs is installed.

        Raises:
            MissingExtraError: it says what is missing, and how to install it.
        """
        if self.extra:
            available(self.extra, f"An export of {self.title}")

    def check(self, precision: Precision, size: tuple[int, int] | None) -> None:
        """Returns if it has such models.

        Raises:
            ConfigError: it says which it has.
        """
        if precision not in self.precisions:
            raise ConfigError(f"There are no {self.title} in {precision}; valid are {several(self.precisions)}.")
        if size is None and not self.any_size:
            raise ConfigError(f"{self.title} are of one size: --size WIDTHxHEIGHT.")

    def files(self, stem: str) -> list[str]:
        """The files of a model, the one to open first."""
        return [stem + suffix for suffix in (self.suffix, self.beside) if suffix]


OPSET = 18
FORMATS: dict[Kind, Format] = {
    "onnx": Format(
        "ONNX models",
        "ONNX Runtime",
        ".onnx",
        "onnx_models",
        "export",
        opset=OPSET,
        own_operations=True,
        rounds_outputs=True,
    ),
    "openvino": Format(
        "OpenVINO models",
        "OpenVINO",
        ".xml",
        "openvino_models",
        "fast",
        beside=".bin",
        opset=OPSET,
        own_operations=True,
    ),
    "pt2": Format(
        "PyTorch programs",
        "PyTorch",
        ".pt2",
        "torch_models",
        precisions=("float32", "float16"),
        runs_code=True,
    ),
}
