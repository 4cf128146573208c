"""The filters' noise of several steps made at once: in as many operations as one step's, which a GPU has to be told."""

from __future__ import annotations

import torch
from torch import Tensor

from stylebank.device import runs_ahead, sent
from stylebank.network.noise import smooth_noise
from stylebank.training.training_run import TrainingRun

MOST = 2**24  # numbers kept, 64 MB; 32 steps of eight 256-px crops with twelve channels are 12.6 million
LONGEST = 32  # steps


class NoiseAhead:
    """What `StyleBank.filter_input` would make of the seeds of a run's steps, made for this process's images of many.

    A processor is told of every step by itself: it has to do the same work, and would keep it in memory.
    """

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.kept: tuple[tuple[int, ...], Tensor] | None = None
        """What it is of (the first batch, how many, rows, columns), and the noise: (batches, B, Z, h, w)."""

    @torch.no_grad()
    def of_step(self, size: tuple[int, int]) -> Tensor | None:
        """The noise of the images that go through the networks now, (B, Z, h, w); None for a bank without.

        Args:
            size: rows and columns of features.
        """
        run = self.run
        channels = run.model.architecture.bank.noise_channels
        if not channels:
            return None
        number, images = run.schedule.stylizing_steps_before(run.step), len(run.part)
        count = min(LONGEST, MOST // (images * channels * size[0] * size[1])) if runs_ahead(run.device) else 1
        count = max(1, count)
        first = number - number % count
        wanted = (first, count, *size)
        if self.kept is None or self.kept[0] != wanted:
            seeds = [seed for batch in range(first, first + count) for seed in run.noise_of(batch)]
            noise = smooth_noise(channels, sent(seeds, run.device), range(size[0]), range(size[1]))
            self.kept = wanted, noise.to(run.dtype).unflatten(0, (count, images))
        here = slice(run.places.start - run.part.start, run.places.stop - run.part.start)
        return self.kept[1][number - first, here]
