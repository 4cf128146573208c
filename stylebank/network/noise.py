"""Smooth noise for the filters: what a plain part of a picture lacks, and strokes can be drawn from.

A convolution answers a constant input with a constant: whatever a filter has learned, a plain wall comes out plain, or
with the one pattern that the decoder's upsampling leaves. Noise beside the features gives it something to differ by.
The noise is a pure function of a seed and of the place in the whole picture, so that tiles and films agree on it; and
it is made of sums of bytes of a hash, not of a generator's stream, so that all devices and runtimes agree as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

Span = range | slice
"""Places from `start` to `stop`, which a slice may hold as symbols while a graph is made."""
OCTAVES = 6  # of 1, 2, 4, 8, 16 and 32 features; channel i has octave i mod 6

_LARGEST_KEPT = 2**22  # numbers: two pictures of 5 megapixels with 12 channels, 16 MB in bfloat16
_WORD = 0xFFFFFFFF
_BYTES_MEAN, _BYTES_DEVIATION = 510.0, (4 * (256**2 - 1) / 12) ** 0.5  # of the sum of four bytes


def smooth_noise(channels: int, seeds: Tensor | Sequence[int], rows: Span, columns: Span) -> Tensor:
    """Noise of about normal distribution, mean 0 and variance 1 at every place: (seeds, channels, rows, columns).

    Args:
        channels: how many; channel i varies over 2 ** (i mod 6) features.
        seeds: one for every picture, 0 to `config.LARGEST_SEED`; a tensor of int64 decides on the device as well.
        rows: features down, counted from the picture's upper edge, step 1.
        columns: features across, counted from its left edge, step 1.
    """
    keys = torch.as_tensor(seeds, dtype=torch.int64)
    shape = (len(keys), channels, rows.stop - rows.start, columns.stop - columns.start)
    out = torch.empty(shape, device=keys.device, memory_format=torch.channels_last)
    for octave in range(min(OCTAVES, channels)):
        numbers = torch.arange(octave, channels, OCTAVES, device=keys.device)
        mixed = _mix(_mix(keys[:, None] + 0x9E3779B9) + numbers)  # (seeds, channels of this octave)
        out[:, octave::OCTAVES] = _one_octave(mixed, 2**octave, rows, columns)
    return out


def noise_of_one(
    channels: int, seed: int, rows: range, columns: range, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """`smooth_noise` of one seed, (1, channels, rows, columns): films and styles in turn ask for the same again.

    What was asked for last is kept, unless it is large. It is not to be written to.
    """
    compute = _kept if channels * len(rows) * len(columns) <= _LARGEST_KEPT else _kept.__wrapped__
    return compute(channels, seed, rows, columns, device, dtype)


@lru_cache(maxsize=2)
@torch.inference_mode(False)  # what is kept may be asked for in training next
@torch.no_grad()
def _kept(channels: int, seed: int, rows: range, columns: range, device: torch.device, dtype: torch.dtype) -> Tensor:
    return smooth_noise(channels, torch.tensor([seed], device=device), rows, columns).to(dtype)


def _one_octave(keys: Tensor, spacing: int, rows: Span, columns: Span) -> Tensor:
    """Keys (...) -> (..., rows, columns): a lattice of independent values, seen through a cubic B-spline."""
    if spacing == 1:
        return _lattice(keys, rows, columns)
    nodes = [slice(span.start // spacing - 1, (span.stop - 1) // spacing + 3) for span in (rows, columns)]
    values = _lattice(keys, *nodes)
    for axis, span in ((-2, rows), (-1, columns)):
        index, weights = _taps(span, spacing, keys.device)
        shape = (-1, 1) if axis == -2 else (-1,)
        seen = [values.index_select(axis, index + tap) * weights[tap].reshape(shape) for tap in range(4)]
        values = torch.stack(seen).sum(0)
    return values


def _taps(span: Span, spacing: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first of each place's four lattice nodes, counted from the first one needed, and their weights (4, places).

    The weights' squares sum to 1, as then does the variance.
    """
    places = torch.arange(span.start, span.stop, device=device)
    first = torch.div(places, spacing, rounding_mode="floor")
    t = (places - first * spacing).float() / spacing
    weights = torch.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3])
    return first - span.start // spacing, weights / weights.square().sum(0).sqrt()


def _lattice(keys: Tensor, rows: Span, columns: Span) -> Tensor:
    """Keys (...) -> independent values (..., rows, columns): sums of four bytes, brought to mean 0 and variance 1."""
    down = torch.arange(rows.start, rows.stop, device=keys.device)
    across = torch.arange(columns.start, columns.stop, device=keys.device)
    words = _mix(_mix(keys[..., None] + down * 0x85EBCA6B)[..., None] + across * 0x27D4EB2F)
    total: Tensor = sum((words >> shift & 0xFF for shift in (8, 16, 24)), start=words & 0xFF)
    return total.float().sub_(_BYTES_MEAN).div_(_BYTES_DEVIATION)


def _mix(words: Tensor) -> Tensor:
    """A hash of 32 bits of int64 numbers: every bit of the input changes half of the output's.

    Shifts and multiplications as in the finalizer of MurmurHash3 (Appleby 2011), with its constants. Products of two
    words overflow 64 bits without harm, as only the lower 32 count.
    """
    words = words & _WORD
    words = (words ^ words >> 16) * 0x85EBCA6B & _WORD
    words = (words ^ words >> 13) * 0xC2B2AE35 & _WORD
    return words ^ words >> 16
