"""The network: a shared encoder and decoder, and between them a bank with one convolution filter per style.

Chen, Yuan, Liao, Yu, Hua: "StyleBank: An Explicit Representation for Neural Image Style Transfer", CVPR 2017,
section 3.1 and figure 2. Shapes: B images, C feature channels, H x W pixels, h x w = ceil(H/4) x ceil(W/4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.config import Architecture, BankConfig, ModelConfig
from stylebank.device import runs_ahead, sent
from stylebank.errors import ConfigError
from stylebank.network.layers import (
    InstanceNorm,
    NearestUpsample,
    ResidualBlock,
    TransposedConv2d,
    block,
    conv,
    norm_layers,
    several_convolutions,
    upsampling_block,
)
from stylebank.network.noise import noise_of_one, smooth_noise
from stylebank.network.trunk import Trunk

MIN_SIDE = 16  # reflection needs a few pixels to mirror
MIRRORED = 8  # pixels beyond its edges that the encoder sees of a picture; no kernel reaches further


class Encoder(nn.Module):
    """(B, 3, H, W) in [0, 1] -> features (B, C, h, w); H and W are padded up to multiples of 4 by reflection.

    Beyond the edges it sees the picture mirrored. To mirror each layer's activations, as its convolutions do, is not
    the same, as neither kernels nor strides are symmetric: a decoder can tell edges by it, and draws a frame.
    Encoders whose norms take statistics of all that they see (`instance`) stay at that, lest what is mirrored counts.
    """

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        c1, c2, c3 = model.channels
        self.layers = nn.Sequential(
            block(3, c1, 9, 1, model.norm), block(c1, c2, 3, 2, model.norm), block(c2, c3, 3, 2, model.norm)
        )
        self.stride = math.prod(layer.stride[0] for layer in self.layers.modules() if isinstance(layer, nn.Conv2d))
        """Pixels that a step from one feature to the next is, down or across."""
        self.margins = (0, 0) if model.norm == "instance" else (MIRRORED, MIRRORED)
        """Pixels added above and to the left, and below and to the right, ..."""
        self.cut = self.margins[0] // self.stride
        """... and rows and columns of features taken away again on every side."""

    def forward(self, images: Tensor) -> Tensor:
        right, bottom = -images.shape[3] % self.stride, -images.shape[2] % self.stride
        before, after = self.margins
        padding = (before, after + right, before, after + bottom)
        if any(padding):
            images = F.pad(images, padding, mode="reflect")
        features: Tensor = self.layers(images * 4 - 2)  # [0, 1] -> about unit variance
        return features[:, :, self.cut : features.shape[2] - self.cut, self.cut : features.shape[3] - self.cut]


class Decoder(nn.Module):
    """Features (B, C, h, w) -> images (B, 3, 4h, 4w), nominally in [0, 1] but not clamped."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        c1, c2, c3 = model.channels
        wide, deep = model.trunk_channels, model.trunk_blocks
        self.trunk: nn.Module = Trunk(c3, wide, deep, model.norm) if deep else nn.Identity()
        self.blocks = nn.Sequential(*(ResidualBlock(c3, model.norm) for _ in range(model.residual_blocks)))
        self.step = Trunk.step if deep else 1
        """Rows and columns of features that it sees as one."""
        if model.upsample == "transposed":
            larger: list[nn.Module] = [upsampling_block(c3, c2, model.norm), upsampling_block(c2, c1, model.norm)]
        else:  # a transposed convolution leaves a checkerboard
            larger = [NearestUpsample(), block(c3, c2, 3, 1, model.norm)]
            larger += [NearestUpsample(), block(c2, c1, 3, 1, model.norm)]
        last = conv(c1, 3, 9)
        last.exact = True
        self.layers = nn.Sequential(*larger, last)

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(self.trunk(features))
        if self.training and runs_ahead(x.device):
            # Half precision has steps of 1/256 near white: neighbours are equal, and their difference has no gradient.
            # A processor would take twice as long for this layer.
            x = self.layers[:-1](x)
            with torch.autocast(x.device.type, enabled=False):
                images: Tensor = self.layers[-1](x.float())
        else:
            images = self.layers(x)
        return (images + 2) / 4


class StyleFilter(nn.Sequential):
    """One style's filter K: (B, C + Z, h, w) -> (B, C, h, w). One convolution, unless `depth` or `post_norm` add to it.

    Deviation from the paper: Z channels of noise may stand beside the C of the features, see `StyleBank.filter_input`.
    """

    def __init__(self, channels: int, form: BankConfig) -> None:
        *between, last = pairwise([channels + form.noise_channels, *[form.width] * (form.depth - 1), channels])
        layers = list[nn.Module]()
        for cin, cout in between:
            layers += [conv(cin, cout, form.kernel_size), *norm_layers(form.norm, cout), nn.ReLU()]
        # A norm after it would cancel a bias; without one, it sets a style's colours.
        layers.append(conv(*last, form.kernel_size, bias=not form.post_norm))
        if form.post_norm:  # which sizes the outputs whatever the start is: the paper's, noise
            layers += [InstanceNorm(channels), nn.ReLU()]
        elif form.depth == 1:
            _start_near_identity(layers[0])
        super().__init__(*layers)

    @staticmethod
    def together(filters: Sequence[StyleFilter]) -> tuple[list[Tensor], list[Tensor]]:
        """Kernels and biases of linear filters."""
        layers = [layer for module in filters for layer in module.modules() if isinstance(layer, nn.Conv2d)]
        return [layer.weight for layer in layers], [layer.bias for layer in layers if layer.bias is not None]


@torch.no_grad()
def _start_near_identity(layer: nn.Module) -> None:
    """Lets a linear filter start as a faint copy of its input, so that its first outputs show the photograph.

    From noise, the decoder's ReLUs can die in the first steps and the output stays grey. What is added to the features
    as noise counts next to nothing at first.
    """
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    if layer.weight.is_meta:  # see `conv`
        return
    layer.weight.mul_(0.1).add_(nn.init.dirac_(torch.empty_like(layer.weight)), alpha=0.8)
    layer.bias.fill_(0.5)


FilterFactory = Callable[[int, BankConfig], nn.Module]
"""Makes one style's filter, (B, C + Z, h, w) -> (B, C, h, w), of the number of channels C and the bank's form."""
FORMS: dict[str, FilterFactory] = {"convolution": StyleFilter}
"""`bank.form` -> what makes filters of that form. Of a mixture of filters of other forms the outputs are summed, unless
they have a method `mixed(filters, shares)` that makes one filter of several, whose output is the sum of theirs."""


class StyleBank(nn.Module):
    """Encoder, decoder and the bank: an ordered list of named filters.

    Raises:
        ConfigError: its filters are of a form that is not known, see `FORMS`.

    Deviation from the paper, measured in docs/training.md: instance normalization happens once, on the features'
    way into a filter, and the auto-encoder's layers are normalized pixel by pixel. Instance normalization after
    every layer throws away the photograph's brightness and contrast, so the identity branch cannot return them.
    """

    def __init__(self, architecture: Architecture, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.architecture, model = architecture, architecture.model
        self.encoder = Encoder(model)
        self.decoder = Decoder(model)
        self.normalize = InstanceNorm(model.channels[2], affine=False) if model.normalize_features else nn.Identity()
        self.names = list(names)
        self.identity_gain = 1.0  # for mixing with the identity path, see `blending.calibrate`
        # A list, not a ModuleDict: style names such as "train" would clash with a module's own attributes.
        self.filters = nn.ModuleList(self._new_filters(len(self.names)))

    @cached_property
    def stride(self) -> int:
        """Pixels that a step from one feature to the next is, down or across."""
        return self.encoder.stride

    @cached_property
    def alignment(self) -> int:
        """Pixels, a multiple of `stride`: where a part of a picture may begin that is to become as in the whole."""
        return self.stride * self.decoder.step

    @cached_property
    def margin(self) -> int:
        """Pixels, a multiple of `alignment`, that must be known around a stretch from multiple to multiple of that.

        Follows the stretch from output to input: at each layer, what it takes to know what is known behind it. Filters
        are all of one form. A network without filters needs what the identity needs.
        """
        first, last = 0, self.alignment - 1
        layers = [*self.encoder.modules(), *self.filters[:1].modules(), *self.decoder.modules()]
        for layer in reversed(layers):
            if isinstance(layer, nn.Upsample):
                first, last = first // 2, last // 2
            elif isinstance(layer, TransposedConv2d):
                first, last = first // 2, (last + 1) // 2  # a kernel of 3
            elif isinstance(layer, nn.Conv2d):
                reach, stride = layer.kernel_size[0] // 2, layer.stride[0]
                first, last = first * stride - reach, last * stride + reach
        return -(-max(-first, last - self.alignment + 1) // self.alignment) * self.alignment

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> features (B, C, h, w)."""
        features: Tensor = self.encoder(images)
        return features

    def decode(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Features (B, C, h, w) -> images (B, 3, H, W) with (H, W) = `size`; the encoder's padding is cut off."""
        images: Tensor = self.decoder(features)
        return images[:, :, : size[0], : size[1]]

    def filter_input(
        self,
        features: Tensor,
        seeds: Tensor | Sequence[int] = (0,),
        origin: tuple[int, int] = (0, 0),
        noise: Tensor | None = None,
    ) -> Tensor:
        """What a filter sees of features (B, C, h, w): normalized, and beside them the noise, (B, C + Z, h, w).

        Args:
            seeds: of the noise, one for all images or one for each.
            origin: row and column, in features, that a part of a picture begins at.
            noise: (B, Z, h, w), where it has been made already.
        """
        normalized: Tensor = self.normalize(features)
        channels = self.architecture.bank.noise_channels
        if not channels:
            return normalized
        rows, columns = (range(first, first + size) for first, size in zip(origin, features.shape[2:], strict=True))
        if noise is not None:
            noise = noise.to(normalized.dtype)
        elif not isinstance(seeds, Tensor) and len(seeds) == 1:
            noise = noise_of_one(channels, seeds[0], rows, columns, features.device, normalized.dtype)
        else:
            seeds = seeds if isinstance(seeds, Tensor) else sent(seeds, features.device)
            noise = smooth_noise(channels, seeds.to(features.device), rows, columns).to(normalized.dtype)
        return torch.cat([normalized, noise.expand(len(features), -1, -1, -1)], 1)

    def apply_filters(
        self,
        features: Tensor,
        styles: Sequence[int],
        seeds: Tensor | Sequence[int] = (0,),
        noise: Tensor | None = None,
    ) -> Tensor:
        """Each image's features through the filter of its own style: (B, C, h, w), B indices -> (B, C, h, w).

        Args:
            seeds: see `filter_input`, as for the noise.
        """
        inputs = self.filter_input(features, seeds, noise=noise)
        if len(set(styles)) == 1:
            out: Tensor = self.filters[styles[0]](inputs)
            return out
        filters = [self.filters[style] for style in styles]
        together = getattr(filters[0], "together", None)
        if self.architecture.bank.linear and together and len({type(module) for module in filters}) == 1:
            kernels, biases = together(filters)
            return several_convolutions(inputs, kernels, biases, at_once=runs_ahead(inputs.device))
        parts = zip(inputs.split(1), filters, strict=True)
        return torch.cat([module(part) for part, module in parts])

    def reconstruct(self, images: Tensor) -> Tensor:
        """The auto-encoder branch (identity): (B, 3, H, W) -> (B, 3, H, W)."""
        return self.decode(self.encode(images), (images.shape[2], images.shape[3]))

    def stylize(self, images: Tensor, styles: Sequence[int]) -> Tensor:
        """The stylizing branch: (B, 3, H, W) and one style index per image -> (B, 3, H, W)."""
        features = self.apply_filters(self.encode(images), styles)
        return self.decode(features, (images.shape[2], images.shape[3]))

    def add_filters(self, names: Sequence[str]) -> None:
        """Appends freshly initialised filters; nothing that is there changes."""
        self.names += names
        self.filters.extend(self._new_filters(len(names)))
        self.__dict__.pop("margin", None)  # the first ones widen it

    def kernel_norm(self) -> float:
        """The geometric mean of the norms of linear filters' kernels."""
        norms = [next(module.parameters()).detach().float().norm() for module in self.filters]
        return float(torch.stack(norms).log().mean().exp())

    def put_last(self, names: Sequence[str]) -> None:
        """Puts the filters of these names after all others, in this order."""
        order = [*(name for name in self.names if name not in names), *names]
        self.filters = nn.ModuleList(self.filters[self.names.index(name)] for name in order)
        self.names = order

    def _new_filters(self, count: int) -> list[nn.Module]:
        bank = self.architecture.bank
        if bank.form not in FORMS:
            raise ConfigError(
                f"No form of filters is called '{bank.form}' here, only {', '.join(FORMS)}; import what registers it."
            )
        return [FORMS[bank.form](self.architecture.model.channels[2], bank) for _ in range(count)]

    def autoencoder_parameters(self) -> list[nn.Parameter]:
        """The shared weights: those of encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]
