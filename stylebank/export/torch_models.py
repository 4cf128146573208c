"""Programs of `torch.export` (.pt2), which need nothing of this package: the `Tools` of the format `pt2`.

TorchScript, which had their place, is deprecated: each of its functions says so since PyTorch 2.13.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from stylebank.export.formats import Run
from stylebank.export.models import changing
from stylebank.export.ports import SMALLEST, Port

ABOUT = "stylebank.json"
"""The metadata, among the extra files of a program."""


def made(module: nn.Module, inputs: Sequence[Port], output: Port, about: Mapping[str, str]) -> ExportedProgram:
    """A program that takes its inputs by name."""
    shapes = {port.name: {axis: _open(name) for axis, name in port.axes.items()} or None for port in inputs}
    examples = {port.name: port.example for port in inputs}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what PyTorch calls within itself
        program = torch.export.export(module, (), examples, dynamic_shapes=shapes)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # files and lines of this program
    return _described(program, about)


def again(program: ExportedProgram, module: nn.Module, about: Mapping[str, str]) -> ExportedProgram:
    """The same program, from now on with the weights of another style."""
    with torch.no_grad():
        for name, value in changing(module).items():
            program.state_dict[name].copy_(value)
    return _described(program, about)


def save(program: ExportedProgram, path: Path) -> None:
    """One file."""
    data = io.BytesIO()  # as PyTorch says of a full disk what nobody understands
    torch.export.save(program, data, extra_files={ABOUT: json.dumps(program.graph_module.meta[ABOUT])})
    path.write_bytes(data.getvalue())


def opened(path: Path) -> Run:
    """A program on a processor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = torch.export.load(path).module()

    @torch.no_grad()
    def call(inputs: Mapping[str, Any]) -> Any:
        return run(**{name: torch.from_numpy(value) for name, value in inputs.items()}).numpy()

    return call


def _open(name: str) -> Any:
    """An axis of any length; a name of its own would forbid that others are computed from it."""
    return Dim.DYNAMIC(min=SMALLEST.get(name, 1))


def _described(program: ExportedProgram, about: Mapping[str, str]) -> ExportedProgram:
    program.graph_module.meta[ABOUT] = dict(about)
    return program
