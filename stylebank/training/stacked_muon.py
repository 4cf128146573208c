"""Muon for stacks: matrices are made orthogonal together, in a few operations instead of twenty for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.device import has_fast_bfloat16, runs_ahead

Shape = tuple[int, int]
MOST_PADDED = 2.0  # times the work of the matrices themselves, beyond which they are not padded to one shape


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon` with the same state and, where bfloat16 is fast, bit by bit the same steps on a processor.

    Elsewhere the iterations run in float32: processors without units for bfloat16 multiply such matrices some thirty
    times as slowly. Devices that run ahead take matrices of several shapes together, with zeros around the smaller
    ones, which stay zeros; that rounds otherwise.

    For weight decay 0 and `match_rms_adamw`.
    """

    found_inf: Tensor | None = None
    """As torch's fused optimizers have it: where this is 1, a step changes nothing."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, **settings: Any) -> None:
        super().__init__(matrices, lr, **settings)
        device = self.param_groups[0]["params"][0].device
        self.format = torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
        self.padded = runs_ahead(device)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every matrix that has a gradient."""
        taken = None if self.found_inf is None else self.found_inf == 0
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            if not matrices:
                continue
            directions = self._with_momentum(matrices, group, taken)
            for shape, places in stacks([_shape(matrix) for matrix in matrices], self.padded).items():
                stack = torch.stack([_padded(directions[i], shape) for i in places])
                updates = self._orthogonal(stack, group).float()
                if taken is not None:
                    updates *= taken
                _move([matrices[i] for i in places], updates, group["lr"])

    def _with_momentum(self, matrices: list[Tensor], group: dict[str, Any], taken: Tensor | None) -> Sequence[Tensor]:
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix, memory_format=torch.preserve_format)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        if taken is not None:  # towards themselves nothing moves, not by a bit
            new, old = (torch.cat([each.flatten() for each in several]) for several in (gradients, buffers))
            parts = torch.where(taken, new, old).split([matrix.numel() for matrix in matrices])
            gradients = [part.view_as(matrix) for part, matrix in zip(parts, matrices, strict=True)]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        return torch._foreach_lerp(gradients, buffers, group["momentum"]) if group["nesterov"] else buffers

    def _orthogonal(self, stack: Tensor, group: dict[str, Any]) -> Tensor:
        """The nearest orthogonal matrices, roughly, by Newton and Schulz (Jordan et al. 2024): (N, rows, columns)."""
        a, b, c = group["ns_coefficients"]
        tall = stack.shape[1] > stack.shape[2]
        x = stack.to(self.format).mT if tall else stack.to(self.format)
        x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
        for _ in range(group["ns_steps"]):
            products = torch.bmm(x, x.mT)
            update = torch.baddbmm(products, products, products, beta=b, alpha=c)
            x = torch.baddbmm(x, update, x, beta=a)
        return x.mT if tall else x


def stacks(shapes: Sequence[Shape], padded: bool) -> dict[Shape, list[int]]:
    """Which matrices are made orthogonal together: the shape of a stack's matrices -> their places among all.

    Args:
        padded: to one shape, as long as that is not `MOST_PADDED` times the work or more.
    """
    own: dict[Shape, list[int]] = defaultdict(list)
    for place, shape in enumerate(shapes):
        own[shape].append(place)
    if padded and len(own) > 1:
        common = max(rows for rows, _ in own), max(columns for _, columns in own)
        if len(shapes) * _work(common) < MOST_PADDED * sum(map(_work, shapes)):
            return {common: list(range(len(shapes)))}
    return own


def _work(shape: Shape) -> int:
    """Multiplications of an iteration."""
    short, long = sorted(shape)
    return 2 * short * short * long + short**3


def _shape(matrix: Tensor) -> Shape:
    rows, columns = matrix.shape
    return rows, columns


def _padded(matrix: Tensor, shape: Shape) -> Tensor:
    """With zeros below and to the right."""
    if matrix.shape == shape:
        return matrix
    return F.pad(matrix, (0, shape[1] - matrix.shape[1], 0, shape[0] - matrix.shape[0]))


def _move(matrices: list[Tensor], updates: Tensor, lr: float) -> None:
    """Steps along a stack's updates, as long as Adam's (`KernelMuon`), those of one shape in one operation."""
    for shape, places in stacks([_shape(matrix) for matrix in matrices], padded=False).items():
        rate = lr * 0.2 * max(shape) ** 0.5
        steps = [updates[i, : shape[0], : shape[1]] for i in places]
        torch._foreach_add_([matrices[i] for i in places], steps, alpha=-rate)
