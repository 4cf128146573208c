"""Crops of photographs, and drawn cards among them: which one comes at which position, see `draws`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from stylebank.errors import ImageError, TrainingError
from stylebank.images import load_picture
from stylebank.training.cards import draw_card
from stylebank.training.draws import CARDS, CROPS, PHOTOGRAPHS, shuffled

A_CARD = Path("a drawn card")  # for messages


@dataclass
class ContentBatch:
    """Crops (B, 3, crop, crop) uint8, the photographs they come from, and what could not be decoded."""

    images: Tensor
    paths: list[Path]
    unreadable: list[str]

    @property
    def cards(self) -> list[bool]:
        """Which of the crops are drawn cards."""
        return [path == A_CARD for path in self.paths]

    def to(self, device: torch.device) -> Tensor:
        """The crops as float32 in [0, 1], channels-last, on the device."""
        images = self.images.to(device, non_blocking=True)
        return images.to(torch.float32, memory_format=torch.channels_last) / 255

    def pin_memory(self) -> ContentBatch:
        """Called by the loader: without it `to` would wait for the copy."""
        return replace(self, images=self.images.pin_memory())


class Crops(Dataset[tuple[Tensor, Path, list[str]]]):
    """Random crops: position i -> ((3, crop, crop) uint8, path, unreadable files met on the way)."""

    def __init__(
        self,
        files: Sequence[Path],
        crop_size: int,
        content_size: int,
        scale: tuple[float, float],
        flip: bool,
        seed: int,
        cards: float = 0.0,
    ) -> None:
        self.files = tuple(files)
        self.crop_size, self.content_size, self.scale = crop_size, content_size, scale
        self.flip, self.seed, self.cards = flip, seed, cards

    @property
    def largest_side(self) -> int:
        """The short side in pixels of photographs at the largest scale."""
        return max(round(self.content_size * self.scale[1]), self.crop_size)

    def card(self, position: int) -> np.ndarray | None:
        """The card at a position, (crop, crop, 3) uint8; None where there is a photograph."""
        if self.cards and (rng := np.random.default_rng((self.seed, CARDS, position))).random() < self.cards:
            return draw_card(self.crop_size, rng)
        return None

    def photograph(self, position: int) -> int:
        """The number of the photograph at a position."""
        return shuffled(position, len(self.files), self.seed, PHOTOGRAPHS)

    def place(self, position: int, size: tuple[int, int]) -> tuple[tuple[float, float, float, float], bool]:
        """Where in a photograph of size (W, H) a crop is: left, top, right, bottom; and whether it is mirrored."""
        rng = np.random.default_rng((self.seed, CROPS, position))
        width, height = size
        scaled_short = max(self.content_size * rng.uniform(*self.scale), self.crop_size)
        side = self.crop_size * min(size) / scaled_short  # of the crop, in the photograph's own pixels
        left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
        box = (left, top, min(left + side, width), min(top + side, height))
        return box, self.flip and rng.random() < 0.5

    def __getitem__(self, position: int) -> tuple[Tensor, Path, list[str]]:
        if (card := self.card(position)) is not None:
            return torch.from_numpy(card.transpose(2, 0, 1).copy()), A_CARD, []
        start = self.photograph(position)
        unreadable: list[str] = []
        for offset in range(len(self.files)):
            path = self.files[(start + offset) % len(self.files)]
            try:
                picture = load_picture(path, draft_short_side=self.largest_side)
            except ImageError as error:
                unreadable.append(str(error))  # the next photograph stands in for it
                continue
            return self._crop(picture.rgb, position), path, unreadable
        raise TrainingError(f"None of the {len(self.files)} photographs can be read any more: {unreadable[0]}.")

    def _crop(self, image: Image.Image, position: int) -> Tensor:
        box, mirrored = self.place(position, image.size)
        crop = image.resize((self.crop_size, self.crop_size), Image.Resampling.BICUBIC, box=box, reducing_gap=3)
        array = np.asarray(crop)
        if mirrored:
            array = array[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
