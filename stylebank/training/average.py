"""A running average of the weights, which is quieter than the weights themselves: what a bank is written from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of weights over the steps (Polyak and Juditsky 1992, in the form of Tarvainen 2017).

    In the first steps it forgets faster, `(1 + step) / (10 + step)`, so that nothing is left of the weights at first.

    Args:
        parameters: by name; on any device.
        decay: what stays of the average in a step; 0 keeps none, and everything here does nothing.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.parameters = dict(parameters) if decay else {}
        self.values = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self._applied = False

    @torch.no_grad()
    def update(self, step: int, taken: Tensor | None = None) -> None:
        """Takes the weights after a step (counted from 0) into account.

        Args:
            taken: 1, or 0 for a step that was left out and changed nothing; a number on the device.
        """
        if not self.values:
            return
        averages = list(self.values.values())
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        differences = torch._foreach_sub(list(self.parameters.values()), averages)
        torch._foreach_mul_(differences, share if taken is None else taken * share)
        torch._foreach_add_(averages, differences)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Context in which the weights are their averages; afterwards they are, bit by bit, what they were."""
        if self._applied:  # within such a context already
            yield
            return
        kept = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self._applied = True
        try:
            self._set(self.values)
            yield
        finally:
            self._set(kept)
            self._applied = False

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(values[name])  # in place: an optimizer may look at the same memory

    @torch.no_grad()
    def restart(self, values: Mapping[str, Tensor] | None = None) -> None:
        """Begins anew, at the weights as they are or, for a run that goes on, at what was saved.

        Raises:
            KeyError: what was saved is of other weights.
        """
        for name, average in self.values.items():
            average.copy_((values or self.parameters)[name])
