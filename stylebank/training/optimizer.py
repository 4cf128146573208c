"""The optimizers of training: Adam as in the paper, or Muon for the kernels and Adam for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stylebank.training.stacked_muon import StackedMuon

Kind = Literal["adam", "muon"]

MUON_STEP = 0.2  # root mean square of a kernel's step, in learning rates
SMALLEST_SIDE = 4  # in channels: the picture's three colours are no space to be orthogonal in


class KernelMuon:
    """Muon (Jordan et al. 2024) for the kernels of convolutions, Adam for biases, norms and colours.

    Muon steps along the gradient's momentum made orthogonal, so that all directions of a kernel are learned alike, not
    the strongest first. It wants matrices: a kernel (out, in, k, k) is one of out rows. The steps are as long as Adam's
    (root mean square 0.2 times the learning rate: Liu et al. 2025, section 2.2), so that one rate serves both.

    Has what `torch.optim.Optimizer` has and training needs.

    Args:
        parameters: in channels-last order in memory, see `device.place`.
        lr: the learning rate of both.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], lr: float) -> None:
        self.kernels = [parameter for parameter in parameters if _is_kernel(parameter)]
        self.matrices = [nn.Parameter(_matrix(kernel.detach()), requires_grad=False) for kernel in self.kernels]
        rest = [parameter for parameter in parameters if not _is_kernel(parameter)]
        self.parts: list[torch.optim.Optimizer] = []
        if self.matrices:
            self.parts.append(StackedMuon(self.matrices, lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))
        if rest:
            self.parts.append(adam(rest, lr))

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both, for their learning rates."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self, found_inf: Tensor | None = None) -> None:
        """Updates every parameter that has a gradient, or where `found_inf` is 1 nothing."""
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.permute(0, 2, 3, 1).flatten(1)
        for part in self.parts:
            part.found_inf = found_inf  # type: ignore[attr-defined]
            part.step()
        for matrix in self.matrices:
            matrix.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state; raises ValueError if it is that of other parameters."""
        for part, of_part in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(of_part)


Optimizer = torch.optim.Adam | KernelMuon


def make_optimizer(kind: Kind, parameters: Sequence[nn.Parameter], lr: float) -> Optimizer:
    """The optimizer of this name for these parameters."""
    return adam(parameters, lr) if kind == "adam" else KernelMuon(parameters, lr)


def take_step(optimizer: Optimizer, taken: Tensor | None = None) -> None:
    """Updates every parameter that has a gradient.

    Args:
        taken: 1, or 0 for a step that changes neither weights nor state, whatever the gradients are: a number on a
            device that runs ahead (`device.runs_ahead`).
    """
    # As torch's fused optimizers and `StackedMuon` know it: whether something is wrong with the gradients.
    found_inf = None if taken is None else 1 - taken
    if isinstance(optimizer, KernelMuon):
        optimizer.step(found_inf)
    else:
        optimizer.found_inf = found_inf  # type: ignore[attr-defined]
        optimizer.step()


def load_state(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Takes up a state.

    Raises:
        ValueError: it is another optimizer's, or that of other parameters.
    """
    if ("parts" in state) != isinstance(optimizer, KernelMuon):
        raise ValueError("it was saved with another train.optimizer.")
    optimizer.load_state_dict(state)


def adam(parameters: Sequence[nn.Parameter], lr: float) -> torch.optim.Adam:
    """Adam, fused where the device has that."""
    return torch.optim.Adam(parameters, lr=lr, fused=parameters[0].device.type in ("cpu", "cuda"))


def _is_kernel(parameter: Tensor) -> bool:
    return parameter.ndim == 4 and min(parameter.shape[:2]) >= SMALLEST_SIDE


def _matrix(kernel: Tensor) -> Tensor:
    """The same memory as a matrix: (out, in, k, k) -> (out, k * k * in)."""
    return kernel.permute(0, 2, 3, 1).view(len(kernel), -1)
