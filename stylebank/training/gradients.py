"""From a batch to new weights: forward and backward passes, the balance of the branches, clipping, the update.

Nothing here waits for the device: what is decided by numbers on it is decided there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from stylebank.losses.objective import Values
from stylebank.training.branches import Branches
from stylebank.training.hooks import Hooks
from stylebank.training.optimizer import take_step
from stylebank.training.training_run import TrainingRun


class Gradients:
    """The gradient of a run's steps.

    Args:
        note: called with a branch's name and the norm of its gradient over the auto-encoder, a number on the device.
    """

    def __init__(
        self, run: TrainingRun, branches: Branches, hooks: Hooks, note: Callable[[str, Tensor], object]
    ) -> None:
        self.run, self.branches, self.hooks, self.note = run, branches, hooks, note

    def pass_through(
        self, images: Tensor, styles: list[int], cards: list[bool], identity: bool
    ) -> tuple[Values, Tensor]:
        """Forward and backward: each image's loss terms, and the loss of these images; the gradient is left behind.

        Args:
            images: (B, 3, H, W) in [0, 1], this process's part of the batch, which may go through in pieces.
            cards: which of them are drawn cards.
        """
        run = self.run
        found: list[Values] = []
        losses: list[Tensor] = []
        if run.compile_mode == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()  # what graphs of the last step returned may be overwritten
        for places in run.pieces():
            run.places = places
            here = slice(places.start - run.part.start, places.stop - run.part.start)
            self.hooks.forward_begins(run, identity)
            if identity:
                values = self.branches.identity(images[here])
            else:
                values = self.branches.stylize(images[here], styles[here], cards[here])
            loss = run.objective.total(values, styles[here])
            if places != run.part:
                loss = loss * (len(places) / len(run.part))
            self.hooks.forward_ends(run, values, styles[here])
            run.scaler.scale(loss).backward()
            found.append({name: value.detach() for name, value in values.items()})
            losses.append(loss.detach())
        run.places = run.part
        if len(found) == 1:
            return found[0], losses[0]
        return {name: torch.cat([values[name] for values in found]) for name in found[0]}, torch.stack(losses).sum()

    def weight(self, loss: Tensor, identity: bool) -> Tensor:
        """Makes of what backward left the gradient to step along, of the whole batch, and returns the norm it had.

        Args:
            loss: of this process's images; it becomes that of the whole batch.
        """
        self._average(loss, identity)
        self._unscale(identity)
        self.hooks.backward_ends(self.run, identity)
        self._balance(identity)
        return self._clip(identity)

    def update(self, identity: bool, taken: bool | Tensor) -> None:
        """Steps along the gradient and forgets it.

        Args:
            taken: whether to; or 1 or 0 on the device, where the program does not wait for it to know.
        """
        run = self.run
        if taken is False:
            run.forget_gradient()
            return
        self.hooks.update_begins(run, identity)
        optimizer = run.identity_optimizer if identity else run.optimizer
        rate = run.schedule.learning_rate(run.step)
        if optimizer is not run.optimizer:  # whose steps are as long for a gradient of any size
            rate *= run.schedule.identity_weight(run.step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        known = None if taken is True else taken
        take_step(optimizer, known)
        run.hold_norms()
        run.average.update(run.step, known)
        run.forget_gradient()
        self.hooks.update_ends(run, identity)

    def _average(self, loss: Tensor, identity: bool) -> None:
        """Gradient and loss (in place) become those of the whole batch. Alone they are already."""
        run = self.run
        if run.processes.world_size > 1:
            touched = run.touched(identity)
            for parameter in touched:
                if parameter.grad is None:  # a filter that only other processes used
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [p.grad for p in touched if p.grad is not None]
            run.processes.all_reduce_sum([*gradients, loss], weight=len(run.part) / run.config.train.batch_size)

    def _unscale(self, identity: bool) -> None:
        """Divides gradients by what the loss was multiplied by, in float16."""
        if self.run.scaler.is_enabled():
            # A scaler asks an optimizer for its parameters, and ours is none of torch's.
            touched: Any = SimpleNamespace(param_groups=[{"params": self.run.touched(identity)}])
            self.run.scaler.unscale_(touched)

    def _balance(self, identity: bool) -> None:
        """Weights the identity gradient: lambda * (||g_K|| / ||g_I||) * g_I over E and D (Chen et al. 2017, 3.3)."""
        run, train = self.run, self.run.config.train
        if not run.shared:
            return
        gradients = [p.grad for p in run.shared if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self.note("identity" if identity else "stylizing", norm)
        if not identity:
            run.stylizing_norm = torch.where(norm < math.inf, norm, run.stylizing_norm)
        elif run.step >= train.identity_pretrain_steps:
            weight = torch.full_like(norm, run.schedule.identity_weight(run.step))
            if train.gradient_rescaling:
                weight *= run.stylizing_norm / norm.clamp_min(1e-12)
            torch._foreach_mul_(gradients, weight)

    def _clip(self, identity: bool) -> Tensor:
        """Clips the gradient and returns the norm that it had, a number on the device."""
        train = self.run.config.train
        limit = train.gradient_clip or float("inf")
        if identity:
            limit *= self.run.schedule.identity_weight(self.run.step)  # or clipping would level what was just weighted
        return nn.utils.clip_grad_norm_(self.run.touched(identity), limit)
