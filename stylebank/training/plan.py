"""What is to be done for a request: configuration, folders and styles, settled before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylebank.bank.find import find_bank
from stylebank.config import Config
from stylebank.config_files import load_config
from stylebank.errors import ConfigError, TrainingError
from stylebank.shipped import BANKS
from stylebank.styles import StyleSource, check_name, find_styles
from stylebank.training.added_style import in_form_of_bank, settings_of, start_of
from stylebank.training.predictor_task import predictor_task
from stylebank.training.request import TrainRequest
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import Start, Task, more_styles, new_bank


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be done, settled by the first process for all: only that one needs to see the run's folder."""

    config: Config
    out: Path
    folder: RunFolder
    resume: bool = False
    saved: bool = False
    """Whether the run to go on with has come to a checkpoint; else it begins anew."""
    in_place: bool = False
    bank: Path | None = None
    """The bank to add to; without `add_style` the one to start from."""
    add_style: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    start: Start = "identity"

    @property
    def asked(self) -> dict[str, Any]:
        """What `task.json` remembers."""
        return {
            "bank": self.folder.path / "original" if self.in_place else self.bank,  # the bank is changed in place
            "add_style": list(self.add_style) or None,
            "names": list(self.names) or None,
            "start": self.start,
        }


def plan_in(folder: RunFolder, config: Config) -> TrainingPlan:
    """A new bank in a run's folder, begun there or gone on with, as need be."""
    return TrainingPlan(config, folder.path, folder, resume=folder.begun, saved=folder.begun and folder.saved)


def plan_of(request: TrainRequest, restarted: bool = False) -> TrainingPlan:
    """Settles what is asked for; `restarted` if torchrun has started this run again.

    Raises:
        StyleBankError: the request, the configuration or the folders do not allow it.
    """
    automatic = request.resume == "auto" or (restarted and not request.resume)
    resume = _begun(request) if automatic else bool(request.resume)
    out = _output(request, resume)
    folder = _run_folder(request, out, resume)
    bank, add_style, names = request.bank or request.start_from, tuple(request.add_style), tuple(request.names)
    if not resume:
        config = load_config(request.config, request.overrides, settings_of(request))
        _check_kind(request, config)
        config = in_form_of_bank(request, config)
        return TrainingPlan(
            config,
            out,
            folder,
            in_place=request.in_place,
            bank=bank,
            add_style=add_style,
            names=names,
            start=start_of(request, config),
        )
    wanted = folder.task()
    began = tuple(wanted["add_style"] or ())
    if automatic and began != tuple(map(str, add_style)):
        raise TrainingError(f"{folder.path} holds a run of other styles; choose another --out.")
    bank = Path(wanted["bank"]) if wanted["bank"] else None
    add_style, names = tuple(map(Path, began)), tuple(wanted["names"] or ())
    config = load_config(request.config or folder.config_file, request.overrides)
    return TrainingPlan(
        config,
        out,
        folder,
        resume=True,
        saved=folder.saved,
        in_place=request.in_place,
        bank=bank,
        add_style=add_style,
        names=names,
        start=wanted["start"],
    )


def _check_kind(request: TrainRequest, config: Config) -> None:
    """What trains: a bank, styles added to one, or a bank's predictor."""
    if not config.predictor.rank:
        if request.bank and not request.add_style:
            raise ConfigError(
                "Adding a style needs both --bank and --add-style; a predictor for --bank a configuration with "
                "predictor.rank (--config predictor)."
            )
    elif request.add_style or request.start_from or request.in_place or not request.bank:
        raise ConfigError(
            "predictor.rank trains a predictor for the bank given with --bank, from the paintings of --styles; it does "
            "not go with --add-style, --start-from and --in-place."
        )


def _begun(request: TrainRequest) -> bool:
    """Whether --out has a run already, for a command that is to begin it or go on with it as need be."""
    if request.in_place:
        raise ConfigError("--in-place does not go on by itself; give --resume, without auto.")
    if not request.out:
        return False  # refused later
    beside = request.out.with_name(f"{request.out.name}-run")
    return RunFolder(beside if request.add_style else request.out).begun


def _output(request: TrainRequest, resume: bool) -> Path:
    if request.start_from and (request.bank or request.add_style):
        raise ConfigError("--start-from trains a whole bank; it does not go with --bank and --add-style.")
    if request.add_style and not request.bank and not resume:
        raise ConfigError("Adding a style needs both --bank and --add-style.")
    if request.in_place:
        if request.out or not request.bank:
            raise ConfigError("--in-place goes with --bank and without --out.")
        bank = find_bank(request.bank)
        if bank.resolve().is_relative_to(BANKS):
            raise ConfigError(f"--in-place would change {bank}, which comes with the program; give --out a new bank.")
        return bank
    out = request.out
    if not out:
        raise ConfigError("--out is missing: the folder to write to.")
    if request.add_style and request.bank and not resume and out.resolve() == find_bank(request.bank).resolve():
        raise ConfigError(f"--out is the bank itself ({out}); to change it use --in-place instead.")
    return out


def _run_folder(request: TrainRequest, out: Path, resume: bool) -> RunFolder:
    """A new bank lies in its run's folder; an extended one is `--out` itself, with the run's folder beside it.

    In place, the bank stays as it is until the result is complete.
    """
    beside, own = out.with_name(f"{out.name}-run"), RunFolder(out)
    if request.in_place:
        return RunFolder(_numbered(beside, resume))
    if not request.add_style and not (resume and beside.is_dir() and not own.config_file.is_file()):
        return own
    if not resume and out.exists():
        raise TrainingError(f"{out} exists; choose another --out, or go on with --resume.")
    return RunFolder(beside, out)


def _numbered(path: Path, last: bool) -> Path:
    """The first of `path`, `path-2`, `path-3`, ... that does not exist yet, or the last that does."""
    names = [path]
    while names[-1].exists():
        names.append(path.with_name(f"{path.name}-{len(names) + 1}"))
    return names[-2] if last and len(names) > 1 else names[-1]


def task_of(plan: TrainingPlan, loss_weights: Path | None = None) -> Task:
    """The network to train and the styles that are new in it.

    Args:
        loss_weights: see `TrainRequest`.

    Raises:
        StyleBankError: paintings or bank cannot be read, or do not fit.
    """
    if plan.config.predictor.rank and plan.bank:
        return predictor_task(find_bank(plan.bank), plan.config, find_styles(plan.config.data.styles))
    if not plan.add_style or not plan.bank:
        # The weights to start from are not needed any more, nor need they still be there, once a run has its own.
        begin = find_bank(plan.bank) if plan.bank and not plan.saved else None
        return new_bank(plan.config, find_styles(plan.config.data.styles), begin)
    sources = find_styles(plan.add_style)
    if plan.names:
        if len(plan.names) != len(sources):
            raise ConfigError(f"--name gives {len(plan.names)} name(s) for {len(sources)} style(s).")
        if len(set(plan.names)) != len(plan.names):
            raise ConfigError(f"--name gives a name twice: {', '.join(plan.names)}.")
        sources = [StyleSource(check_name(n), s.files) for n, s in zip(plan.names, sources, strict=True)]
    predicted = plan.start == "predicted"
    start: Start = "identity" if predicted and plan.saved else plan.start  # what was trained since then takes its place
    return more_styles(find_bank(plan.bank), plan.config, sources, start, loss_weights)
