"""Weights in half precision, converted all at once for a step of training.

Autocast converts every weight by itself where it is used, and every gradient by itself on its way back: half a hundred
operations of a step that take longer to tell a GPU than to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stylebank.device import runs_ahead
from stylebank.network.layers import PixelNorm

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@contextmanager
def lowered(modules: Iterable[nn.Module], dtype: torch.dtype) -> Iterator[None]:
    """Context in which convolutions and pixel norms of networks compute with weights in `dtype`.

    As under autocast: gradients arrive at the weights themselves, in their own format. Weights that do not train are
    converted as well. For float32 it does nothing.
    """
    layers = dict.fromkeys(layer for module in modules for layer in module.modules())  # each once
    convolutions = [layer for layer in layers if isinstance(layer, CONVOLUTIONS) and not _stays(layer)]
    norms = [layer for layer in layers if isinstance(layer, PixelNorm)]
    if dtype not in (torch.bfloat16, torch.float16) or not (convolutions or norms):
        yield
        return
    slots = [
        (layer._parameters, key)
        for layer in convolutions
        for key in ("weight", "bias")
        if layer._parameters[key] is not None
    ]
    originals = [parameters[key] for parameters, key in slots]
    of_norms = [parameter for norm in norms for parameter in (norm.weight, norm.bias)]
    copies = _Lowered.apply(dtype, len(originals), *originals, *of_norms)  # type: ignore[no-untyped-call]
    try:
        for (parameters, key), copy in zip(slots, copies, strict=False):
            parameters[key] = copy
        for i, norm in enumerate(norms):
            norm.low = copies[len(slots) + 2 * i], copies[len(slots) + 2 * i + 1]
        yield
    finally:
        for (parameters, key), original in zip(slots, originals, strict=True):
            parameters[key] = original
        for norm in norms:
            norm.low = None


def _stays(layer: nn.Module) -> bool:
    """Whether a layer computes in float32 on this device, whatever the others do."""
    return bool(getattr(layer, "exact", False)) and runs_ahead(layer.weight.device)  # type: ignore[arg-type]


class _Lowered(torch.autograd.Function):
    """Tensors -> the same in another number format; gradients in the tensors' own format and order in memory.

    Those from number `learning` on, and those that do not train, get no gradient from their copies.
    """

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, learning: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        copies = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
        torch._foreach_copy_(copies, list(tensors))
        still = [not tensor.requires_grad or i >= learning for i, tensor in enumerate(tensors)]
        ctx.mark_non_differentiable(*(copy for copy, stays in zip(copies, still, strict=True) if stays))
        ctx.save_for_backward(*tensors)  # for their shapes
        return tuple(copies)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        wide = [None if given is None else torch.empty_like(x) for x, given in zip(tensors, gradients, strict=True)]
        torch._foreach_copy_([x for x in wide if x is not None], [given for given in gradients if given is not None])
        return None, None, *wide
