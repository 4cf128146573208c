"""One module as one ONNX file, through PyTorch's own exporter."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import onnx
import torch
from onnxscript import optimizer
from torch import nn

from stylebank import __version__
from stylebank.errors import ExportError
from stylebank.export.formats import OPSET
from stylebank.export.models import changing
from stylebank.export.noise_nodes import noise_nodes
from stylebank.export.ports import SMALLEST, Port
from stylebank.export.quantize_nodes import rounded_nodes, unpacked_nodes

LARGEST = 2**31 - 2**20  # bytes: a protobuf holds no more, and weights in a second file are for nobody's browser
_NODES: dict[Any, Any] = {
    torch.ops.stylebank.noise.default: noise_nodes,
    torch.ops.stylebank.rounded.default: rounded_nodes,
    torch.ops.stylebank.unpacked.default: unpacked_nodes,
}
"""Operations of ours, and what they are in a graph."""


def to_onnx(module: nn.Module, inputs: Sequence[Port], output: Port, about: Mapping[str, str]) -> onnx.ModelProto:
    """A module as an ONNX model with all weights inside.

    Args:
        about: metadata; `description` becomes the model's text as well.

    Raises:
        ExportError: it is larger than a file of this kind can be.
    """
    size = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    if size > LARGEST:
        raise ExportError(f"A model of {size:,} bytes is too large for one ONNX file; {LARGEST:,} are the most.")
    model = _translated(module.eval(), inputs, output)
    _tidy(model, [*inputs, output])
    _describe(model, about)
    onnx.checker.check_model(model, full_check=True)
    return model


def _translated(module: nn.Module, inputs: Sequence[Port], output: Port) -> onnx.ModelProto:
    dims: dict[str, Any] = {}
    for port in inputs:
        for name in port.axes.values():
            dims.setdefault(name, torch.export.Dim(name, min=SMALLEST.get(name, 1)))
    shapes = tuple({axis: dims[name] for axis, name in port.axes.items()} or None for port in inputs)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # of what the exporter calls within itself
        program = torch.onnx.export(
            module,
            tuple(port.example for port in inputs),
            dynamo=True,
            opset_version=OPSET,
            input_names=[port.name for port in inputs],
            output_names=[output.name],
            dynamic_shapes=shapes if dims else None,
            external_data=False,
            verbose=False,
            optimize=False,  # its rules take minutes over the nodes of noise, and find nothing
            custom_translation_table=_NODES,
        )
        assert program is not None
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
    return program.model_proto


def _tidy(model: onnx.ModelProto, ports: Sequence[Port]) -> None:
    """Leaves out what the exporter notes for itself (files and lines of the program), and names axes plainly."""
    graph = model.graph
    del graph.value_info[:], graph.metadata_props[:], model.metadata_props[:]
    for each in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del each.metadata_props[:]
        each.doc_string = ""
    shapes = {port.name: port.shape for port in ports}
    for value in (*graph.input, *graph.output):
        for dim, length in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            if isinstance(length, str):
                dim.dim_param = length
            else:
                dim.dim_value = length


def _describe(model: onnx.ModelProto, about: Mapping[str, str]) -> None:
    model.producer_name, model.producer_version = "stylebank", __version__
    model.graph.name = about.get("name", "stylebank")
    model.doc_string = about.get("description", "")
    onnx.helper.set_model_props(model, dict(about))


def again(model: onnx.ModelProto, module: nn.Module, about: Mapping[str, str]) -> onnx.ModelProto | None:
    """A copy of a style's whole model with the weights of another one; None if the exporter has changed them."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    places = {tensor.name: tensor for tensor in made.graph.initializer}
    for name, value in changing(module).items():
        new, old = onnx.numpy_helper.from_array(value.detach().contiguous().numpy(), name), places.get(name)
        if old is None or list(old.dims) != list(new.dims) or old.data_type != new.data_type:
            return None
        old.CopyFrom(new)
    _describe(made, about)
    return made
