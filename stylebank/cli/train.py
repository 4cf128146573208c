"""Train a bank on photographs and paintings, or add styles to one."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stylebank.bank_files import copy_bank
from stylebank.checkpoint import find_bank, read_manifest, read_style_record
from stylebank.config import Config, load_config
from stylebank.distributed import Processes, SaidElsewhere, join
from stylebank.errors import ConfigError, StyleBankError, TrainingError
from stylebank.interrupt import leaving_on_sigterm
from stylebank.run import RunFolder
from stylebank.styles import StyleSource, check_name, find_styles
from stylebank.task import Task, more_styles, new_bank
from stylebank.trainer import Trainer

ADDED_STYLE_STEPS = 1000  # "around 1,000 iterations", Chen et al. 2017, section 3.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("what to train")
    group.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration, see configs/")
    group.add_argument("--content", type=Path, metavar="DIR", help="photographs, a folder tree (data.content)")
    group.add_argument(
        "--styles", type=Path, nargs="+", metavar="PATH", help="paintings: files or folders (data.styles)"
    )
    group.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    group.add_argument(
        "--start-from",
        type=Path,
        metavar="DIR",
        help="begin with a bank's auto-encoder, and its filters for styles of the same names; all of them train on",
    )
    group = parser.add_argument_group("adding styles to a bank")
    group.add_argument("--bank", type=Path, metavar="DIR", help="the bank to add to; it is not modified")
    group.add_argument("--add-style", type=Path, nargs="+", metavar="PATH", help="paintings to add: files or folders")
    group.add_argument(
        "--name", nargs="+", metavar="NAME", help="names of the added styles, else from the files' names"
    )
    group.add_argument("--in-place", action="store_true", help="write the result over --bank instead of to --out")
    group = parser.add_argument_group("where")
    group.add_argument("--out", type=Path, metavar="DIR", help="folder of the run, or of the new bank with --add-style")
    group.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=False,
        choices=["auto"],
        help="go on with the run in --out; auto: begin it if there is none yet",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    group.add_argument(
        "--skip-nonfinite",
        type=_count,
        default=0,
        metavar="K",
        help="leave out up to K steps of a run whose loss or gradient is not finite, instead of stopping at the first",
    )


def run(options: argparse.Namespace) -> int:
    """Trains, resumes or adds styles as asked; 0 also when stopped by a signal after saving."""
    with leaving_on_sigterm(), join(options.device) as (processes, device):
        try:
            return _run(options, processes, device)
        except SystemExit:
            print("Stopped; what was saved stays, and --resume goes on from it.", file=sys.stderr)
            raise
        except SaidElsewhere:
            time.sleep(1)  # torchrun ends the others with the first that fails: let the one speak that has to
            return 1
        except StyleBankError as error:
            if processes.first:
                raise
            raise type(error)(f"Process {processes.rank}: {error}") from error


def _run(options: argparse.Namespace, processes: Processes, device: torch.device) -> int:
    plan = processes.from_first(lambda: _plan(options, processes.restarted))
    with processes.together():
        task = _task(plan)
        trainer = Trainer(
            plan.config, task, plan.folder, device, options.loss_weights, processes, options.skip_nonfinite
        )
    if plan.saved:
        trainer.resume()
    processes.from_first(lambda: _prepare_folder(plan, trainer))
    trainer.write_report()
    if processes.first:
        _introduce(trainer)
    finished = trainer.fit()
    if finished:
        processes.from_first(lambda: _finish(plan, trainer))
    report = trainer.write_report()
    if processes.first:
        if finished:
            print(f"Done: the bank is in {plan.out if plan.in_place else plan.folder.bank}, the report in {report}.")
        else:
            of = plan.config.train.steps
            print(f"Stopped after step {trainer.step} of {of}; the same command with --resume goes on.")
    return 0


@dataclass(frozen=True)
class Plan:
    """What is to be done, settled by the first process for all: only that one needs to see the run's folder."""

    config: Config
    out: Path
    folder: RunFolder
    in_place: bool
    resume: bool
    saved: bool
    """Whether the run to go on with has come to a checkpoint; else it begins anew."""
    bank: Path | None
    """The bank to add to; without `add_style` the one to start from."""
    add_style: list[Path] | None
    names: list[str] | None

    @property
    def asked(self) -> dict[str, Any]:
        """What `task.json` remembers."""
        return {
            "bank": self.folder.path / "original" if self.in_place else self.bank,  # the bank is changed in place
            "add_style": self.add_style,
            "names": self.names,
        }


def _plan(options: argparse.Namespace, restarted: bool) -> Plan:
    automatic = options.resume == "auto" or (restarted and not options.resume)
    if automatic:
        options.resume = _begun(options)
    out = _output(options)
    folder = _run_folder(options, out)
    bank, add_style, names = options.bank or options.start_from, options.add_style, options.name
    if options.resume:
        wanted = folder.task()
        if automatic and wanted["add_style"] != _texts(add_style):
            raise TrainingError(f"{folder.path} holds a run of other styles; choose another --out.")
        bank, add_style, names = _path(wanted["bank"]), _paths(wanted["add_style"]), wanted["names"]
        config = load_config(options.config or folder.config_file, _overrides(options))
    else:
        config = load_config(options.config, _overrides(options), _settings_of(options))
    saved = options.resume and folder.saved
    return Plan(config, out, folder, options.in_place, options.resume, saved, bank, add_style, names)


def _begun(options: argparse.Namespace) -> bool:
    """Whether --out has a run already, for a command that is to begin it or go on with it as need be."""
    if options.in_place:
        raise ConfigError("--in-place does not go on by itself; give --resume, without auto.")
    if not options.out:
        return False  # refused later
    beside = options.out.with_name(f"{options.out.name}-run")
    return RunFolder(beside if options.add_style else options.out).begun


def _prepare_folder(plan: Plan, trainer: Trainer) -> None:
    if plan.resume:
        plan.folder.clear()
        plan.folder.write_config(plan.config)
        trainer.faults.go_on_from(plan.folder.last_report(), again=trainer.step < plan.config.train.steps)
        return
    if plan.in_place:
        trainer.task.bank = plan.asked["bank"]
    plan.folder.create(plan.config, plan.asked)
    if plan.in_place:
        copy_bank(plan.out, plan.asked["bank"])


def _finish(plan: Plan, trainer: Trainer) -> None:
    if plan.in_place:
        copy_bank(plan.folder.bank, plan.out)
    trainer.measure()


def _output(options: argparse.Namespace) -> Path:
    if bool(options.add_style) != bool(options.bank) and not options.resume:
        raise ConfigError("Adding a style needs both --bank and --add-style.")
    if options.in_place:
        if options.out or not options.bank:
            raise ConfigError("--in-place goes with --bank and without --out.")
        return find_bank(options.bank)
    if options.start_from and (options.bank or options.add_style):
        raise ConfigError("--start-from trains a whole bank; it does not go with --bank and --add-style.")
    if not options.out:
        raise ConfigError("--out is missing: the folder to write to.")
    out: Path = options.out
    if options.add_style and out.resolve() == find_bank(options.bank).resolve() and not options.resume:
        raise ConfigError(f"--out is the bank itself ({out}); to change it use --in-place instead.")
    return out


def _run_folder(options: argparse.Namespace, out: Path) -> RunFolder:
    """A new bank lies in its run's folder; an extended one is `--out` itself, with the run's folder beside it.

    In place, the bank stays as it is until the result is complete.
    """
    beside, own = out.with_name(f"{out.name}-run"), RunFolder(out)
    if options.in_place:
        return RunFolder(_numbered(beside, options.resume))
    if not options.add_style and not (options.resume and beside.is_dir() and not own.config_file.is_file()):
        return own
    if not options.resume and out.exists():
        raise TrainingError(f"{out} exists; choose another --out, or go on with --resume.")
    return RunFolder(beside, out)


def _numbered(path: Path, last: bool) -> Path:
    """The first of `path`, `path-2`, `path-3`, ... that does not exist yet, or the last that does."""
    names = [path]
    while names[-1].exists():
        names.append(path.with_name(f"{path.name}-{len(names) + 1}"))
    return names[-2] if last and len(names) > 1 else names[-1]


def _overrides(options: argparse.Namespace) -> list[str]:
    """The options that stand for config keys come after --set."""
    texts: list[str] = list(options.set)
    if options.content:
        texts.append(f"data.content={options.content.as_posix()!r}")
    if options.styles:
        texts.append(f"data.styles={[path.as_posix() for path in options.styles]!r}")
    return texts


def _settings_of(options: argparse.Namespace) -> dict[str, dict[str, Any]] | None:
    """An added style starts from the settings its bank was trained with."""
    if not options.add_style or options.config:
        return None
    bank = find_bank(options.bank)
    manifest = read_manifest(bank)
    if not manifest.styles:
        return {"train": {"steps": ADDED_STYLE_STEPS}}
    settings = read_style_record(bank, manifest.styles[0], manifest.autoencoder_sha256).settings
    return {**settings, "train": {**settings.get("train", {}), "steps": ADDED_STYLE_STEPS}}


def _task(plan: Plan) -> Task:
    if not plan.add_style or not plan.bank:
        # The weights to start from are not needed any more, nor need they still be there, once a run has its own.
        start = find_bank(plan.bank) if plan.bank and not plan.saved else None
        return new_bank(plan.config, find_styles(plan.config.data.styles), start)
    sources = find_styles(plan.add_style)
    if plan.names:
        if len(plan.names) != len(sources):
            raise ConfigError(f"--name gives {len(plan.names)} name(s) for {len(sources)} style(s).")
        if len(set(plan.names)) != len(plan.names):
            raise ConfigError(f"--name gives a name twice: {', '.join(plan.names)}.")
        sources = [StyleSource(check_name(n), s.files) for n, s in zip(plan.names, sources, strict=True)]
    return more_styles(find_bank(plan.bank), plan.config, sources)


def _introduce(trainer: Trainer) -> None:
    found = trainer.photographs
    names = ", ".join(source.name for source in trainer.task.sources)
    several = f" x {trainer.processes.count} processes" if trainer.processes.count > 1 else ""
    print(
        f"{len(found.train)} photographs ({len(found.held_out)} more held out, {len(found.skipped)} skipped), "
        f"styles {names}; {trainer.device}{several}, {str(trainer.dtype).removeprefix('torch.')}."
    )
    for text in found.skipped[:10]:
        print(f"Skipped: {text}")
    if len(found.skipped) > 10:
        print(f"... and {len(found.skipped) - 10} more, all named in report.json.")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _paths(texts: list[str] | None) -> list[Path] | None:
    return [Path(text) for text in texts] if texts else None


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path) for path in paths] if paths else None


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)
