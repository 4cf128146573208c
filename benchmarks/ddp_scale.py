"""Why gradients are added up by hand: a step's traffic here and with DistributedDataParallel, by size of the bank.

    OMP_NUM_THREADS=1 torchrun --standalone --nproc-per-node 2 benchmarks/ddp_scale.py

Forward and backward pass of the network alone, each process on its own styles, and what makes the gradient the same
everywhere. Both ways take turns; quoted are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from stylebank.config import Architecture
from stylebank.distributed import Processes, join
from stylebank.network.model import StyleBank

BATCH, CROP = 2, 64  # per process


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--styles", type=int, nargs="+", default=[4, 64, 512], metavar="N", help="sizes of the bank")
    parser.add_argument("--steps", type=int, default=12, metavar="N", help="timed steps of each kind")
    options = parser.parse_args()
    with join("cpu") as (processes, _):
        if processes.is_main:
            print("| styles | here, ms | DDP, ms |\n|--:|--:|--:|", flush=True)
        for styles in options.styles:
            ours, ddp = measure(styles, options.steps, processes)
            if processes.is_main:
                print(f"| {styles} | {ours:.0f} | {ddp:.0f} |", flush=True)
    return 0


class Network(nn.Module):
    """A bank with one way through it, as DDP needs."""

    def __init__(self, bank: StyleBank) -> None:
        super().__init__()
        self.bank = bank

    def forward(self, images: Tensor, styles: list[int]) -> Tensor:
        return self.bank.stylize(images, styles)


def measure(styles: int, steps: int, processes: Processes) -> tuple[float, float]:
    """Milliseconds per step, here and with DDP."""
    names = [f"style-{i}" for i in range(styles)]
    ours, plain = (Network(StyleBank(Architecture(), names)) for _ in range(2))
    ddp = DistributedDataParallel(plain, find_unused_parameters=True)
    times: tuple[list[float], list[float]] = ([], [])
    for step in range(steps + 2):
        total = BATCH * processes.world_size
        drawn = [(step * total + i) % styles for i in range(total)]
        part = processes.part(total)
        own = drawn[part.start : part.stop]
        for kind, module in enumerate((ours, ddp)):
            module.zero_grad(set_to_none=True)
            dist.barrier()
            start = time.perf_counter()
            module(torch.rand(BATCH, 3, CROP, CROP), own).square().mean().backward()
            if module is ours:
                all_reduce_sum(ours.bank, sorted(set(drawn)), processes)
            if step >= 2:
                times[kind].append(time.perf_counter() - start)
    return 1000 * statistics.median(times[0]), 1000 * statistics.median(times[1])


def all_reduce_sum(bank: StyleBank, styles: list[int], processes: Processes) -> None:
    """As `Gradients` does it."""
    touched = bank.autoencoder_parameters() + [p for i in styles for p in bank.filters[i].parameters()]
    for parameter in touched:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    processes.all_reduce_sum([p.grad for p in touched if p.grad is not None], weight=1 / processes.world_size)


if __name__ == "__main__":
    sys.exit(main())
