"""The noise of `network.noise` as nodes of an ONNX graph: the same bits of hash in operations that runtimes share.

The hash works on words of 32 bits in int64, but runtimes differ in what they make of int64 (some compute it in 32
bits), and ONNX shifts only unsigned numbers. Here a word is two int32 tensors, its upper and its lower 16 bits, and no
intermediate result reaches 2 ** 24: nothing can overflow, or be rounded where integers are computed in float32. Shifts
are divisions.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import onnx
from onnxscript import opset18

from stylebank.network.noise import OCTAVES

_LOW = 0xFFFF
_MEAN, _DEVIATION = 510.0, (4 * (256**2 - 1) / 12) ** 0.5  # of the sum of four bytes
_INT32, _FLOAT = onnx.TensorProto.INT32, onnx.TensorProto.FLOAT

op = cast(Any, opset18)  # typed for values, where there are nodes
Node = Any
"""What an operation of `op` gives while a graph is made."""


class _Word(NamedTuple):
    """32 bits: int32 tensors of values 0 to 65535."""

    high: Node
    low: Node


def noise_nodes(features: Node, seed: Node, channels: int) -> Node:
    """The nodes that the operation `noise` stands for."""
    height, width = (op.Squeeze(op.Cast(op.Shape(features, start=i, end=i + 1), to=_INT32)) for i in (2, 3))
    word = _Word(*(op.Gather(seed, op.Constant(value_ints=[half]), axis=0) for half in (0, 1)))
    start = _mixed(_plus(word, 0x9E3779B9))
    octaves = []
    for octave in range(min(OCTAVES, channels)):
        numbers = list(range(octave, channels, OCTAVES))
        keys = _mixed(_sum(start, _Word(_ints([0] * len(numbers)), _ints(numbers))))
        octaves.append(_octave(keys, 2**octave, height, width))
    planes = op.Concat(*octaves, axis=0)  # all of one octave, then all of the next
    order = [number for octave in range(OCTAVES) for number in range(octave, channels, OCTAVES)]
    back = op.Constant(value_ints=[order.index(channel) for channel in range(channels)])
    return op.Unsqueeze(op.Gather(planes, back, axis=0), _axes(0))


def _octave(keys: _Word, spacing: int, height: Node, width: Node) -> Node:
    """Keys (c,) -> (c, height, width): a lattice of independent values, seen through a cubic B-spline."""
    if spacing == 1:
        return _lattice(keys, height, width, first=0)
    rows, columns = (op.Add(_over(op.Sub(length, _ints(1)), spacing), _ints(4)) for length in (height, width))
    values = _lattice(keys, rows, columns, first=-1)
    for axis, length in ((1, height), (2, width)):
        index, weights = _taps(length, spacing)
        shaped = [op.Unsqueeze(weight, _axes(1)) if axis == 1 else weight for weight in weights]
        seen = [op.Gather(values, op.Add(index, _ints(i)), axis=axis) for i in range(4)]
        values = _added([op.Mul(value, weight) for value, weight in zip(seen, shaped, strict=True)])
    return values


def _taps(count: Node, spacing: int) -> tuple[Node, list[Node]]:
    """The first of each place's four lattice nodes, and their weights, whose squares sum to 1."""
    places = _counted(count)
    first = _over(places, spacing)
    t = op.Div(op.Cast(op.Sub(places, op.Mul(first, _ints(spacing))), to=_FLOAT), float(spacing))
    rest = op.Sub(1.0, t)
    square, cube = op.Mul(t, t), op.Mul(op.Mul(t, t), t)
    weights = [
        op.Mul(op.Mul(rest, rest), rest),
        op.Add(op.Sub(op.Mul(cube, 3.0), op.Mul(square, 6.0)), 4.0),
        op.Add(op.Add(op.Mul(op.Sub(square, cube), 3.0), op.Mul(t, 3.0)), 1.0),
        cube,
    ]
    length = op.Sqrt(_added([op.Mul(weight, weight) for weight in weights]))
    return first, [op.Div(weight, length) for weight in weights]


def _lattice(keys: _Word, height: Node, width: Node, first: int) -> Node:
    """Keys (c,) -> independent values (c, height, width) of mean 0 and variance 1.

    Args:
        first: what rows and columns are counted from, 0 or -1.
    """
    down, across = (
        _plus(_times(_Word(_ints([0]), _counted(count)), factor), first * factor)
        for count, factor in ((height, 0x85EBCA6B), (width, 0x27D4EB2F))
    )
    rows = _mixed(_sum(_unsqueezed(keys), down))
    words = _mixed(_sum(_unsqueezed(rows), across))
    total = _added([byte for half in words for byte in (_over(half, 256), op.BitwiseAnd(half, _ints(0xFF)))])
    return op.Div(op.Sub(op.Cast(total, to=_FLOAT), _MEAN), _DEVIATION)


def _mixed(word: _Word) -> _Word:
    """As `network.noise` mixes words."""
    high, low = _times(_Word(word.high, op.BitwiseXor(word.low, word.high)), 0x85EBCA6B)
    over = op.Add(op.Mul(op.BitwiseAnd(high, _ints(0x1FFF)), _ints(8)), _over(low, 2**13))
    mixed = _Word(op.BitwiseXor(high, _over(high, 2**13)), op.BitwiseXor(low, over))
    high, low = _times(mixed, 0xC2B2AE35)
    return _Word(high, op.BitwiseXor(low, high))


def _sum(one: _Word, other: _Word) -> _Word:
    low = op.Add(one.low, other.low)
    return _Word(_short(op.Add(op.Add(one.high, other.high), _over(low, 2**16))), _short(low))


def _plus(word: _Word, number: int) -> _Word:
    high, low = divmod(number % 2**32, 2**16)
    return _sum(word, _Word(_ints(high), _ints(low))) if number else word


def _times(word: _Word, number: int) -> _Word:
    """Modulo 2 ** 32; factors of 16 and 8 bits at a time."""
    high, low = divmod(number, 2**16)
    upper, lower = op.Mul(word.low, _ints(low // 256)), op.Mul(word.low, _ints(low % 256))
    carried = op.Add(op.Mul(op.BitwiseAnd(upper, _ints(0xFF)), _ints(256)), lower)
    carries = op.Add(_over(upper, 256), _over(carried, 2**16))
    crossed = op.Add(_lower_product(word.low, high), _lower_product(word.high, low))
    return _Word(_short(op.Add(carries, crossed)), _short(carried))


def _lower_product(half: Node, number: int) -> Node:
    """The lower 16 bits of a product of 16 and 16 bits."""
    upper = op.Mul(op.BitwiseAnd(op.Mul(half, _ints(number // 256)), _ints(0xFF)), _ints(256))
    return _short(op.Add(upper, op.Mul(half, _ints(number % 256))))


def _short(numbers: Node) -> Node:
    return op.BitwiseAnd(numbers, _ints(_LOW))


def _over(numbers: Node, divisor: int) -> Node:
    """Whole quotients."""
    return op.Div(numbers, _ints(divisor))


def _added(parts: list[Node]) -> Node:
    one, two, three, four = parts
    return op.Add(op.Add(one, two), op.Add(three, four))


def _counted(count: Node) -> Node:
    return op.Range(_ints(0), count, _ints(1))


def _unsqueezed(word: _Word) -> _Word:
    """With an axis of length 1 at the end."""
    return _Word(*(op.Unsqueeze(half, _axes(-1)) for half in word))


def _axes(axis: int) -> Node:
    return op.Constant(value_ints=[axis])


def _ints(numbers: int | list[int]) -> Node:
    dims = [len(numbers)] if isinstance(numbers, list) else []
    values = numbers if isinstance(numbers, list) else [numbers]
    return op.Constant(value=onnx.helper.make_tensor("", _INT32, dims, values))
