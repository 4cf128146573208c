"""Counts the operations that a training step hands to PyTorch: what a GPU is told, and a program takes time to tell.

    python benchmarks/dispatched.py --config configs/default.yaml --styles 14 --batch-size 8

The step is the real one (`Trainer.fit`), of small crops, as the count doesn't depend on their size; a TorchDispatchMode
counts. With `--as-gpu` the ways are taken that are taken on CUDA: padding by a gather, a batch's filters as a product,
Muon's matrices padded to one shape, nothing read back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import generated
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stylebank.config_files import load_config
from stylebank.losses.objective import Values
from stylebank.network.padding import gathered
from stylebank.shipped import VGG19
from stylebank.styles import StyleSource
from stylebank.training.crops import ContentBatch
from stylebank.training.hooks import Hooks
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import new_bank
from stylebank.training.trainer import Trainer
from stylebank.training.training_run import TrainingRun

PIECES = ("forward", "backward", "balance, clipping", "optimizer", "log")
STEPS = 4  # the one before the last is counted; the first ones also make the optimizer's state


_aten = torch.ops.aten
NOTHING = {_aten.detach, _aten.lift_fresh, _aten.empty, _aten.empty_like, _aten._unsafe_view, _aten.promote_types}
"""What is handed over and starts no kernel, beside views."""


class Counting(TorchDispatchMode):
    """Counts operations by piece of the step and by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.piece, self.counts = "", Counter[tuple[str, str]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view and func.overloadpacket not in NOTHING:
            self.counts[self.piece, str(func.overloadpacket)] += operations(str(func.overloadpacket), args)
        return func(*args, **(kwargs or {}))


def operations(name: str, args: Sequence[Any]) -> int:
    """How many operations one is on CUDA: of lists of tensors one for each, unless all counterparts lie alike."""
    lists = [each for each in args if isinstance(each, list | tuple) and each and isinstance(each[0], Tensor)]
    if "_foreach_" not in name or not lists:
        return 1
    alike = all(len({tensor.stride() for tensor in tensors}) == 1 for tensors in zip(*lists, strict=True))
    return 1 if alike and all(_is_dense(tensor) for each in lists for tensor in each) else len(lists[0])


def _is_dense(tensor: Tensor) -> bool:
    """Whether a tensor's numbers fill a stretch of memory."""
    steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.numel() == 0 or steps + 1 == tensor.numel()


class Pieces(Hooks):
    """Tells a counter where a run is, and keeps the count of its last whole stylizing step."""

    def __init__(self, counting: Counting) -> None:
        self.counting = counting
        self.last: Counter[tuple[str, str]] = Counter()

    def batches(self, run: TrainingRun, stream: Iterator[ContentBatch]) -> Iterator[ContentBatch]:
        for batch in stream:
            self.counting.counts.clear()
            self.counting.piece = "forward"
            yield batch
            self.last = Counter(self.counting.counts)

    def forward_ends(self, run: TrainingRun, values: Values, styles: Sequence[int]) -> None:
        self.counting.piece = "backward"

    def backward_ends(self, run: TrainingRun, identity: bool) -> None:
        self.counting.piece = "balance, clipping"

    def update_begins(self, run: TrainingRun, identity: bool) -> None:
        self.counting.piece = "optimizer"

    def update_ends(self, run: TrainingRun, identity: bool) -> None:
        self.counting.piece = "log"


def count(config: Path, styles: int, batch_size: int, as_gpu: bool = False) -> Counter[tuple[str, str]]:
    """Operations of a stylizing step by piece and name."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generated.pictures(folder / "content", 4, 96, 96, seed=0)
        paintings = generated.pictures(folder / "styles", styles, 64, 64, seed=1)
        overrides: dict[str, dict[str, Any]] = {
            "loss": {"strengths": {}},  # of styles that are not here
            "data": {"content": folder / "content", "held_out": 0, "style_size": 32, "workers": 0, "in_memory": False},
            "train": {
                "steps": STEPS,
                "batch_size": batch_size,
                "crop_size": 16,
                "small_crop_steps": 0,
                "precision": "bfloat16",
                "identity_pretrain_steps": 0,
                "steps_per_cycle": STEPS,
                "log_every": 10**6,
                "compile": False,
                **dict.fromkeys(("preview_every", "validate_every"), 0),
            },
        }
        settings = load_config(config, overrides)
        if as_gpu:
            modules = (
                "training.stacked_muon",
                "training.left_out",
                "training.noise_ahead",
                "network.model",
                "network.lowered",
            )
            for module in modules:
                stack.enter_context(patch(f"stylebank.{module}.runs_ahead", lambda device: True))
            stack.enter_context(patch("stylebank.training.stacked_muon.has_fast_bfloat16", lambda device: True))
            stack.enter_context(patch("stylebank.network.layers.reflected", gathered))
            stack.enter_context(patch("stylebank.losses.vgg.repeated", lambda x: gathered(x, 1, repeat=True)))
        sources = [StyleSource(f"style-{i}", (path,)) for i, path in enumerate(paintings)]
        counting = Counting()
        pieces = Pieces(counting)
        run = TrainingRun(settings, new_bank(settings, sources), RunFolder(folder / "run"), torch.device("cpu"), VGG19)
        with counting:
            Trainer(run, hooks=pieces, say=lambda _: None).fit()
        return pieces.last


def main() -> int:
    """Prints the counts of one stylizing step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--config", type=Path, default=Path("configs/default.yaml"), metavar="FILE", help="what to train"
    )
    parser.add_argument("--styles", type=int, default=14, metavar="N", help="styles in the bank")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="photographs in the step")
    parser.add_argument("--as-gpu", action="store_true", help="take the ways that are taken on CUDA")
    options = parser.parse_args()
    found = count(options.config, options.styles, options.batch_size, options.as_gpu)
    print("| piece | operations | most of them |\n|---|--:|---|")
    for piece in PIECES:
        of_piece = Counter({name: n for (where, name), n in found.items() if where == piece})
        most = ", ".join(f"{name.removeprefix('aten.')} {n}" for name, n in of_piece.most_common(9))
        print(f"| {piece} | {of_piece.total()} | {most} |")
    print(f"| **all** | **{found.total()}** | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
