"""A whole run, from the request to the measured bank: the function behind `train.py`, studies and notebooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from stylebank.bank.operations import copy_bank
from stylebank.config_files import Overrides
from stylebank.distributed import ALONE, Processes, SaidElsewhere, join
from stylebank.errors import StyleBankError, several
from stylebank.folder_lock import in_use
from stylebank.losses.weights import settle_network
from stylebank.signals import leaving_on_sigterm
from stylebank.training.hooks import Hooks
from stylebank.training.measuring import measure
from stylebank.training.memory import check_memory
from stylebank.training.plan import TrainingPlan, plan_of, task_of
from stylebank.training.request import TrainRequest
from stylebank.training.task import StartWish
from stylebank.training.trainer import Trainer
from stylebank.training.training_run import TrainingRun

Say = Callable[[str], None]
"""Called with every sentence that a person should read."""


@dataclass(frozen=True)
class TrainResult:
    """What a run came to."""

    finished: bool
    """False if it was asked to stop (SIGTERM, Ctrl-C) before its last step; it can be resumed."""
    step: int
    steps: int
    bank: Path
    """The bank, complete and as of the last step."""
    report: dict[str, Any]
    """The contents of `report.json`: time, losses, metrics on held-out photographs, what went wrong on the way."""
    report_file: Path | None
    """None in all processes but the first."""


def train(request: TrainRequest, *, say: Say | None = None, hooks: Hooks | None = None) -> TrainResult:
    """Trains a bank, adds styles to one, or goes on with a run, as asked.

    A progress bar goes to stderr. Files appear whole, and Ctrl-C and SIGTERM (in the main thread) end the run after
    saving it. Started by torchrun, this is one of several processes of the run.

    Args:
        say: called with all that a person should read: what was found, what is skipped, what goes wrong on the way
            without ending the run. Without it nothing is said; the report has all of it.
        hooks: called in every step, see `Hooks`.

    Raises:
        ConfigError: the configuration or the request is wrong, or its steps cannot fit into memory.
        ImageError: photographs or paintings are missing.
        BankError: the bank to add to or to start from cannot be used.
        WeightsError: the loss network's weights are missing or do not fit.
        TrainingError: the folders do not allow it, or a loss is not finite.
        StyleBankError: another process trains in the run's folder.
        SystemExit: SIGTERM came before or after the training itself; all there was to save is on disk.
    """
    with leaving_on_sigterm(), join(request.device) as (processes, device):
        try:
            plan = processes.from_main(lambda: _planned(request, processes.restarted, say or _nobody))
            return carry_out(
                plan,
                device,
                request.loss_weights,
                processes,
                request.skip_nonfinite,
                say=say or _nobody,
                hooks=hooks,
                introduced=True,
            )
        except SaidElsewhere:
            time.sleep(1)  # torchrun ends the others with the first that fails: let the one speak that has to
            raise
        except StyleBankError as error:
            if processes.is_main:
                raise
            raise type(error)(f"Process {processes.rank}: {error}") from error


def add_style(
    bank: str | Path,
    paintings: str | Path | Sequence[str | Path],
    content: str | Path,
    out: str | Path,
    *,
    names: Sequence[str] = (),
    start: StartWish = "auto",
    overrides: Overrides | None = None,
    resume: bool | Literal["auto"] = False,
    device: str = "auto",
    loss_weights: str | Path | None = None,
    say: Say | None = None,
    hooks: Hooks | None = None,
) -> TrainResult:
    """Adds paintings to a bank as new styles; the old bank, and every byte of its styles in the new one, stay.

    Args:
        bank: the bank to add to.
        paintings: one or several files or folders, each one style (see `styles.find_styles`).
        content: a folder of photographs.
        out: folder of the new bank; the run's own folder lies beside it.
        names: the styles' names, else those of the files.
        start: what the filters begin as: near the `identity`, as the bank's predictor makes them (`predicted`), or as
            the bank's filters of the same names, in whose place they come (`own`); `auto`: predicted, if the bank can.
        overrides: configuration values that differ from those the bank was trained with, by section and key.
        resume: go on with a call that was stopped; `auto` begins if there was none.

    Raises:
        StyleBankError: as `train`.
    """
    values = dict(overrides or {})
    values["data"] = {**values.get("data", {}), "content": Path(content)}
    files = [paintings] if isinstance(paintings, str | Path) else paintings
    request = TrainRequest(
        out=Path(out),
        overrides=values,
        bank=Path(bank),
        add_style=tuple(map(Path, files)),
        names=tuple(names),
        start=start,
        resume=resume,
        device=device,
        loss_weights=Path(loss_weights) if loss_weights else None,
    )
    return train(request, say=say, hooks=hooks)


def carry_out(
    plan: TrainingPlan,
    device: torch.device,
    loss_weights: Path | None = None,
    processes: Processes = ALONE,
    skip_nonfinite: int = 0,
    *,
    say: Say,
    hooks: Hooks | None = None,
    introduced: bool = False,
) -> TrainResult:
    """Begins a plan's run or goes on with it, trains it to its end and measures it there. Raises as `train` does.

    Args:
        introduced: say first what was found and where the run trains.
    """
    with processes.together():
        task = task_of(plan, loss_weights)
        run = TrainingRun(plan.config, task, plan.folder, device, loss_weights, processes, skip_nonfinite)
        check_memory(run)
    with ExitStack() as held:
        if plan.resume:  # before the state is read: another process may be about to replace it
            processes.from_main(lambda: _hold(plan, held))
        if plan.saved:
            run.resume()
        processes.from_main(lambda: _prepare_folder(plan, run, held))
        run.write_report()
        if introduced and processes.is_main:
            introduce(run, say)
            if plan.start == "predicted" and not plan.saved:
                say("Filters begin as the bank predicts them; --start identity would begin near the identity.")
        finished = Trainer(run, hooks=hooks, say=say).fit()
        if finished:
            processes.from_main(lambda: copy_bank(plan.folder.bank, plan.out) if plan.in_place else None)
            measure(run)
        file = run.write_report()
    bank = plan.out if plan.in_place else plan.folder.bank
    return TrainResult(finished, run.step, plan.config.train.steps, bank, run.last_report, file)


def _planned(request: TrainRequest, restarted: bool, say: Say) -> TrainingPlan:
    """The plan, on the loss network that the weights given are of: what is written down is what was trained with."""
    plan = plan_of(request, restarted)
    loss = plan.config.loss
    network = settle_network(loss.network, request.loss_weights, say)
    if network == loss.network:
        return plan
    settled = plan.config.model_copy(update={"loss": loss.model_copy(update={"network": network})})
    return replace(plan, config=settled)


def _prepare_folder(plan: TrainingPlan, run: TrainingRun, held: ExitStack) -> None:
    """Begins the run's folder and holds it, or cleans up the held one to go on in."""
    if plan.resume:
        plan.folder.clear()
        plan.folder.write_config(plan.config)
        run.issues.go_on_from(plan.folder.last_report(), again=run.step < plan.config.train.steps)
        return
    if plan.in_place:
        run.task.bank = plan.asked["bank"]
    plan.folder.create(plan.config, plan.asked)
    _hold(plan, held)
    if plan.in_place:
        copy_bank(plan.out, plan.asked["bank"])


def _hold(plan: TrainingPlan, held: ExitStack) -> None:
    """No other process may train in the run's folder until `held` is left."""
    held.enter_context(in_use(plan.folder.path, "training", "wait for it or end it, or choose another --out"))


def _nobody(text: str) -> None:
    """Hears what a run says where nobody listens."""


def introduce(run: TrainingRun, say: Say) -> None:
    """Says what a run has found and where it trains."""
    found = run.photographs
    names = several([source.name for source in run.task.sources])
    shared = f" x {run.processes.world_size} processes" if run.processes.world_size > 1 else ""
    say(
        f"{len(found.train)} photographs ({len(found.held_out)} more held out, {len(found.skipped)} skipped), "
        f"styles {names}; {run.device}{shared}, {str(run.dtype).removeprefix('torch.')}."
    )
    if len(found.held_out) < run.config.data.held_out:
        say(
            f"data.held_out={run.config.data.held_out} would leave too few of {len(found.train) + len(found.held_out)} "
            f"photographs to train on: {len(found.held_out) or 'none'} held out to measure with."
        )
    for text in found.skipped[:10]:
        say(f"Skipped: {text}")
    if len(found.skipped) > 10:
        say(f"... and {len(found.skipped) - 10} more, all named in report.json.")
