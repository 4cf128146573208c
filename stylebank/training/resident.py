"""Photographs decoded once into a device's memory, where crops are cut, scaled and mirrored.

A GPU takes more crops than the processors beside it can decode. Two thousand photographs with a short side of 384
pixels are about 1 GB as 8-bit pixels. Which crop comes at which position is what `crops.Crops` says; its edges fall on
whole pixels of what is kept, and torch scales it instead of Pillow, so that pixels differ a little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylebank.bars import bar
from stylebank.errors import ConfigError, ImageError, TrainingError
from stylebank.images import load_picture, probe, resize_short_side
from stylebank.inference.memory import available_memory
from stylebank.training.crops import A_CARD, ContentBatch, Crops
from stylebank.training.loading import card_loader

SHARE = 0.25  # of the memory that is free, with `auto`; the rest is for training
LARGEST_RATIO = 16  # of the largest scale to the smallest; GPUs have no room for the filters of more


def wants_resident(wish: bool | Literal["auto"], crops: Crops, device: torch.device) -> bool:
    """Whether photographs are to be kept in a device's memory (`data.in_memory`): with `auto`, on CUDA, if they fit.

    Raises:
        ConfigError: it is asked for, and they do not fit, or crops are of too many sizes.
    """
    if wish is False or (wish == "auto" and device.type != "cuda"):
        return False
    if crops.scale[1] > LARGEST_RATIO * crops.scale[0]:
        if wish == "auto":
            return False
        raise ConfigError(
            f"data.in_memory needs a data.scale whose largest factor is at most {LARGEST_RATIO} times the smallest, "
            f"not {list(crops.scale)}."
        )
    needed, free = bytes_of(crops), available_memory(device)
    if wish == "auto" or needed <= free:
        return needed <= SHARE * free or wish is True
    raise ConfigError(
        f"data.in_memory: the {len(crops.files)} photographs take {needed / 1e9:,.2f} GB, and {free / 1e9:,.2f} GB are "
        f"free ({device}); lower data.content_size or data.scale, or set it to false."
    )


def bytes_of(crops: Crops) -> int:
    """Bytes that the photographs take; only their headers are read."""
    total = 0
    for file in crops.files:
        try:
            width, height = probe(file)
        except ImageError:
            continue
        factor = min(1.0, crops.largest_side / min(width, height))
        total += 3 * round(width * factor) * round(height * factor)
    return total


class ResidentCrops:
    """Crops as `Crops` has them, of photographs in a device's memory; decoding them takes its time.

    Raises:
        TrainingError: no photograph can be read.
    """

    def __init__(self, crops: Crops, device: torch.device) -> None:
        self.device = device
        self.photographs: list[Tensor | None] = []  # (3, h, w) uint8, in the files' order; None where one is damaged
        self.unreadable: list[str] = []
        pool = ThreadPoolExecutor()
        try:
            loaded = pool.map(lambda file: _load(file, crops.largest_side), crops.files)
            for photograph in bar(loaded, name="decoding", unit="photograph", total=len(crops.files), after=1):
                if isinstance(photograph, str):
                    self.unreadable.append(photograph)
                    self.photographs.append(None)
                else:
                    self.photographs.append(photograph.to(device))
        finally:
            pool.shutdown(cancel_futures=True)
        if not any(photograph is not None for photograph in self.photographs):
            raise TrainingError(
                f"None of the {len(crops.files)} photographs can be read any more: {self.unreadable[0]}."
            )

    @property
    def bytes(self) -> int:
        """Of memory that the photographs take."""
        return sum(photograph.nbytes for photograph in self.photographs if photograph is not None)

    def batches(
        self, crops: Crops, batch_size: int, numbers: Sequence[int], workers: int, part: range
    ) -> Iterator[ContentBatch]:
        """Batches of crops on the device, as `loading.content_loader` gives them.

        Args:
            crops: of the same photographs, perhaps of another size.
            workers: processes that draw cards.
        """
        for number, cards in zip(numbers, card_loader(crops, batch_size, numbers, workers, part), strict=True):
            first = number * batch_size
            pairs = [self.at(crops, first + place, card) for place, card in zip(part, cards, strict=True)]
            images, paths = zip(*pairs, strict=True)
            yield ContentBatch(torch.stack(images), list(paths), [])

    def at(self, crops: Crops, position: int, card: np.ndarray | None) -> tuple[Tensor, Path]:
        """The crop at a position, (3, crop, crop) uint8 on the device, and its photograph.

        Args:
            card: the card at this position, where there is one.
        """
        if card is not None:
            drawn = torch.from_numpy(card)
            drawn = drawn.pin_memory() if self.device.type == "cuda" else drawn
            return drawn.to(self.device, non_blocking=True).permute(2, 0, 1), A_CARD
        start, count = crops.photograph(position), len(self.photographs)
        for number in ((start + offset) % count for offset in range(count)):
            photograph = self.photographs[number]
            if photograph is not None:
                return _cut(photograph, crops, position), crops.files[number]
        raise AssertionError("the constructor has seen to it that there is one")


def _load(file: Path, short: int) -> Tensor | str:
    """A photograph (3, h, w) uint8 with a short side of at most so many pixels, or why it cannot be read."""
    try:
        image = load_picture(file, draft_short_side=short).rgb
    except ImageError as error:
        return str(error)
    if min(image.size) > short:
        image = resize_short_side(image, short)
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def _cut(photograph: Tensor, crops: Crops, position: int) -> Tensor:
    height, width = photograph.shape[1:]
    (left, top, right, _), mirrored = crops.place(position, (width, height))
    side = max(1, min(round(right - left), width, height))
    x, y = min(round(left), width - side), min(round(top), height - side)
    window = photograph[None, :, y : y + side, x : x + side]
    size = (crops.crop_size, crops.crop_size)
    crop = F.interpolate(window.float(), size, mode="bicubic", antialias=True)[0] if side != size[0] else window[0]
    crop = crop.flip(2) if mirrored else crop
    return crop.round().clamp(0, 255).to(torch.uint8) if crop.is_floating_point() else crop
