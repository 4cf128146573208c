"""What the loss network sees of a painting's texture, as `network.predictor` reads it: Gram matrices and means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from PIL import Image
from torch import Tensor

from stylebank.errors import ImageError
from stylebank.images import Side, resize_side, to_tensor
from stylebank.losses.functional import gram
from stylebank.losses.vgg import LossNetwork
from stylebank.network.predictor import Statistics

SMALLEST_PAINTING = 16  # pixels; the deepest layer sees an eighth of them


def seen_at(picture: Image.Image, size: int, side: Side, name: str = "A painting") -> Tensor:
    """A painting (mode RGB) at the size at which its texture is read: (3, H, W) in [0, 1].

    Args:
        size: pixels at which its short or long side is seen.
        side: which of them.
        name: of the painting, for messages.

    Raises:
        ImageError: it is too small to have a texture.
    """
    if min(picture.size) < SMALLEST_PAINTING:
        width, height = picture.size
        raise ImageError(f"{name} of {width}x{height} pixels is too small; {SMALLEST_PAINTING} are the least.")
    return to_tensor(resize_side(picture, size, side))


@torch.no_grad()
def statistics_of(network: LossNetwork, pictures: Iterable[Tensor], layers: Sequence[str]) -> Statistics:
    """The statistics of each picture by itself; B of them in one.

    Args:
        pictures: (3, H, W) in [0, 1], each of its own size.
    """
    grams: dict[str, list[Tensor]] = {name: [] for name in layers}
    means: dict[str, list[Tensor]] = {name: [] for name in layers}
    for picture in pictures:
        seen = network(picture[None].to(network.mean.device, memory_format=torch.channels_last))
        for name in layers:
            grams[name].append(gram(seen[name])[0])
            means[name].append(seen[name].float().mean((2, 3))[0])
    return Statistics(
        {name: torch.stack(values) for name, values in grams.items()},
        {name: torch.stack(values) for name, values in means.items()},
    )
