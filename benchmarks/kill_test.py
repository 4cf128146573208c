"""Kills a training run at random moments with `kill -9` and checks that its folder always resumes, to the same bits.

    python benchmarks/kill_test.py --moments 30

A tiny run on the processor is started and killed again and again, in turn while it steps, saves and logs, a random
fraction of a second after such a moment began. After every kill: whatever stands in the folder under its real name is
whole (training state, bank, report), and at most one checkpoint interval of steps is lost. In the end the run is
brought to its last step, and its state and bank are compared, bit by bit, with those of a run nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import generated
import torch
from torch import Tensor
from tqdm import tqdm

from stylebank.bank.io import load_bank
from stylebank.cli import parser
from stylebank.cli.train import request_of
from stylebank.config_files import load_config, parse_overrides
from stylebank.errors import StyleBankError
from stylebank.inference.allocator import keep_freed_memory
from stylebank.training.hooks import Hooks
from stylebank.training.run import train
from stylebank.training.state import load_training_state
from stylebank.training.training_run import TrainingRun

KINDS = ("step", "save", "log")
EVERY = 3  # steps between two checkpoints
SPREAD = 0.04  # seconds in which a moment is met, about what saving takes
SETTINGS = [
    "model.channels=[8, 8, 16]",
    "loss.content_layers=[relu1_2]",
    "loss.style_layers=[relu1_1]",
    "data.content_size=40",
    "data.style_size=32",
    "data.min_side=16",
    "data.held_out=0",
    "data.workers=0",
    "train.batch_size=2",
    "train.crop_size=32",
    "train.identity_pretrain_steps=2",
    "train.precision=float32",
    "train.log_every=1",
    "train.preview_every=1000000",
    f"train.checkpoint_every={EVERY}",
]


def main() -> int:
    """Runs the test; 0 if the folder came through everything."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(run(Path(folder), options.moments, options.seed))
        except (AssertionError, StyleBankError) as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    return 0


def run(folder: Path, moments: int, seed: int) -> str:
    """Kills a run `moments` times; returns what there is to say.

    Raises:
        AssertionError: something was lost, half written, or came out differently.
    """
    rng, steps = random.Random(seed), 3 * moments + EVERY
    options = [*_options(folder), f"train.steps={steps}"]
    straight, killed = folder / "straight", folder / "killed"
    _train(straight, options)
    kills: Counter[str] = Counter()
    half_written = 0
    for number in range(moments):
        kind = KINDS[number % len(KINDS)]
        reached = _kill(killed, options, kind, rng)
        if reached is None:
            break  # the run came to its end meanwhile
        kills[kind] += 1
        half_written += any(path.name.endswith(".tmp") for path in killed.rglob("*"))
        _check(killed, reached)
    _train(killed, options)
    _compare(straight, killed)
    report = json.loads((killed / "report.json").read_text(encoding="utf-8"))
    return (
        f"{kills.total()} kills ({', '.join(f'{kind} {kills[kind]}' for kind in KINDS)}), {half_written} of which left "
        f"a temporary file; {steps} steps, a checkpoint every {EVERY}; the report counts "
        f"{report['counts']['restarts']} restarts. State and bank are the same, bit by bit, as without any kill."
    )


def _options(folder: Path) -> list[str]:
    """Pictures and weights; returns the options that name them, and the settings."""
    generated.pictures(folder / "content", 8, 64, 48, seed=0)
    generated.pictures(folder / "styles", 3, 48, 48, seed=1)
    weights = generated.loss_weights(folder / "random.safetensors", load_config(None, parse_overrides(SETTINGS)).loss)
    named = ["--content", folder / "content", "--styles", folder / "styles", "--loss-weights", weights]
    return [*map(str, named), "--device", "cpu", "--set", *SETTINGS]


def _start(out: Path, options: list[str]) -> tuple[BaseProcess, Connection]:
    """A process that begins the run, or goes on with it, and tells what it does at which step."""
    context = multiprocessing.get_context("forkserver")  # which imports torch once for all of them
    context.set_forkserver_preload(["stylebank.training.run"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_command, args=(out, options, sender))
    process.start()
    sender.close()  # so that the pipe ends with the process
    return process, receiver


def _command(out: Path, options: list[str], tell: Connection) -> None:
    """The command line, in a process that is to be killed."""
    log = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(log, number)
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own is one for several processes, which a killed one leaves behind
    options = ["--resume", "auto", "--out", str(out), *options]
    keep_freed_memory()
    train(request_of(parser("train.py").parse_args(options)), say=print, hooks=_Announcing(tell))
    sys.exit(0)


class _Announcing(Hooks):
    """Tells through a pipe what the run is about to do, and at which step."""

    def __init__(self, tell: Connection) -> None:
        self.tell = tell

    def update_begins(self, run: TrainingRun, identity: bool) -> None:
        self.tell.send(("step", run.step))

    def checkpoint_begins(self, run: TrainingRun) -> None:
        self.tell.send(("save", run.step))

    def log_begins(self, run: TrainingRun) -> None:
        self.tell.send(("log", run.step))


def _train(out: Path, options: list[str]) -> None:
    """Lets the run come to its end."""
    process, _ = _start(out, options)
    process.join()
    if process.exitcode:
        raise AssertionError(f"a run that nobody disturbed failed: {_last_words(out)}")


def _kill(out: Path, options: list[str], kind: str, rng: random.Random) -> int | None:
    """Starts the run and kills it; returns the step it had come to, or None if it ended by itself.

    The moment is the first, second or third of its kind, and up to as long after as such a moment takes.
    """
    process, told = _start(out, options)
    wanted, reached = rng.randint(1, 3), 0
    with suppress(EOFError):
        while wanted:
            found, step = told.recv()
            reached = max(reached, step)
            wanted -= found == kind
        time.sleep(rng.random() * SPREAD)
        process.kill()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise AssertionError(f"the run did not resume: {_last_words(out)}")
    return reached if process.exitcode else None


def _last_words(out: Path) -> str:
    return out.with_suffix(".log").read_text(encoding="utf-8", errors="replace")[-500:]


def _check(out: Path, reached: int) -> None:
    """Everything under its real name is whole, and not too old.

    Raises:
        AssertionError: it is older than one checkpoint interval.
        StyleBankError: it is damaged.
    """
    saved = load_training_state(out / "state.pt")["step"] if (out / "state.pt").exists() else 0
    if saved < reached - EVERY:  # newer than what was heard of the run it may be: it went on until it was killed
        raise AssertionError(f"killed at step {reached} or later, but the checkpoint is of step {saved}")
    for name in ("task.json", "environment.json", "report.json"):
        if (out / name).exists():
            json.loads((out / name).read_text(encoding="utf-8"))
    if (out / "bank").exists():
        load_bank(out / "bank")


def _compare(one: Path, other: Path) -> None:
    states = [_tensors(load_training_state(folder / "state.pt")) for folder in (one, other)]
    if states[0].keys() != states[1].keys():
        raise AssertionError("the states hold different things")
    if different := [key for key, value in states[0].items() if not torch.equal(value, states[1][key])]:
        raise AssertionError(f"{len(different)} tensors differ, first of all {different[0]}")
    banks = [
        {path.relative_to(folder): path.read_bytes() for path in (folder / "bank").rglob("*") if path.is_file()}
        for folder in (one, other)
    ]
    if banks[0] != banks[1]:
        raise AssertionError("the banks differ")


def _tensors(value: Any, place: str = "") -> dict[str, Tensor]:
    """Every tensor and number of a state but those of clock and log, by place."""
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in ("seconds", "losses")}
        return {name: x for key, inner in kept.items() for name, x in _tensors(inner, f"{place}/{key}").items()}
    return {place: torch.as_tensor(value)} if isinstance(value, int | float | Tensor) else {}


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--moments", type=int, default=30, metavar="N", help="how often to kill")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
