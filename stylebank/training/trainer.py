"""Training: the loop is `Trainer.fit`.

The branch of each step, its learning rate, crops and styles are pure functions of the step number (`schedule`,
`data`), so the state to save is weights, optimizers and that number (`training_run`). Where several processes train
(`distributed`), each runs this same loop on its part of every batch; from `_average` on all have the same gradient.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from itertools import chain
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stylebank.errors import StyleBankError, TrainingError
from stylebank.evaluation.held_out import identity_psnr, preview
from stylebank.losses.objective import Values
from stylebank.signals import Requests
from stylebank.training.batches import batches
from stylebank.training.branches import Branches
from stylebank.training.data import ContentBatch
from stylebank.training.hooks import Hooks
from stylebank.training.monitor import Monitor
from stylebank.training.training_run import TrainingRun
from stylebank.training.validation import validate

PREVIEW_STYLES = 16  # the newest; a row of hundreds is no picture any more


class Trainer:
    """The loop over a run's steps, from wherever the run is.

    Args:
        branches: the forward passes, by default the run's own.
        hooks: what watches the run.
        say: called with what a person should read while the run goes; by default printed, above the progress bar.
    """

    def __init__(
        self,
        run: TrainingRun,
        branches: Branches | None = None,
        hooks: Hooks | None = None,
        say: Callable[[str], None] = tqdm.write,
    ) -> None:
        self.run, self.branches, self.hooks = run, branches or Branches(run), hooks or Hooks()
        self._tell = say
        run.issues.say = self._say

    def fit(self) -> bool:
        """Trains to the last step or until asked to stop; False if it was stopped before the end.

        Raises:
            TrainingError: a loss or gradient is not finite, there are no photographs left, or a process was lost.
            StyleBankError: the state at the end cannot be written. The last checkpoint stays, whatever happens.
        """
        run, train = self.run, self.run.config.train
        if run.step >= train.steps:
            self._checkpoint(must=True)  # a run may have been killed between its last state and its last bank
            return True
        run.begin_alike()
        run.model.train()
        with (
            Requests() as requests,
            self._monitor() as monitor,
            closing(batches(run, self._rescue)) as stream,  # whatever happens, the loader's processes end
        ):
            clock = time.monotonic()
            for batch in self.hooks.batches(run, stream):
                identity = run.schedule.is_identity(run.step)
                styles = [] if identity else run.styles_of_step()[run.part.start : run.part.stop]
                images = batch.to(run.device)  # (B, 3, crop, crop)

                values, loss = self._pass_through(images, styles, batch.cards, identity)
                loss = self._average(loss, identity)
                self._unscale(identity)
                self.hooks.backward_ends(run, identity)
                self._balance(identity)
                if bool((self._clip(identity) + loss).isfinite()):  # the one value that is read back in every step
                    self._update(identity)
                elif self._overflowed(loss):
                    run.forget_gradient()
                else:
                    self._leave_out(values, styles, batch)
                run.scaler.update()
                run.step += 1
                self.hooks.step_ends(run)

                monitor.add_values(values, styles, loss, len(run.part) / train.batch_size)
                stop, save, late = run.processes.any(*requests.take(), self._late(time.monotonic() - clock))
                last = run.step == train.steps or stop
                if run.step % train.log_every == 0 or last:
                    self.hooks.log_begins(run)
                    monitor.log(run.step, run.schedule.learning_rate(run.step - 1))
                if _is_due(run.step, train.validate_every) or (run.step == train.steps and train.validate_every):
                    self._validate()
                if _is_due(run.step, train.checkpoint_every) or last or save or late:
                    run.seconds, clock = run.seconds + time.monotonic() - clock, time.monotonic()
                    self._checkpoint(must=last)
                if _is_due(run.step, train.preview_every) or (run.step == train.steps and train.preview_every):
                    self._preview()
                if last:
                    break
        return run.step >= train.steps

    def _monitor(self) -> Monitor:
        run = self.run
        names = [source.name for source in run.task.sources]
        self.monitor = Monitor(
            run.folder.path,
            (run.step, run.config.train.steps),
            terms=run.objective.terms.values(),
            styles=names,
            batch_size=run.config.train.batch_size,
            device=run.device,
            latest=run.losses,
            processes=run.processes,
        )
        return self.monitor

    def _say(self, text: str) -> None:
        """Tells a person something; every process may."""
        processes = self.run.processes
        self._tell(text if processes.is_main else f"Process {processes.rank}: {text}")

    def _late(self, seconds: float) -> bool:
        """Whether so long after the last checkpoint there should be another one."""
        return 0 < self.run.config.train.checkpoint_minutes <= seconds / 60

    # ------------------------------------------------------------------------------------------- a step's gradient

    def _pass_through(
        self, images: Tensor, styles: list[int], cards: list[bool], identity: bool
    ) -> tuple[Values, Tensor]:
        """Forward and backward: each image's loss terms, and the loss of these images; the gradient is left behind.

        Args:
            images: (B, 3, H, W) in [0, 1], this process's part of the batch, which may go through in pieces.
            cards: which of them are drawn cards.
        """
        run = self.run
        found: list[Values] = []
        total = torch.zeros((), device=run.device)
        for places in run.pieces():
            run.places = places
            here = slice(places.start - run.part.start, places.stop - run.part.start)
            self.hooks.forward_begins(run, identity)
            if identity:
                values = self.branches.identity(images[here])
            else:
                values = self.branches.stylize(images[here], styles[here], cards[here])
            loss = run.objective.total(values, styles[here]) * (len(places) / len(run.part))
            self.hooks.forward_ends(run, values, styles[here])
            run.scaler.scale(loss).backward()
            found.append({name: value.detach() for name, value in values.items()})
            total += loss.detach()
        run.places = run.part
        if len(found) == 1:
            return found[0], total
        return {name: torch.cat([values[name] for values in found]) for name in found[0]}, total

    def _average(self, loss: Tensor, identity: bool) -> Tensor:
        """Gradient and loss become those of the whole batch. Alone they are already."""
        run = self.run
        if run.processes.world_size > 1:
            touched = run.touched(identity)
            for parameter in touched:
                if parameter.grad is None:  # a filter that only other processes used
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [p.grad for p in touched if p.grad is not None]
            run.processes.all_reduce_sum([*gradients, loss], weight=len(run.part) / run.config.train.batch_size)
        return loss

    def _unscale(self, identity: bool) -> None:
        """Divides gradients by what the loss was multiplied by, in float16."""
        if self.run.scaler.is_enabled():
            # A scaler asks an optimizer for its parameters, and ours is none of torch's.
            touched: Any = SimpleNamespace(param_groups=[{"params": self.run.touched(identity)}])
            self.run.scaler.unscale_(touched)

    def _overflowed(self, loss: Tensor) -> bool:
        """Whether a gradient was too large for float16: the step is left out, and the scaler takes a smaller factor."""
        scaler = self.run.scaler
        return scaler.is_enabled() and bool(loss.isfinite()) and scaler.get_scale() > 1

    def _balance(self, identity: bool) -> None:
        """Weights the identity gradient: lambda * (||g_K|| / ||g_I||) * g_I over E and D (Chen et al. 2017, 3.3)."""
        run, train = self.run, self.run.config.train
        if not run.shared:
            return
        gradients = [p.grad for p in run.shared if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if not run.scaler.is_enabled() or bool(norm.isfinite()):  # one that overflowed tells nothing
            self.monitor.add_gradient("identity" if identity else "stylizing", norm)
        if not identity:
            run.stylizing_norm = torch.where(norm.isfinite(), norm, run.stylizing_norm)
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

    def _update(self, identity: bool) -> None:
        run = self.run
        self.hooks.update_begins(run, identity)
        optimizer = run.identity_optimizer if identity else run.optimizer
        rate = run.schedule.learning_rate(run.step)
        if optimizer is not run.optimizer:  # whose steps are as long for a gradient of any size
            rate *= run.schedule.identity_weight(run.step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        run.average.update(run.step)
        run.forget_gradient()
        self.hooks.update_ends(run, identity)

    # -------------------------------------------------------------------------------------- steps that are left out

    def _leave_out(self, values: Values, styles: Sequence[int], batch: ContentBatch) -> None:
        """Counts a step whose loss or gradient is not finite.

        Raises:
            TrainingError: there were more of them than the run may leave out.
        """
        run = self.run
        run.forget_gradient()
        run.nonfinite_steps += 1
        problem = self._what_is_not_finite(values, styles, batch)
        if run.nonfinite_steps <= run.skip_nonfinite:
            if run.processes.is_main:
                self._say(f"{problem} The step is left out, {run.nonfinite_steps} of {run.skip_nonfinite}.")
            return
        with suppress(StyleBankError):
            run.write_report()
        problem += " Nothing was updated and the last checkpoint is kept; try a lower train.lr, or --skip-nonfinite."
        raise run.processes.shared(TrainingError(problem))

    def _what_is_not_finite(self, values: Values, styles: Sequence[int], batch: ContentBatch) -> str:
        """What is not finite, and in which batch."""
        run = self.run
        bad = [name for name, value in values.items() if not bool(value.isfinite().all())]
        names = [run.task.sources[i].name for i in styles] or ["identity"]
        everywhere = run.processes.gather((bad, names, [str(path) for path in batch.paths]))
        bad, names, photographs = (list(chain.from_iterable(lists)) for lists in zip(*everywhere, strict=True))
        return (
            f"Step {run.step}: {', '.join(dict.fromkeys(bad)) or 'the gradient'} is not finite "
            f"(styles: {', '.join(sorted(set(names)))}; photographs: {', '.join(photographs)})."
        )

    # ------------------------------------------------------------------------------------- previews and checkpoints

    def _preview(self) -> None:
        run = self.run
        if not run.processes.is_main or not (files := run.held_out()):
            return
        first = max(run.task.first_style, len(run.model.names) - PREVIEW_STYLES)
        try:
            with run.average.applied():
                sheet = preview(run.model, files, first, run.device, run.dtype)
                psnr = identity_psnr(run.model, files, run.device, run.dtype)
            self.monitor.preview(run.step, sheet, psnr)
        except StyleBankError as error:  # a full disk, or a photograph that went away just now
            run.issues.once(f"There are no previews: {error}")

    def _validate(self) -> None:
        """Measures the bank on a few held-out photographs, and keeps it if it never did better."""
        run = self.run
        if not run.processes.is_main or not (files := run.held_out()):
            return
        try:
            with run.average.applied():
                values = validate(run, files)
            self.monitor.validation(run.step, values)
            if not run.best or values["loss"] < run.best["loss"]:
                run.best = {"step": run.step, **values}
                run.save_best()
        except StyleBankError as error:  # as in `_preview`
            run.issues.once(f"The bank that does best is not kept: {error}")

    def _checkpoint(self, must: bool) -> None:
        """Saves in the first process. If the disk refuses, training goes on, unless it `must` be saved now."""
        run = self.run
        report = run.report()
        if not run.processes.is_main:
            return
        try:
            self.hooks.checkpoint_begins(run)
            run.save()
            run.folder.write_report(report)
        except StyleBankError as error:
            if must or not isinstance(error.__cause__, OSError):
                raise
            run.issues.counts["failed_saves"] += 1
            last = f"the last checkpoint is of step {run.saved_step}" if run.saved_step >= 0 else "there is none yet"
            run.issues.once(f"{error} Training goes on; {last}.", "failed_saves")

    def _rescue(self) -> str:
        if not self.run.processes.is_main:
            return ""
        with suppress(StyleBankError):
            self.run.save()
            return f" The run is saved as of step {self.run.step}."
        return ""


def _is_due(step: int, every: int) -> bool:
    """Whether what is done every so many steps (0 for never) is done after this one."""
    return every > 0 and step % every == 0
