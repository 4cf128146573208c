"""The noise of `network.noise` as part of an exported model.

It is one operation to PyTorch where a format puts nodes of its own in its place (`noise_nodes`), and PyTorch's own
operations where it does not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stylebank.network.noise import smooth_noise


def plain_noise(features: Tensor, seed: Tensor, channels: int) -> Tensor:
    """Features (B, C, h, w), of which only the size counts, and seed (2,) -> noise (1, channels, h, w), float32.

    The seed comes as its upper and its lower 16 bits, int32. Sizes may be symbols.
    """
    whole = seed[:1].long() * 2**16 + seed[1:].long()
    return smooth_noise(channels, whole, slice(0, features.shape[2]), slice(0, features.shape[3]))


@torch.library.custom_op("stylebank::noise", mutates_args=())
def noise(features: Tensor, seed: Tensor, channels: int) -> Tensor:
    """`plain_noise` as one operation."""
    return plain_noise(features, seed, channels)


@noise.register_fake
def _noise_shape(features: Tensor, seed: Tensor, channels: int) -> Tensor:
    return features.new_empty((1, channels, features.shape[2], features.shape[3]), dtype=torch.float32)
