"""The operations of `quantize` as nodes of an ONNX graph."""

from __future__ import annotations

from stylebank.export.noise_nodes import Node, op


def rounded_nodes(x: Node, scale: Node, zero: Node) -> Node:
    """The nodes that `rounded` stands for."""
    return op.DequantizeLinear(op.QuantizeLinear(x, scale, zero), scale, zero)


def unpacked_nodes(weight: Node, scale: Node) -> Node:
    """The node that `unpacked` stands for."""
    return op.DequantizeLinear(weight, scale, axis=0)
