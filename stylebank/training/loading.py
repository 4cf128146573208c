"""Batches of crops, decoded by processes of their own."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylebank.errors import TrainingError
from stylebank.training.crops import ContentBatch, Crops


class WorkerLost(TrainingError):
    """A process that decodes photographs was killed; a new loader can go on from the same step."""


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
    if loader.num_workers:  # a forked process may clear up a film's decoder, and wait for threads that it does not have
        gc.collect()
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
