"""Whether a step fits into the machine's memory: told before the first one, as the kernel would kill without a word."""

from __future__ import annotations

import torch
from torch import Tensor

from stylebank.device import memory_of
from stylebank.errors import ConfigError
from stylebank.training.branches import Branches
from stylebank.training.training_run import TrainingRun

_SIDES = (64, 96)  # pixels of two small crops; what does not grow with them (weights, Gram matrices) cancels out
_ROOM = 0.6  # of the memory is for activations, in the batch size that is advised; the rest for gradients and libraries


def check_memory(run: TrainingRun) -> None:
    """Refuses a run whose steps cannot fit into the device's memory.

    What a stylizing step must keep for its backward pass is the least it needs, so that no run is refused which could
    have run. Where the memory's size is not known, nothing is.

    Raises:
        ConfigError: with the sizes, and what to lower.
    """
    memory, train, share = memory_of(run.device), run.config.train, len(run.pieces()[0]) if run.part else 0
    if memory is None or not share:
        return
    image = _per_pixel(run) * train.crop_size**2
    if image * share <= memory:
        return
    fitting = int(memory * _ROOM / image) * run.processes.world_size * train.accumulate
    advice = f"train.batch_size to {fitting} or less, or train.crop_size" if fitting else "train.crop_size"
    if share > 1:
        advice += ", or raise train.accumulate"
    raise ConfigError(
        f"A step of {share} crops (train.batch_size={train.batch_size}) of train.crop_size={train.crop_size} keeps "
        f"about {image * share / 1e9:,.1f} GB in memory, and there are {memory / 1e9:,.1f} GB ({run.device}); "
        f"lower {advice}."
    )


def _per_pixel(run: TrainingRun) -> float:
    """Bytes that a stylizing step keeps for its backward pass, per pixel of a crop."""
    small, large = (_kept(run, side) for side in _SIDES)
    return max(0, large - small) / (_SIDES[1] ** 2 - _SIDES[0] ** 2)


def _kept(run: TrainingRun, side: int) -> int:
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        # With its history an output would keep the step that saved it, and so itself, for ever.
        return tensor.detach()

    images = torch.full((1, 3, side, side), 0.5, device=run.device).to(memory_format=torch.channels_last)
    with torch.compiler.set_stance("force_eager"), torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept):
        values = Branches(run).stylize(images, [0])  # alive, or an address might be given out again
    del values
    return sum(storages.values())
