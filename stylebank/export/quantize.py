"""int8: convolutions that see eight bits of what comes in, with weights of seven or eight.

Activations have one scale and zero point each, found on photographs; weights one scale for every output channel
(symmetric). Norms, sums and noise stay in float32. In a graph it is `QuantizeLinear` and `DequantizeLinear` around
convolutions, which runtimes make integer convolutions of. Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", section 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from stylebank.export.layers import PaddedConv, QuadConv
from stylebank.network.model import StyleBank

LEVELS = 255
LARGEST, LARGEST_ANYWHERE = 127, 63
"""Of a weight in a byte; and such that nothing is clipped where two products are added in 16 bits."""
CLIPPED = 3e-5  # of the values of a photograph, at either end


@torch.library.custom_op("stylebank::rounded", mutates_args=())
def rounded(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """To the nearest of 256 levels: multiples of `scale` (), of which 0 is the one numbered `zero` (), uint8."""
    return (torch.round(x / scale) + zero).clamp(0, LEVELS).sub(zero).mul(scale)


@rounded.register_fake
def _rounded_shape(x: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("stylebank::unpacked", mutates_args=())
def unpacked(weight: Tensor, scale: Tensor) -> Tensor:
    """Weights (O, ...) int8, scale (O,) -> float32."""
    return weight.float() * scale.reshape(-1, *[1] * (weight.dim() - 1))


@unpacked.register_fake
def _unpacked_shape(weight: Tensor, scale: Tensor) -> Tensor:
    return torch.empty_like(weight, dtype=torch.float32)


class Levels(nn.Module):
    """Rounds a tensor to 256 levels between the least and the largest value seen before it `settle`s.

    But for the few at either end: they are far out, in features above all, and would make all others coarser.
    """

    scale: Tensor
    zero: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high, self.watching = 0.0, 0.0, True
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero", torch.zeros((), dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        if self.watching:
            values = x.flatten()
            place = 1 + int(values.numel() * CLIPPED)
            self.low = min(self.low, float(values.kthvalue(place).values))
            self.high = max(self.high, float(values.kthvalue(values.numel() + 1 - place).values))
            return x
        out: Tensor = rounded(x, self.scale, self.zero)
        return out

    def settle(self) -> None:
        """Chooses the levels."""
        self.watching = False
        self.scale.fill_(max(self.high - self.low, 1e-12) / LEVELS)
        self.zero.fill_(round(-self.low / float(self.scale)))


class QuantizedConv(nn.Module):
    """A `PaddedConv` with rounded inputs and weights, and if asked for, outputs; those that become pixels never are."""

    packed: Tensor
    scale: Tensor

    def __init__(self, conv: PaddedConv, outputs: bool = True, largest: int = LARGEST_ANYWHERE) -> None:
        super().__init__()
        self.conv, self.seen, self.pads_rounded = conv, Levels(), not outputs
        self.made = Levels() if outputs and not isinstance(conv, QuadConv) else nn.Identity()
        weight = conv.weight.detach()
        self.register_buffer("scale", weight.abs().flatten(1).amax(1).clamp_min(1e-12) / largest)
        self.register_buffer("packed", torch.round(weight / self.scale[:, None, None, None]).to(torch.int8))
        del conv.weight

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = self.conv.padded(self.seen(x)) if self.pads_rounded else self.seen(self.conv.padded(x))
        made: Tensor = self.made(self.conv.convolved(seen, unpacked(self.packed, self.scale)))
        return self.conv.shaped(made)


@torch.no_grad()
def quantize(
    module: nn.Module, examples: Iterable[Tensor], outputs: bool = True, largest: int = LARGEST_ANYWHERE
) -> None:
    """Makes all convolutions in a module `QuantizedConv`s, with levels for what they see and make of some inputs.

    Args:
        outputs: whether these are rounded too, and inputs after padding: else ONNX Runtime does not compute in
            integers. OpenVINO does, and then pads eight bits instead of 32.
        largest: of a weight; see `device.adds_bytes_exactly`.
    """
    _replace(module, outputs, largest)
    for example in examples:
        module(example)
    for inner in module.modules():
        if isinstance(inner, Levels):
            inner.settle()


def _replace(module: nn.Module, outputs: bool, largest: int) -> None:
    for name, inner in module.named_children():
        if isinstance(inner, PaddedConv):
            setattr(module, name, QuantizedConv(inner, outputs, largest))
        else:
            _replace(inner, outputs, largest)


@torch.no_grad()
def fused(model: StyleBank, photographs: Iterable[Tensor], most: int) -> Iterator[Tensor]:
    """What a decoder gets of photographs (1, 3, H, W): of the identity, and of at most that many styles."""
    every = max(1, -(-len(model.names) // most))
    for photograph in photographs:
        features = model.encode(photograph)
        yield features
        seen = model.filter_input(features)
        yield from (layers(seen) for layers in model.filters[::every])
