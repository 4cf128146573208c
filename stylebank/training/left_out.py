"""Steps whose loss or gradient is not finite: they change nothing, are counted, and too many of them end the run.

A processor looks at every step before it is taken. A GPU works on while the program goes ahead, and to read a number
back is to wait for it: there the update itself depends on the number (`optimizer.take_step`), and what was left out is
found out when something is read anyway, at the log's intervals and before a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from stylebank.device import runs_ahead
from stylebank.errors import StyleBankError, TrainingError
from stylebank.training.training_run import TrainingRun


@dataclass(frozen=True)
class _Step:
    """What a message about a step needs."""

    number: int
    values: Mapping[str, Tensor]
    styles: Sequence[int]
    paths: Sequence[Path]
    bad: Tensor | None = None
    """Whether it was left out, on a device that runs ahead."""


class LeftOut:
    """Judges the steps of a run.

    Args:
        say: called with a sentence about steps that are left out.
    """

    def __init__(self, run: TrainingRun, say: Callable[[str], object]) -> None:
        self.run, self.say = run, say
        self.ahead = runs_ahead(run.device)
        self.recent: list[_Step] = []
        """The steps that nothing is known of yet."""

    def judge(
        self, norm: Tensor, loss: Tensor, values: Mapping[str, Tensor], styles: Sequence[int], paths: Sequence[Path]
    ) -> bool | Tensor:
        """Whether the run's step is to be taken, or on a device that runs ahead 1 or 0, which nobody has read.

        Args:
            norm: of the gradient.
            loss: of the whole batch.
            values: each image's loss terms.

        Raises:
            TrainingError: more steps were left out than the run may.
        """
        finite = (norm + loss).abs() < math.inf
        if self.ahead:
            bad = ~finite
            if self.run.scaler.is_enabled():  # as in `_overflowed`
                scale = self.run.scaler.scale(torch.ones((), device=loss.device))
                bad &= ~(loss.isfinite() & (scale > 1))
            self.recent.append(_Step(self.run.step, values, styles, paths, bad))
            return finite.float()
        if bool(finite):  # the one number that is read back in every step
            return True
        if not self._overflowed(loss):
            self._report(1, _Step(self.run.step, values, styles, paths))
        return False

    def settle(self) -> None:
        """Finds out which steps were left out since the last time. Waits for the device, if it runs ahead.

        Raises:
            TrainingError: more than the run may leave out.
        """
        if not self.recent:
            return
        flags = torch.stack([step.bad for step in self.recent if step.bad is not None]).tolist()
        bad, self.recent = [step for step, flag in zip(self.recent, flags, strict=True) if flag], []
        if bad:
            self._report(len(bad), bad[0])

    def _overflowed(self, loss: Tensor) -> bool:
        """Whether a gradient was too large for float16: the step is left out, and the scaler takes a smaller factor."""
        scaler = self.run.scaler
        return scaler.is_enabled() and bool(loss.isfinite()) and scaler.get_scale() > 1

    def _report(self, count: int, step: _Step) -> None:
        """Counts steps that were left out, of which one is described."""
        run = self.run
        run.nonfinite_steps += count
        problem = self._described(step)
        which = "The step is" if count == 1 else f"It and {count - 1} more until step {run.step} are"
        if run.nonfinite_steps <= run.skip_nonfinite:
            if run.processes.is_main:
                self.say(f"{problem} {which} left out, {run.nonfinite_steps} of {run.skip_nonfinite}.")
            return
        with suppress(StyleBankError):
            run.write_report()
        problem += " Nothing was updated and the last checkpoint is kept; try a lower train.lr, or --skip-nonfinite."
        raise run.processes.shared(TrainingError(problem))

    def _described(self, step: _Step) -> str:
        """What is not finite, and in which batch."""
        run = self.run
        bad = [name for name, value in step.values.items() if not bool(value.isfinite().all())]
        names = [run.task.sources[i].name for i in step.styles] or ["identity"]
        everywhere = run.processes.gather((bad, names, [str(path) for path in step.paths]))
        bad, names, photographs = (list(chain.from_iterable(lists)) for lists in zip(*everywhere, strict=True))
        return (
            f"Step {step.number}: {', '.join(dict.fromkeys(bad)) or 'the gradient'} is not finite "
            f"(styles: {', '.join(sorted(set(names)))}; photographs: {', '.join(photographs)})."
        )
