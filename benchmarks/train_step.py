"""How fast training is: the product's step and where its time goes, beside the same step written plainly, adding a
style, and the step of the public StyleBank code.

    python benchmarks/train_step.py --config configs/cpu.yaml

A cycle is T stylizing steps and an identity step (adding a style: T + 1 stylizing steps), data included; images of
either kind of step count. The kinds of training take turns on generated pictures, so that whatever else the machine
does meets them all; each is quoted by the median of its cycles. What "written plainly" means: `PlainTrainer`; what the
public code does: `PublicTrainer`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import generated
import torch
from trainers import DissectedTrainer, PlainTrainer, PublicTrainer, TimedTrainer

from stylebank.bank.io import save_bank
from stylebank.config import Config, LossConfig
from stylebank.config_files import load_config
from stylebank.device import resolve_device
from stylebank.errors import StyleBankError
from stylebank.losses.weights import WEIGHTS_VARIABLE
from stylebank.shipped import VGG19
from stylebank.styles import StyleSource
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import more_styles, new_bank

JOINT, PLAIN, ADDED, PUBLIC = "joint", "joint, written plainly", "adding a style", "public StyleBank code"
PHOTOGRAPHS = 24


def main() -> int:
    """Measures and prints; 1 if something was wrong."""
    options = _parser().parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(options, Path(folder))
    except StyleBankError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace, folder: Path) -> None:
    """Sets the trainers up in a folder, lets them take turns and prints what came out."""
    generated.pictures(folder / "content", PHOTOGRAPHS, 480, 360, seed=0)
    paintings = generated.pictures(folder / "styles", options.styles + 1, 640, 512, seed=1)
    *styles, added = [StyleSource(f"style-{i}", (path,)) for i, path in enumerate(paintings)]
    config = configuration(options, folder / "content")
    weights = options.loss_weights or (Path(text) if (text := os.environ.get(WEIGHTS_VARIABLE)) else None)
    if weights is None and config.loss.network == "vgg19":
        weights = VGG19
    if weights is None:
        print("No loss-network weights given: random ones, which take as long.\n")
        weights = generated.loss_weights(folder / "random.safetensors", config.loss)
    device = resolve_device(options.device)
    theirs = LossConfig(network="vgg16", style_layers=PublicTrainer.LAYERS)
    vgg16 = generated.loss_weights(folder / "vgg16.safetensors", theirs)

    save_bank(new_bank(config, styles).model, folder / "bank", {})
    more = more_styles(folder / "bank", config, [added])
    joint = TimedTrainer(config, new_bank(config, styles), RunFolder(folder / "joint"), device, weights)
    trainers: dict[str, TimedTrainer | PublicTrainer] = {
        JOINT: joint,
        PLAIN: PlainTrainer(config, new_bank(config, styles), RunFolder(folder / "plain"), device, weights),
        ADDED: TimedTrainer(config, more, RunFolder(folder / "added"), device, weights),
        PUBLIC: PublicTrainer(config, options.styles, device, vgg16),
    }
    dissected = DissectedTrainer(config, new_bank(config, styles), RunFolder(folder / "dissected"), device, weights)
    print(description(joint, options))
    print(speeds(take_turns(trainers, options.turns, options.cycles), config))
    take_turns({"joint, piece by piece": dissected}, 1, options.cycles)
    print(pieces(dissected))


def configuration(options: argparse.Namespace, content: Path) -> Config:
    """The configuration asked for, on generated photographs and without anything but training steps."""
    given = {"batch_size": options.batch_size, "crop_size": options.crop_size}
    train: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    train |= {"identity_pretrain_steps": 0, "compile": options.compile}
    train |= dict.fromkeys(("steps", "checkpoint_every", "preview_every"), 10**9)
    return load_config(options.config, {"data": {"content": content, "held_out": 0}, "train": train})


def take_turns(trainers: Mapping[str, TimedTrainer | PublicTrainer], turns: int, cycles: int) -> dict[str, float]:
    """Median seconds of a cycle of each; a first cycle of each, which also compiles, is not counted."""
    for name, trainer in trainers.items():
        print(f"Warming up: {name}", file=sys.stderr)
        trainer.turn(1)
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for turn in range(1, turns + 1):
        for name, trainer in trainers.items():
            print(f"Turn {turn} of {turns}: {name}", file=sys.stderr)
            seconds[name] += trainer.turn(cycles)
    return {name: statistics.median(values) for name, values in seconds.items()}


def description(trainer: TimedTrainer, options: argparse.Namespace) -> str:
    """What is measured, and on what."""
    run = trainer.run
    train, device = run.config.train, run.device
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return (
        f"Batches of {train.batch_size} at {train.crop_size} px, {options.styles} styles at short side "
        f"{run.config.data.style_size}, {run.config.loss.network}, T = {train.steps_per_cycle}; "
        f"{str(run.dtype).removeprefix('torch.')}{', compiled' if train.compile else ''} on {device} ({machine}), "
        f"torch {torch.__version__}. Medians of {options.turns} x {options.cycles} cycles.\n"
    )


def speeds(seconds: dict[str, float], config: Config) -> str:
    """Markdown: images and time of each kind of training, and how they compare."""
    steps = config.train.steps_per_cycle + 1
    images = steps * config.train.batch_size
    lines = ["| training | images/s | ms per image stylized | s per 100 steps |", "|---|--:|--:|--:|"]
    for name, cycle in seconds.items():
        # Filters learn from stylized images only; joint training also pays for its identity steps.
        stylized = images if name == ADDED else config.train.steps_per_cycle * config.train.batch_size
        lines.append(f"| {name} | {images / cycle:.2f} | {1000 * cycle / stylized:.1f} | {100 * cycle / steps:.1f} |")
    return "\n".join(
        [
            *lines,
            "",
            f"The product's joint step is {seconds[PLAIN] / seconds[JOINT]:.2f} times as fast as the plain one, "
            f"and {seconds[PUBLIC] / seconds[JOINT]:.2f} times as fast as the public code's; "
            f"a step of adding a style takes {seconds[ADDED] / seconds[JOINT]:.2f} of a joint one's time.\n",
        ]
    )


def pieces(trainer: DissectedTrainer) -> str:
    """Markdown: milliseconds of every piece in both kinds of steps (medians), and its share of a cycle."""
    names = list(dict.fromkeys(name for steps in trainer.dissection.pieces.values() for step in steps for name in step))
    stylizing, identity = (
        {name: 1000 * statistics.median(step[name] for step in trainer.dissection.pieces[kind]) for name in names}
        for kind in (False, True)
    )
    cycle = {name: trainer.run.config.train.steps_per_cycle * stylizing[name] + identity[name] for name in names}
    total = sum(cycle.values())
    lines = ["| piece | stylizing step, ms | identity step, ms | share of a cycle |", "|---|--:|--:|--:|"]
    for name in names:
        lines.append(f"| {name} | {stylizing[name]:.1f} | {identity[name]:.1f} | {cycle[name] / total:.0%} |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/cpu.yaml"), metavar="FILE", help="what to train")
    parser.add_argument("--batch-size", type=int, metavar="N", help="instead of the configuration's")
    parser.add_argument("--crop-size", type=int, metavar="N", help="instead of the configuration's")
    parser.add_argument("--styles", type=_positive, default=4, metavar="N", help="styles in the bank")
    parser.add_argument("--cycles", type=_positive, default=3, metavar="N", help="cycles in a turn")
    parser.add_argument("--turns", type=_positive, default=3, metavar="N", help="turns of each kind of training")
    parser.add_argument(
        "--compile",
        nargs="?",
        const=True,
        default=False,
        choices=[True, "reduce-overhead"],
        help="compile the product's networks, and hand the steps over as CUDA graphs",
    )
    parser.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
