"""The networks of other style transfer programs, by the layers that they publish, with random weights: for timing only.

- `public_stylebank`: jxcodetw/Stylebank, networks.py: a stride of 2 in the first two layers, 256 channels of
  features, and filters of two layers.
- `fast_neural_style`: pytorch/examples, fast_neural_style, after Johnson et al. 2016: five residual blocks, one style.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def public_stylebank() -> nn.Module:
    """(B, 3, H, W) -> (B, 3, 4 ceil(H/4) - 3, ...): its strides leave a few pixels out."""
    encoder, filters, decoder = public_parts(1)
    return _ready(nn.Sequential(encoder, *filters, decoder))


def public_parts(styles: int) -> tuple[nn.Sequential, nn.ModuleList, nn.Sequential]:
    """Its encoder, a filter for each style, and its decoder."""
    channels, strides = (3, 32, 64, 128, 256), (2, 2, 1, 1)
    encoder, decoder, filters = list[nn.Module](), list[nn.Module](), nn.ModuleList()
    for i, (cin, cout) in enumerate(pairwise(channels)):
        size = 9 if i == 0 else 3
        encoder += _block(nn.Conv2d(cin, cout, size, strides[i], size // 2, bias=False), cout)
    for _ in range(styles):
        layers = [_block(nn.Conv2d(256, 256, 3, 1, 1, bias=False), 256) for _ in range(2)]
        filters.append(nn.Sequential(*layers[0], *layers[1]))
    for i, (cin, cout) in enumerate(pairwise(channels[::-1])):
        size = 9 if i == 3 else 3
        decoder += _block(nn.ConvTranspose2d(cin, cout, size, strides[3 - i], size // 2, bias=False), cout)
    return nn.Sequential(*encoder), filters, nn.Sequential(*decoder[:-2])


def fast_neural_style() -> nn.Module:
    """(B, 3, H, W) -> (B, 3, 4 ceil(H/4), 4 ceil(W/4))."""
    layers = list[nn.Module]()
    for cin, cout, size, stride in ((3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2)):
        layers += _block(_reflected(cin, cout, size, stride), cout, affine=True)
    layers += [_Residual(128) for _ in range(5)]
    for cin, cout in ((128, 64), (64, 32)):
        layers += [nn.Upsample(scale_factor=2), *_block(_reflected(cin, cout, 3), cout, affine=True)]
    return _ready(nn.Sequential(*layers, _reflected(32, 3, 9)))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        first = _block(_reflected(channels, channels, 3), channels, affine=True)
        second = _block(_reflected(channels, channels, 3), channels, affine=True)[:-1]
        self.layers = nn.Sequential(*first, *second)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x) + x
        return out


def _block(conv: nn.Module, channels: int, affine: bool = False) -> list[nn.Module]:
    return [conv, nn.InstanceNorm2d(channels, affine=affine), nn.ReLU(inplace=True)]


def _reflected(cin: int, cout: int, size: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(cin, cout, size, stride, size // 2, padding_mode="reflect")


def _ready(network: nn.Module) -> nn.Module:
    network = network.eval().requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
