"""A network that reads a painting's texture and writes a style's filter in one pass: any painting at once.

The paper learns every filter by itself (Chen et al. 2017, section 3.4). Here one is predicted from the statistics that
the style loss compares, Gram matrices and means of VGG's activations, so that whatever has the same statistics gets the
same filter. What comes out is an ordinary filter: it mixes, masks, exports, and can be trained on. That filters may be
predicted: Ghiasi et al. 2017, Shen et al. 2018 and Li et al. 2019, of other forms of style transfer.

Trained filters are far from low rank, so the kernel is a sum of more products than it has channels, whose factors are
learned for all paintings; the prediction is how much of each there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.config import Architecture, PredictorConfig


@dataclass(frozen=True)
class Statistics:
    """What the loss network saw of B paintings."""

    grams: Mapping[str, Tensor]
    """Layer of the loss network -> Gram matrices, (B, C, C)."""
    means: Mapping[str, Tensor]
    """Layer -> mean activations, (B, C)."""

    def of(self, index: Tensor | slice) -> Statistics:
        """Those of some of the paintings."""
        return self._each(lambda values: values[index])

    def mean(self) -> Statistics:
        """The mean over all paintings, as one: a style with several pictures is learned from so."""
        return self._each(lambda values: values.mean(0, keepdim=True))

    @staticmethod
    def together(parts: Sequence[Statistics]) -> Statistics:
        """Those of all the paintings in several."""
        first = parts[0]
        return Statistics(
            {name: torch.cat([part.grams[name] for part in parts]) for name in first.grams},
            {name: torch.cat([part.means[name] for part in parts]) for name in first.means},
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> Statistics:
        return Statistics(
            *({name: change(values) for name, values in part.items()} for part in (self.grams, self.means))
        )


class FilterPredictor(nn.Module):
    """Statistics of B paintings -> kernels (B, C, C + Z, k, k) and biases (B, C).

    Args:
        architecture: of the bank.
        layers: of the loss network, and how many channels each has.
        size: of every kernel, its norm; 0 leaves that to the prediction. A decoder hardly minds how large a single
            style's filter is, so nothing in the loss holds its size; but in a mixture the larger filter wins.
        largest_bias: norm that biases stay below, for the same reason; 0 leaves them free.
    """

    def __init__(
        self,
        architecture: Architecture,
        form: PredictorConfig,
        layers: Mapping[str, int],
        size: float = 0.0,
        largest_bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers, self.size, self.largest_bias, self.shrink = dict(layers), size, largest_bias, form.shrink
        channels, inputs = (
            architecture.model.channels[2],
            architecture.model.channels[2] + architecture.bank.noise_channels,
        )
        self.kernel_shape = (channels, inputs, architecture.bank.kernel_size, architecture.bank.kernel_size)
        self.compress = nn.ModuleList(nn.Linear(width, form.compressed, bias=False) for width in layers.values())
        seen = len(layers) * form.compressed * (form.compressed + 1) // 2 + 2 * sum(layers.values()) + len(layers)
        self.read = nn.Sequential(nn.LayerNorm(seen), nn.Linear(seen, form.width))
        self.think = nn.ModuleList(_residual(form.width) for _ in range(form.blocks))
        self.shares = nn.Sequential(nn.LayerNorm(form.width), nn.Linear(form.width, form.rank))
        self.gains = nn.Linear(form.width, 2 * channels)  # of every output channel: a factor, and a bias
        self.kernel = nn.Parameter(torch.zeros(self.kernel_shape))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.outputs = nn.Parameter(torch.randn(channels, form.rank) / form.rank**0.5)
        self.inputs = nn.Parameter(torch.randn(form.rank, self.kernel[0].numel()))
        nn.init.zeros_(self.gains.weight)
        nn.init.zeros_(self.gains.bias)

    @torch.no_grad()
    def start_from(self, kernels: Tensor, biases: Tensor) -> None:
        """Begins with the mean of trained filters, and as far from it as they are.

        Args:
            kernels: (N, C, C + Z, k, k).
            biases: (N, C).
        """
        self.kernel.copy_(kernels.mean(0))
        self.bias.copy_(biases.mean(0))
        self.inputs.normal_(std=float((kernels - self.kernel).std().clamp_min(1e-3)))

    def forward(self, statistics: Statistics) -> tuple[Tensor, Tensor]:
        seen = self.read(self._vector(statistics))
        for block in self.think:
            seen = seen + block(seen)
        shares = self.shares(seen)  # (B, rank)
        factors, offsets = self.gains(seen).chunk(2, 1)
        shares = shares if self.training else self.shrink * shares
        change = torch.einsum("cr,br,rk->bck", self.outputs, shares, self.inputs).reshape(-1, *self.kernel_shape)
        kernels = (self.kernel + change) * (1 + factors)[:, :, None, None, None]
        if self.size:
            kernels = self.size * F.normalize(kernels.flatten(1)).view_as(kernels)
        biases = self.bias + offsets
        if self.largest_bias:  # small ones stay as they are
            biases = biases / (1 + biases.square().sum(1, keepdim=True) / self.largest_bias**2).sqrt()
        return kernels, biases

    def _vector(self, statistics: Statistics) -> Tensor:
        """What the network reads, (B, size): all relative to the layer's mean square, and roots, as for amplitudes."""
        parts = []
        for compress, name in zip(self.compress, self.layers, strict=True):
            gram, mean = statistics.grams[name], statistics.means[name]
            energy = gram.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)  # (B,)
            small = compress(compress(gram / energy[:, None, None]).transpose(1, 2))  # P G P^T: (B, k, k)
            above = torch.triu_indices(*small.shape[1:], device=small.device)
            deviations = (gram.diagonal(dim1=1, dim2=2) / energy[:, None]).clamp_min(0).sqrt()
            parts += [
                _root(small[:, above[0], above[1]]),
                deviations,
                mean / energy[:, None].sqrt(),
                energy[:, None].log(),
            ]
        return torch.cat(parts, 1)


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))


def _root(values: Tensor) -> Tensor:
    """The square root with its sign, smooth at 0."""
    return values / (values.abs() + 1e-2).sqrt()
