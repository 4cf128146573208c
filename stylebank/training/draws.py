"""What is drawn at which step, as a pure function of seed and position.

Nothing here has a state to save: what is drawn at position i is the same whoever asks and whenever, so a resumed run,
any number of workers, and any number of processes see the same data.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from stylebank.config import LARGEST_SEED

PHOTOGRAPHS, CROPS, STYLES, HELD_OUT, NOISE, CARDS = range(6)  # independent random streams


@lru_cache(maxsize=64)
def _permutation(seed: int, stream: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, stream, epoch)).permutation(count)


def shuffled(position: int, count: int, seed: int, stream: int) -> int:
    """Element `position` of an endless sequence in which every `count` draws are a fresh permutation."""
    return int(_permutation(seed, stream, position // count, count)[position % count])


def styles_for_batch(batch: int, batch_size: int, styles: int, seed: int) -> list[int]:
    """The style of each image in stylizing batch number `batch`; every style is drawn equally often."""
    first = batch * batch_size
    return [shuffled(first + i, styles, seed, STYLES) for i in range(batch_size)]


def noise_for_batch(batch: int, batch_size: int, seed: int) -> list[int]:
    """The seed of the filters' noise for each image in stylizing batch number `batch`; none comes again."""
    positions = range(batch * batch_size, (batch + 1) * batch_size)
    return [int(np.random.default_rng((seed, NOISE, i)).integers(LARGEST_SEED)) for i in positions]
