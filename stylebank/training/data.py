"""Training data: which photograph, crop and style comes at which step, as a pure function of seed and position.

Nothing here has a state to save: the sample at position i is the same whoever asks and whenever, so a resumed
run, any number of workers, and any number of processes see the same data.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylebank.bars import bar
from stylebank.config import LARGEST_SEED
from stylebank.errors import ImageError, TrainingError, relative_to
from stylebank.images import find_images, load_picture, probe
from stylebank.training.cards import draw_card

_PHOTOGRAPHS, _CROPS, _STYLES, _HELD_OUT, _NOISE, _CARDS = range(6)  # independent random streams
A_CARD = Path("a drawn card")  # for messages


class WorkerLost(TrainingError):
    """A process that decodes photographs was killed; a new loader can go on from the same step."""


@lru_cache(maxsize=64)
def _permutation(seed: int, stream: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, stream, epoch)).permutation(count)


def _shuffled(position: int, count: int, seed: int, stream: int) -> int:
    """Element `position` of an endless sequence in which every `count` draws are a fresh permutation."""
    return int(_permutation(seed, stream, position // count, count)[position % count])


def styles_for_batch(batch: int, batch_size: int, styles: int, seed: int) -> list[int]:
    """The style of each image in stylizing batch number `batch`; every style is drawn equally often."""
    first = batch * batch_size
    return [_shuffled(first + i, styles, seed, _STYLES) for i in range(batch_size)]


def noise_for_batch(batch: int, batch_size: int, seed: int) -> list[int]:
    """The seed of the filters' noise for each image in stylizing batch number `batch`; none comes again."""
    positions = range(batch * batch_size, (batch + 1) * batch_size)
    return [int(np.random.default_rng((seed, _NOISE, i)).integers(LARGEST_SEED)) for i in positions]


@dataclass(frozen=True)
class Photographs:
    """What was found in the content folder: usable files, and the skipped ones with the reason."""

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]
    skipped: tuple[str, ...]


def find_photographs(folder: Path, min_side: int, held_out: int, seed: int) -> Photographs:
    """Looks at the header of every picture in a folder tree and keeps some from training, chosen by the seed.

    Those kept are decoded once: a run must not stumble over them when it measures itself.

    Args:
        held_out: how many are kept; never more than are left to train on, so of five photographs two.

    Raises:
        ImageError: the folder is missing or holds no usable photograph.
    """
    if not folder.is_dir():
        raise ImageError(
            f"Content folder {folder} does not exist{relative_to(folder)}; give a folder of photographs with --content."
        )
    files = find_images([folder])
    pool = ThreadPoolExecutor()
    try:
        looked = pool.map(lambda file: _unusable(file, min_side), files)
        reasons = list(bar(looked, name="looking at photographs", unit="file", total=len(files), after=1))
    finally:
        pool.shutdown(cancel_futures=True)  # asked to leave, it does not look at the rest first
    usable = [file for file, reason in zip(files, reasons, strict=True) if reason is None]
    skipped = [reason for reason in reasons if reason is not None]
    kept = min(held_out, len(usable) // 2)
    chosen: list[int] = []
    rest: list[int] = []
    for i in np.random.default_rng((seed, _HELD_OUT)).permutation(len(usable)):
        if len(chosen) == kept:
            rest.append(i)
        elif reason := _damage(usable[i]):
            skipped.append(reason)
        else:
            chosen.append(i)
    if not rest:
        raise ImageError(
            f"Content folder {folder} holds no photograph to train on: {len(files)} pictures were found, of which "
            f"{len(skipped)} were skipped{f' ({skipped[0]})' if skipped else ''}; give another folder with --content."
        )
    return Photographs(tuple(usable[i] for i in sorted(rest)), tuple(usable[i] for i in sorted(chosen)), tuple(skipped))


def _unusable(file: Path, min_side: int) -> str | None:
    try:
        width, height = probe(file)
    except ImageError as error:
        return str(error)
    if min(width, height) < min_side:
        return f"{file} is {width}x{height}, smaller than data.min_side={min_side}."
    return None


def readable(files: Sequence[Path]) -> tuple[tuple[Path, ...], list[str]]:
    """The files that can still be decoded, and for each of the others the reason."""
    reasons = {file: _damage(file) for file in files}
    return tuple(file for file in files if not reasons[file]), [reason for reason in reasons.values() if reason]


def _damage(file: Path) -> str | None:
    try:
        load_picture(file, draft_short_side=1)
    except ImageError as error:
        return str(error)
    return None


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
        if self.cards and (rng := np.random.default_rng((self.seed, _CARDS, position))).random() < self.cards:
            return draw_card(self.crop_size, rng)
        return None

    def photograph(self, position: int) -> int:
        """The number of the photograph at a position."""
        return _shuffled(position, len(self.files), self.seed, _PHOTOGRAPHS)

    def place(self, position: int, size: tuple[int, int]) -> tuple[tuple[float, float, float, float], bool]:
        """Where in a photograph of size (W, H) a crop is: left, top, right, bottom; and whether it is mirrored."""
        rng = np.random.default_rng((self.seed, _CROPS, position))
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


def _collate(samples: list[tuple[Tensor, Path, list[str]]]) -> ContentBatch:
    images, paths, unreadable = zip(*samples, strict=True)
    return ContentBatch(torch.stack(images), list(paths), [text for texts in unreadable for text in texts])


def _start_worker(_: int) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):  # sent to the whole group: the training process sees to it
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    torch.set_num_threads(1)


@dataclass(frozen=True)
class _Positions:
    """The positions of a batch's samples, batch by batch: `part` of those of the whole batch."""

    batch_size: int
    part: range
    numbers: Sequence[int]

    def __iter__(self) -> Iterator[list[int]]:
        for number in self.numbers:
            yield [number * self.batch_size + place for place in self.part]


def content_loader(
    crops: Crops,
    batch_size: int,
    numbers: Sequence[int],
    workers: int,
    pin_memory: bool,
    part: range | None = None,
) -> Iterator[ContentBatch]:
    """Batches of crops: number n has the positions from n * batch_size on.

    Args:
        numbers: which batches, in this order.
        part: which places of each batch are wanted; all if None.

    Raises:
        WorkerLost: one of the loader's processes was killed.
    """
    loader: DataLoader[Any] = DataLoader(
        crops,
        batch_sampler=_Positions(batch_size, range(batch_size) if part is None else part, numbers),
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        pin_memory=pin_memory,
    )
    return _without_signals(loader)


class _Cards(Dataset["np.ndarray | None"]):
    """Position i -> the card that `Crops` has there; None where it has a photograph."""

    def __init__(self, crops: Crops) -> None:
        self.crops = crops

    def __getitem__(self, position: int) -> np.ndarray | None:
        return self.crops.card(position)


def card_loader(
    crops: Crops, batch_size: int, numbers: Sequence[int], workers: int, part: range
) -> Iterator[list[np.ndarray | None]]:
    """The cards alone of the batches that `content_loader` gives, None in place of photographs.

    In processes of their own, as threads would take turns with the program: a card takes some milliseconds.

    Raises:
        WorkerLost: one of the loader's processes was killed.
    """
    positions = _Positions(batch_size, part, numbers)
    if not crops.cards:
        return ([None] * len(places) for places in positions)
    loader: DataLoader[Any] = DataLoader(
        _Cards(crops), batch_sampler=positions, num_workers=workers, collate_fn=list, worker_init_fn=_start_worker
    )
    return _without_signals(loader)


def _without_signals(loader: DataLoader[Any]) -> Iterator[Any]:
    """Iterates; a lost process is noticed where its batch is missed, within seconds.

    torch raises from a handler of SIGCHLD when one ends, whatever is being done then: half an update, a save.
    """
    guarded = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGCHLD) if guarded else None
    gc.collect()  # else a forked process may clear up a film's decoder, and wait for threads that it does not have
    batches = iter(loader)
    if guarded and handler is not None:
        signal.signal(signal.SIGCHLD, handler)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if str(error).startswith("DataLoader worker"):
                raise WorkerLost(str(error)) from error
            raise
        yield batch
