"""Training the runs of a study, one after the other; what one of them meets does not stop the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from stylebank.errors import ConfigError, StyleBankError
from stylebank.losses.terms import layers_of
from stylebank.losses.vgg import load_loss_network
from stylebank.styles import find_styles
from stylebank.sweeps.grid import Cell
from stylebank.sweeps.log import log_runs
from stylebank.sweeps.record import Study
from stylebank.sweeps.table import write_table
from stylebank.training.photographs import find_photographs
from stylebank.training.plan import plan_in
from stylebank.training.run import carry_out

_logger = logging.getLogger(__name__)


def check(cells: Sequence[Cell], loss_weights: Path | None) -> None:
    """Looks at all that runs need, so that what is missing is said before hours are spent.

    Raises:
        ConfigError: a run would have no photographs to measure on.
        StyleBankError: photographs, paintings or the loss network's weights are missing or do not fit.
    """
    for data in dict.fromkeys(cell.config.data for cell in cells):
        if data.held_out == 0:
            raise ConfigError("data.held_out is 0; a study measures its runs on photographs kept from training.")
        find_styles(data.styles)
        found = find_photographs(data.content, data.min_side, data.held_out, seed=0)  # no matter here which they are
        if not found.held_out:
            raise ConfigError(f"{data.content} holds one photograph; a study needs others to measure its runs on.")
    losses = [cell.config.loss for cell in cells]
    for network, pooling, layers in {(x.network, x.pooling, tuple(layers_of(x))) for x in losses}:
        load_loss_network(network, layers, pooling, loss_weights)


def run_study(
    study: Study,
    cells: Sequence[Cell],
    device: torch.device,
    loss_weights: Path | None,
    say: Callable[[str], None] = print,
) -> bool:
    """Trains and measures every run that is not done yet, going on with those that were begun.

    A run that fails is noted with its reason. `study.json`, the table and the log are brought up to date after each.

    Returns:
        False if asked to stop (SIGTERM, Ctrl-C) before the end.

    Raises:
        StyleBankError: the study's own files cannot be written.
    """
    study.save()
    log_runs(study)
    for number, cell in enumerate(cells, 1):
        if study.entries[cell.name].state == "done":
            continue
        say(f"Run {number} of {len(cells)}: {cell.name}")
        try:
            plan = plan_in(study.run_folder(cell.name), cell.config)
            finished, error = carry_out(plan, device, loss_weights, say=say).finished, ""
        except Exception as failure:  # whatever it is, the other runs are worth their hours
            finished, error = True, _reason(failure)
            _logger.debug("Where it was raised:", exc_info=failure)
        entry = study.update(cell.name, error)
        if error:
            say(f"Failed: {entry.error}")
        study.save()
        write_table(study)
        log_runs(study)
        if not finished:
            return False
    return True


def _reason(error: Exception) -> str:
    """Why a run failed, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, StyleBankError):
        return text
    return f"{type(error).__name__}: {text[:300] or 'no more is known.'}"
