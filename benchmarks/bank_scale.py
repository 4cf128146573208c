"""Whether a training step costs more in a bank of hundreds of styles: time and memory at several sizes of the bank.

    python benchmarks/bank_scale.py --styles 4 64 512

Banks of all sizes take turns on generated pictures, so that whatever else the machine does meets them all. The loss
network has random weights and two shallow layers: the faster the rest of the step, the more any growth shows. Every
filter has its Adam moments from the start, as after a long run. Quoted are:

- ms per step, the median over cycles of T stylizing steps and an identity step, data and log included;
- MB a step needs beyond what is always there, at the most: on CUDA what was allocated, else resident memory;
- MB that a process would send per stylizing step in a run of several processes;
- MB that is always there for each style: filter, Adam moments and Gram matrices.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import sys
import tempfile
from pathlib import Path

import generated
import torch
from torch import Tensor
from trainers import TimedTrainer

from stylebank.config import Config
from stylebank.config_files import load_config
from stylebank.device import resolve_device
from stylebank.styles import StyleSource
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import new_bank

MB = 1e6
PHOTOGRAPHS = 16


def main() -> int:
    """Measures and prints a table."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trainers = {styles: _trainer(styles, options, Path(folder)) for styles in options.styles}
        seconds, memory = take_turns(trainers, options.turns, options.cycles)
    print(f"Batches of {options.batch_size} at {options.crop_size} px; {options.device}, torch {torch.__version__}.\n")
    print("| styles | ms per step | MB per step | MB sent per step | MB always there, per style |")
    print("|--:|--:|--:|--:|--:|")
    for styles, trainer in trainers.items():
        ms = 1000 * statistics.median(seconds[styles]) / (trainer.run.config.train.steps_per_cycle + 1)
        sent = _bytes(list(trainer.run.touched(identity=False))) / MB
        always = 3 * _bytes(list(trainer.run.model.filters.parameters())) + _bytes(
            list(trainer.run.objective.grams.values())
        )
        print(f"| {styles} | {ms:.1f} | {max(memory[styles]):.1f} | {sent:.2f} | {always / styles / MB:.2f} |")
    return 0


def take_turns(
    trainers: dict[int, TimedTrainer], turns: int, cycles: int
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Seconds of every cycle, and MB used in every turn; a first turn of each is not counted."""
    seconds: dict[int, list[float]] = {styles: [] for styles in trainers}
    memory: dict[int, list[float]] = {styles: [] for styles in trainers}
    for trainer in trainers.values():
        trainer.turn(1)
    for _ in range(turns):
        for styles, trainer in trainers.items():
            before = _memory_now(trainer.run.device)
            seconds[styles] += trainer.turn(cycles)
            memory[styles].append((_memory_peak(trainer.run.device) - before) / MB)
    return seconds, memory


def _trainer(styles: int, options: argparse.Namespace, folder: Path) -> TimedTrainer:
    if not (folder / "content").exists():
        generated.pictures(folder / "content", PHOTOGRAPHS, 320, 240, seed=0)
        generated.pictures(folder / "styles", 1, 96, 96, seed=1)
    config = _config(options, folder / "content")
    weights = generated.loss_weights(folder / "random.safetensors", config.loss)
    painting = folder / "styles" / "0.jpg"  # for every style: what it shows makes no difference to the clock
    sources = [StyleSource(f"style-{i}", (painting,)) for i in range(styles)]
    device = resolve_device(options.device)
    trainer = TimedTrainer(config, new_bank(config, sources), RunFolder(folder / str(styles)), device, weights)
    _fill_moments(trainer)
    return trainer


def _config(options: argparse.Namespace, content: Path) -> Config:
    data = {"content": content, "held_out": 0, "style_size": 64, "workers": 0}
    loss = {"content_layers": ["relu2_2"], "style_layers": ["relu1_2", "relu2_2"]}
    never = dict.fromkeys(("steps", "checkpoint_every", "preview_every"), 10**9)
    sizes = {"batch_size": options.batch_size, "crop_size": options.crop_size}
    return load_config(None, {"data": data, "loss": loss, "train": {"identity_pretrain_steps": 0, **sizes, **never}})


def _fill_moments(trainer: TimedTrainer) -> None:
    """Gives every parameter its Adam state, as if each style had been trained; weights stay."""
    for optimizer in {trainer.run.optimizer, trainer.run.identity_optimizer}:
        for group in optimizer.param_groups:
            group["lr"] = 0.0
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    trainer.run.forget_gradient()


def _memory_now(device: torch.device) -> int:
    """Bytes in use; from here on the peak counts anew."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _resident("VmRSS")


def _memory_peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _resident("VmHWM")


def _resident(name: str) -> int:
    """A number of Linux's about this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--styles", type=int, nargs="+", default=[4, 64, 512], metavar="N", help="sizes of the bank")
    parser.add_argument("--batch-size", type=int, default=4, metavar="N", help="photographs per step")
    parser.add_argument("--crop-size", type=int, default=64, metavar="N", help="side of the crops in pixels")
    parser.add_argument("--cycles", type=int, default=5, metavar="N", help="cycles in a turn")
    parser.add_argument("--turns", type=int, default=6, metavar="N", help="turns of each size")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


if __name__ == "__main__":
    sys.exit(main())
