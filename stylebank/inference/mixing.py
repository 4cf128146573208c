"""Mixtures of styles at one place: sums of kernels where filters have one, of outputs where they are deeper.

Chen et al. 2017, equation 7: F~ = (sum w_i K_i) * F. In a bank whose filters end in a norm and a ReLU
(`bank.post_norm`) these follow on that convolution, as they do in the paper.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.errors import ConfigError
from stylebank.network.fused import Plain
from stylebank.network.layers import reflected
from stylebank.network.model import StyleBank
from stylebank.styles import IDENTITY

StyleWeights = Mapping[str, float]
"""Style name, or `identity`, -> weight."""
MixedFilters = MutableMapping[frozenset[tuple[str, float]], nn.Module]
"""Filters made for mixtures: shares that sum to 1 -> filter."""
MIXED = "a mixture"
"""Name of a filter that was made for one; no style can have it."""


def mix(
    model: StyleBank, features: Tensor, inputs: Tensor, weights: StyleWeights, mixed: MixedFilters | None = None
) -> Tensor:
    """Sum of the filters' outputs, each times its weight; see `blending.fuse` for shapes.

    Linear filters are summed before they are applied, so that a blend costs what one style costs; those of one
    convolution that is normalized afterwards, too. Of deeper filters the outputs are summed, and of other forms unless
    they say how they are mixed (`FORMS`).

    Args:
        mixed: see `filters_of`.

    Raises:
        ConfigError: as `filters_of`.
    """
    filters, weights = filters_of(model, weights, mixed)
    weights = balanced(weights, model.identity_gain)
    identity = weights.get(IDENTITY, 0.0)
    parts = [features * identity] if identity or not filters else []
    shares = [weights[name] for name in filters]
    if model.architecture.bank.linear and len(filters) > 1:
        parts.append(_summed(inputs, list(filters.values()), shares))
    elif len(filters) > 1 and (mixture := _own_mixture(list(filters.values()), shares)):
        parts.append(mixture(inputs))
    else:
        parts += [module(inputs) * weights[name] for name, module in filters.items()]
    total: Tensor = sum(parts[1:], start=parts[0])
    return total


def filters_of(
    model: StyleBank, weights: StyleWeights, mixed: MixedFilters | None = None
) -> tuple[dict[str, nn.Module], StyleWeights]:
    """The filters of a mixture by name, and their weights (and that of the identity) under the same names.

    Where a norm follows on a filter's one convolution, a mixture's kernels are one filter, that has all the weight.

    Args:
        mixed: where such filters are looked up, and kept for the next time.

    Raises:
        ConfigError: the weights sum to 0, and a norm would divide by it.
    """
    names, bank = [name for name in weights if name != IDENTITY], model.architecture.bank
    filters = {name: model.filters[model.names.index(name)] for name in names}
    if len(filters) < 2 or bank.linear or bank.depth > 1 or bank.form != "convolution":
        return filters, weights
    total = sum(weights[name] for name in names)
    if not total:
        raise ConfigError(
            f"Weights that sum to 0 ({', '.join(f'{name} {weights[name]:g}' for name in names)}) mix linear filters "
            "only; this bank normalizes what comes out of them (bank.post_norm)."
        )
    shares = frozenset((name, weights[name] / total) for name in names)
    mixed = {} if mixed is None else mixed
    if shares not in mixed:
        mixed[shares] = _mixed_filter(filters, dict(shares))
    others = {IDENTITY: weights[IDENTITY]} if IDENTITY in weights else {}
    return {MIXED: mixed[shares]}, {MIXED: total, **others}


@torch.no_grad()
def _mixed_filter(filters: Mapping[str, nn.Module], shares: Mapping[str, float]) -> nn.Module:
    """A filter whose weights are sums of those of filters, each times its share."""
    made = copy.deepcopy(next(iter(filters.values())))
    states = {name: module.state_dict() for name, module in filters.items()}
    for key, value in made.state_dict().items():
        value.copy_(torch.stack([shares[name] * state[key] for name, state in states.items()]).sum(0))
    return made


def _own_mixture(filters: Sequence[nn.Module], shares: Sequence[float]) -> nn.Module | None:
    """What filters of a form of one's own make of several of them; None if they say nothing about it."""
    inner = [module.module if isinstance(module, Plain) else module for module in filters]
    if (mixed := getattr(inner[0], "mixed", None)) is None:
        return None
    made: nn.Module = mixed(inner, shares)
    first = filters[0]
    return Plain(made, first.dtype, first.out) if isinstance(first, Plain) else made


def balanced(weights: StyleWeights, gain: float) -> dict[str, float]:
    """Weights as they are multiplied with the filters' outputs, and with the features (`identity`).

    Filters come out many times larger than the features: unequal, the larger would win at every strength. Both are
    brought to a size that goes from the one's to the other's (geometrically) as the strength goes up.

    Args:
        gain: `StyleBank.identity_gain`.
    """
    identity = weights.get(IDENTITY, 0.0)
    shares = {name: weight for name, weight in weights.items() if name != IDENTITY}
    if not shares or not identity:
        return dict(weights)
    size = sum(map(abs, shares.values()))  # raw weights may be negative, and cancel
    strength = size / (size + abs(identity))
    made = {name: share * gain ** (strength - 1) for name, share in shares.items()}
    return {**made, IDENTITY: identity * gain**strength}


def _summed(inputs: Tensor, filters: Sequence[nn.Module], weights: Sequence[float]) -> Tensor:
    """One convolution with the weighted sums of linear filters' kernels and biases."""
    states = [list(module.parameters()) for module in filters]  # each: kernel (C, C + Z, k, k), bias (C,)
    kernel, bias = (
        torch.stack([weight * state[i] for weight, state in zip(weights, states, strict=True)]).sum(0) for i in (0, 1)
    )
    return F.conv2d(reflected(inputs, kernel.shape[-1] // 2), kernel, bias)
