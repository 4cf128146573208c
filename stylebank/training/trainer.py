"""Training: the loop is `Trainer.fit`.

The branch of each step, its learning rate, crops and styles are pure functions of the step number (`schedule`,
`crops`, `draws`), so the state to save is weights, optimizers and that number (`training_run`). Where several
processes train (`distributed`), each runs this same loop on its part of every batch; from `Gradients.weight` on all
have the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress

from stylebank.bars import above
from stylebank.device import training_steps
from stylebank.errors import StyleBankError
from stylebank.evaluation.held_out import identity_psnr, preview
from stylebank.signals import Requests
from stylebank.training.batches import batches
from stylebank.training.branches import Branches
from stylebank.training.gradients import Gradients
from stylebank.training.hooks import Hooks
from stylebank.training.left_out import LeftOut
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
        say: Callable[[str], None] = above,
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
        if run.compile_mode and run.processes.is_main:
            self._say(
                "The networks are compiled first: steps begin in a minute or two (train.compile=false leaves it out)."
            )
        with (
            Requests() as requests,
            training_steps(run.device),
            self._monitor() as monitor,
            closing(batches(run, self._rescue)) as stream,  # whatever happens, the loader's processes end
        ):
            gradients = Gradients(run, self.branches, self.hooks, monitor.add_gradient)
            left_out = LeftOut(run, self._say)
            clock = shown = time.monotonic()
            for batch in self.hooks.batches(run, stream):
                identity = run.schedule.is_identity(run.step)
                styles = [] if identity else run.styles_of_step()[run.part.start : run.part.stop]
                images = batch.to(run.device)  # (B, 3, crop, crop)

                values, loss = gradients.pass_through(images, styles, batch.cards, identity)
                norm = gradients.weight(loss, identity)
                gradients.update(identity, left_out.judge(norm, loss, values, styles, batch.paths))
                run.scaler.update()
                run.step += 1
                self.hooks.step_ends(run)

                monitor.add_values(values, styles, loss, len(run.part) / train.batch_size)
                stop, save, late = run.processes.any(*requests.take(), self._late(time.monotonic() - clock))
                last = run.step == train.steps or stop
                logs, saves = _is_due(run.step, train.log_every) or last, _is_due(run.step, train.checkpoint_every)
                saves |= last or save or late
                if logs or saves:
                    left_out.settle()
                if logs:
                    self.hooks.log_begins(run)
                    monitor.log(run.step, run.schedule.learning_rate(run.step - 1))
                if _is_due(run.step, train.validate_every) or (run.step == train.steps and train.validate_every):
                    self._validate()
                if saves:
                    run.seconds, clock = run.seconds + time.monotonic() - clock, time.monotonic()
                    self._checkpoint(must=last)
                if self._shows(time.monotonic() - shown):
                    shown = time.monotonic()
                    self._preview()
                if last:
                    break
        return run.step >= train.steps

    def _monitor(self) -> Monitor:
        run = self.run
        self.monitor = Monitor(
            run.folder.path,
            (run.step, run.config.train.steps),
            terms=run.objective.terms.values(),
            styles=run.task.logged,
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

    def _shows(self, seconds: float) -> bool:
        """Whether there should be previews of this step, so long after the last ones."""
        run, train = self.run, self.run.config.train
        late = 0 < train.preview_minutes <= seconds / 60
        last = run.step == train.steps and bool(train.preview_every or train.preview_minutes)
        return late or last or _is_due(run.step, train.preview_every)

    # ------------------------------------------------------------------------------------- previews and checkpoints

    def _preview(self) -> None:
        run = self.run
        if not run.processes.is_main or not (files := run.held_out()):
            return
        first = max(run.task.first_style, len(run.model.names) - PREVIEW_STYLES)
        try:
            with run.as_measured():
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
            with run.as_measured():
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
