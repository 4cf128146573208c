"""Normalization for inference, piece by piece: what one operation leaves is in the processor's cache for the next.

Done to whole tensors, each operation on a large picture waits for memory, and together they take longer than the
convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stylebank.device import at_least_float32
from stylebank.network.layers import InstanceNorm, Moments, PixelNorm

PIECE_BYTES = 2**18  # for each thread of a processor: a core's second cache holds some of them
DEVICE_PIECE_BYTES = 2**24  # elsewhere


def in_pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views of the same rows of tensors (B, C, H, W), as few at a time as a cache holds."""
    first = tensors[0]
    row_bytes = first[:, :, 0].numel() * first.element_size()
    piece_bytes = torch.get_num_threads() * PIECE_BYTES if first.device.type == "cpu" else DEVICE_PIECE_BYTES
    rows = max(1, piece_bytes // row_bytes)
    yield from zip(*(tensor.split(rows, 2) for tensor in tensors), strict=True)


class PiecewiseInstanceNorm(InstanceNorm):
    """`InstanceNorm` without weights, piece by piece: no large tensors in float32."""

    def __init__(self, norm: InstanceNorm) -> None:
        assert norm.weight is None
        super().__init__(0, affine=False, eps=norm.eps)
        self.moments = _moments_in_pieces

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.moments(x)
        scale, out = torch.rsqrt(var + self.eps), torch.empty_like(x)
        for piece, result in in_pieces(x, out):
            result.copy_((piece - mean).mul_(scale))
        return out


def _moments_in_pieces(x: Tensor) -> Moments:
    """As `moments_of`."""
    count = math.prod(x.shape[2:])
    mean = torch.stack([at_least_float32(piece).sum((2, 3), keepdim=True) for (piece,) in in_pieces(x)]).sum(0) / count
    squares = [(piece - mean).square_().sum((2, 3), keepdim=True) for (piece,) in in_pieces(x)]
    return mean, torch.stack(squares).sum(0) / count


class NormReLU(nn.Module):
    """Normalization and ReLU, in place, of a tensor (B, C, H, W) with margins, which do not count."""

    def __init__(self, norm: nn.Module, before: int = 0, after: int = 0, relu: bool = True) -> None:
        super().__init__()
        self.norm, self.before, self.after, self.relu = norm, before, after, relu

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Then adds `shortcut`, of the same shape."""
        if not isinstance(self.norm, PixelNorm | nn.Identity):
            inside = x[:, :, self.before : x.shape[2] - self.after, self.before : x.shape[3] - self.after]
            inside.copy_(self.norm(inside))
        for piece, *shortcuts in in_pieces(x) if shortcut is None else in_pieces(x, shortcut):
            wide = at_least_float32(piece)  # in the cache quicker than bfloat16
            if isinstance(self.norm, PixelNorm):
                _pixel_norm(wide, self.norm)
            if self.relu:
                wide.relu_()
            for other in shortcuts:
                wide.add_(other)
            piece.copy_(wide)
        return x


def _pixel_norm(x: Tensor, norm: PixelNorm) -> None:
    """As `PixelNorm`, in place."""
    pixels = x.permute(0, 2, 3, 1)  # (B, H, W, C): in memory one vector after the other
    squares = torch.linalg.vector_norm(pixels, dim=3, keepdim=True).square_()
    pixels.mul_(squares.div_(x.shape[1]).add_(norm.eps).rsqrt_())
    torch.addcmul(norm.bias, pixels, norm.weight, out=pixels)
