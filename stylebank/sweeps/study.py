"""A whole study, from the request to the table: the function behind `stylebank study`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stylebank.config_files import Overrides, load_config
from stylebank.device import resolve_device
from stylebank.errors import ConfigError
from stylebank.images import load_picture
from stylebank.losses.weights import settle_network
from stylebank.sweeps.grid import make_grid
from stylebank.sweeps.picture import draw_grid
from stylebank.sweeps.record import Study
from stylebank.sweeps.run import check, run_study
from stylebank.sweeps.table import write_table


@dataclass(frozen=True)
class StudyRequest:
    """A grid of runs to train and compare."""

    out: Path
    """Folder of the study; the same request goes on there, other values of the same keys are added to it."""
    vary: Sequence[str] = ()
    """`section.key=value,value,...`, see `make_grid`."""
    seeds: Sequence[int] = ()
    """Each combination is trained with every one of these."""
    config: Path | None = None
    """YAML configuration that all runs have in common."""
    overrides: Overrides = field(default_factory=dict)
    """Values above the configuration's, by section and key."""
    photograph: Path | None = None
    """Shown in the picture of the study, else one that each run held out."""
    device: str = "auto"
    loss_weights: Path | None = None


@dataclass(frozen=True)
class StudyResult:
    """How far a study has come."""

    finished: bool
    """False if it was asked to stop before its last run."""
    runs: int = 0
    failed: Sequence[str] = ()
    """Names of the runs that failed; the table has the reasons."""
    picture: Path | None = None


def _on_given_network(request: StudyRequest, say: Callable[[str], None]) -> Overrides:
    """The overrides, with the loss network that the weights given are of, unless the study is about that."""
    if any(text.partition("=")[0].strip() == "loss.network" for text in request.vary):
        return request.overrides
    wanted = load_config(request.config, request.overrides).loss.network
    network = settle_network(wanted, request.loss_weights, say)
    if network == wanted:
        return request.overrides
    return {**request.overrides, "loss": {**request.overrides.get("loss", {}), "network": network}}


def carry_out(request: StudyRequest, say: Callable[[str], None]) -> StudyResult:
    """Trains and measures every run that is not done yet, and writes table, picture and log.

    Raises:
        ConfigError: there is nothing to vary, a value is refused, or the folder holds something else.
        StyleBankError: photographs, paintings or weights are missing, or the study's files cannot be written.
    """
    if not request.vary and not request.seeds:
        raise ConfigError("There is nothing to vary; give --vary KEY=VALUE,... or --seeds.")
    cells = make_grid(request.config, _on_given_network(request, say), request.vary, request.seeds)
    study, device = Study(request.out, cells), resolve_device(request.device)
    if request.photograph:
        load_picture(request.photograph)  # or it would be missed only after the last run
    todo = sum(study.entries[cell.name].state != "done" for cell in cells)
    if todo:
        check(cells, request.loss_weights)
    say(f"{len(cells)} runs, {len(cells) - todo} of them done already; {device}.")
    if not run_study(study, cells, device, request.loss_weights, say):
        return StudyResult(finished=False)
    write_table(study)
    picture = draw_grid(study, request.device, request.photograph)
    failed = [cell.name for cell in cells if study.entries[cell.name].state == "failed"]
    return StudyResult(True, len(cells), failed, picture)
