"""Train a bank on photographs and paintings, or add styles to one."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from stylebank.bank.operations import copy_bank
from stylebank.cli.training_plan import TrainingPlan, plan_of, task_of
from stylebank.distributed import Processes, SaidElsewhere, join
from stylebank.errors import StyleBankError
from stylebank.signals import leaving_on_sigterm
from stylebank.training.trainer import Trainer


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
            if processes.is_main:
                raise
            raise type(error)(f"Process {processes.rank}: {error}") from error


def _run(options: argparse.Namespace, processes: Processes, device: torch.device) -> int:
    plan = processes.from_main(lambda: plan_of(options, processes.restarted))
    with processes.together():
        task = task_of(plan)
        trainer = Trainer(
            plan.config, task, plan.folder, device, options.loss_weights, processes, options.skip_nonfinite
        )
    if plan.saved:
        trainer.resume()
    processes.from_main(lambda: _prepare_folder(plan, trainer))
    trainer.write_report()
    if processes.is_main:
        _introduce(trainer)
    finished = trainer.fit()
    if finished:
        processes.from_main(lambda: _finish(plan, trainer))
    report = trainer.write_report()
    if processes.is_main:
        if finished:
            print(f"Done: the bank is in {plan.out if plan.in_place else plan.folder.bank}, the report in {report}.")
        else:
            of = plan.config.train.steps
            print(f"Stopped after step {trainer.step} of {of}; the same command with --resume goes on.")
    return 0


def _prepare_folder(plan: TrainingPlan, trainer: Trainer) -> None:
    if plan.resume:
        plan.folder.clear()
        plan.folder.write_config(plan.config)
        trainer.issues.go_on_from(plan.folder.last_report(), again=trainer.step < plan.config.train.steps)
        return
    if plan.in_place:
        trainer.task.bank = plan.asked["bank"]
    plan.folder.create(plan.config, plan.asked)
    if plan.in_place:
        copy_bank(plan.out, plan.asked["bank"])


def _finish(plan: TrainingPlan, trainer: Trainer) -> None:
    if plan.in_place:
        copy_bank(plan.folder.bank, plan.out)
    trainer.measure()


def _introduce(trainer: Trainer) -> None:
    found = trainer.photographs
    names = ", ".join(source.name for source in trainer.task.sources)
    several = f" x {trainer.processes.world_size} processes" if trainer.processes.world_size > 1 else ""
    print(
        f"{len(found.train)} photographs ({len(found.held_out)} more held out, {len(found.skipped)} skipped), "
        f"styles {names}; {trainer.device}{several}, {str(trainer.dtype).removeprefix('torch.')}."
    )
    for text in found.skipped[:10]:
        print(f"Skipped: {text}")
    if len(found.skipped) > 10:
        print(f"... and {len(found.skipped) - 10} more, all named in report.json.")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 up")
    return int(text)
