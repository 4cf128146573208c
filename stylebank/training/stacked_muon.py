"""Muon for GPUs: matrices of one shape are made orthogonal together, in a few kernels instead of twenty for each."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon` with the same state and, on a processor bit by bit, the same steps.

    For weight decay 0 and `match_rms_adamw`.
    """

    found_inf: Tensor | None = None
    """As torch's fused optimizers have it: where this is 1, a step changes nothing."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Updates every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for shape, matrices in by_shape.items():
                rate = group["lr"] * 0.2 * max(shape) ** 0.5
                updates = self._orthogonal(torch.stack(self._with_momentum(matrices, group)), group).float()
                if self.found_inf is not None:
                    updates *= 1 - self.found_inf
                torch._foreach_add_(matrices, list(updates.unbind()), alpha=-rate)

    def _with_momentum(self, matrices: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix, memory_format=torch.preserve_format)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        if self.found_inf is not None:  # towards themselves nothing moves, not by a bit
            right = self.found_inf == 0
            gradients = list(torch.where(right, torch.stack(gradients), torch.stack(buffers)).unbind())
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        if not group["nesterov"]:
            return buffers
        return list(torch._foreach_lerp(gradients, buffers, group["momentum"]))

    @staticmethod
    def _orthogonal(stack: Tensor, group: dict[str, Any]) -> Tensor:
        """The nearest orthogonal matrices, roughly, by Newton and Schulz (Jordan et al. 2024): (N, rows, columns)."""
        a, b, c = group["ns_coefficients"]
        tall = stack.shape[1] > stack.shape[2]
        x = stack.bfloat16().mT if tall else stack.bfloat16()
        x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
        for _ in range(group["ns_steps"]):
            products = torch.bmm(x, x.mT)
            update = torch.baddbmm(products, products, products, beta=b, alpha=c)
            x = torch.baddbmm(x, update, x, beta=a)
        return x.mT if tall else x
