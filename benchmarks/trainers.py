"""Trainers with a stopwatch: the product's own, the same one with every piece timed, and one written plainly."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from stylebank.config import Config
from stylebank.images import load_picture, resize_short_side, to_tensor
from stylebank.losses.functional import content_loss, gram, style_loss, total_variation
from stylebank.losses.objective import Terms
from stylebank.losses.vgg import LossNetwork
from stylebank.training.data import ContentBatch, styles_for_batch
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import Task
from stylebank.training.trainer import Trainer


class TimedTrainer(Trainer):
    """`Trainer.fit` as it is, but only a few cycles of T + 1 steps at a time, with the seconds each one took."""

    cycles = 1

    def turn(self, cycles: int) -> list[float]:
        """Trains for some cycles and returns the seconds of each. The data loader's start is not counted."""
        self.cycles, self.cycle_seconds = cycles, list[float]()
        self.fit()
        if len(self.cycle_seconds) < cycles:
            raise KeyboardInterrupt  # `fit` takes Ctrl-C as a wish to stop
        return self.cycle_seconds

    def _batches(self) -> Generator[ContentBatch, None, None]:
        self.monitor.bar.leave = False
        self.monitor.bar.close()
        stream = super()._batches()
        batch = next(stream)
        for _ in range(self.cycles):
            start = self.clock()
            for _ in range(self.config.train.steps_per_cycle + 1):
                yield batch
                batch = next(stream)
            self.cycle_seconds.append(self.clock() - start)

    def clock(self) -> float:
        """Seconds, once the device has done all it was given."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return time.perf_counter()


class DissectedTrainer(TimedTrainer):
    """Also notes where each step's time goes. It waits for the device at every piece, so only the shares count."""

    def __init__(self, config: Config, task: Task, folder: RunFolder, device: torch.device, weights: Path) -> None:
        super().__init__(config, task, folder, device, weights)
        self.pieces: dict[bool, list[defaultdict[str, float]]] = {
            False: [],
            True: [],
        }  # identity step? -> seconds by piece
        self.current, self.last = defaultdict[str, float](float), self.clock()
        self.first_step, self.before_decoder = 0, "losses"
        self.model.add_module("decoder", _Watched(self.model.decoder, self._decoder_begins, self._decoder_ends))
        network = _Watched(self.objective.network, self._loss_network_begins, self._loss_network_ends)
        self.objective = dataclasses.replace(self.objective, network=cast("LossNetwork", network))

    def _lap(self, piece: str) -> None:
        """The time since the last lap went into this piece."""
        now = self.clock()
        self.current[piece] += now - self.last
        self.last = now

    def _batches(self) -> Generator[ContentBatch, None, None]:
        for batch in super()._batches():
            if self.step > self.first_step:
                self._lap("data")
            self.current, self.last = defaultdict[str, float](float), self.clock()
            self.pieces[self.schedule.is_identity(self.step)].append(self.current)
            yield batch
            self._lap("log")
        self._lap("data")

    def turn(self, cycles: int) -> list[float]:
        self.first_step = self.step
        for steps in self.pieces.values():
            steps.clear()
        return super().turn(cycles)

    def _identity(self, images: Tensor) -> tuple[Terms, None]:
        self._lap("data")
        self.before_decoder = "losses"
        result = super()._identity(images)
        self._lap("losses")
        return result

    def _stylize(self, images: Tensor) -> tuple[Terms, list[int]]:
        self._lap("data")
        self.before_decoder = "VGG backward"
        result = super()._stylize(images)
        self._lap("losses")
        return result

    def _decoder_begins(self) -> None:
        self._lap("net forward")

    def _decoder_ends(self, images: Tensor) -> None:
        self._lap("net forward")
        # Its gradient is there once all that comes after the decoder has been through backward.
        images.register_hook(lambda _: self._lap(self.before_decoder))

    def _loss_network_begins(self) -> None:
        self._lap("losses")

    def _loss_network_ends(self, _: dict[str, Tensor]) -> None:
        self._lap("VGG forward, outputs" if torch.is_grad_enabled() else "VGG forward, photographs")

    def _balance(self, identity: bool) -> None:
        self._lap("net backward")
        super()._balance(identity)

    def _update(self, identity: bool, lr: float) -> None:
        super()._update(identity, lr)
        self._lap("optimizer")


class _Watched(nn.Module):
    """A module that tells when it begins and what it returned."""

    def __init__(self, module: nn.Module, begins: Callable[[], None], ends: Callable[[Any], None]) -> None:
        super().__init__()
        self.module, self.begins, self.ends = module, begins, ends

    def forward(self, *inputs: Tensor) -> Any:
        self.begins()
        result = self.module(*inputs)
        self.ends(result)
        return result


class PlainTrainer(TimedTrainer):
    """The same step as one would first write it.

    float32 and NCHW; the paintings go through the loss network at every step, and the outputs twice, once for
    content and once for style. Losses, schedule, Adam and data are the product's.
    """

    def __init__(self, config: Config, task: Task, folder: RunFolder, device: torch.device, weights: Path) -> None:
        train = config.train.model_copy(update={"precision": "float32", "compile": False})
        super().__init__(config.model_copy(update={"train": train}), task, folder, device, weights)
        for module in (self.model, self.objective.network):
            module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        size = config.data.style_size
        pictures = [load_picture(source.files[0]).rgb for source in task.sources]
        self.paintings = [to_tensor(resize_short_side(picture, size))[None].to(device) for picture in pictures]

    def _identity(self, images: Tensor) -> tuple[Terms, None]:
        return super()._identity(images.contiguous())

    def _stylize(self, images: Tensor) -> tuple[Terms, list[int]]:
        images, loss, network = images.contiguous(), self.config.loss, self.objective.network
        number = self.schedule.stylizing_steps_before(self.step)
        styles = styles_for_batch(number, len(images), len(self.paintings), self.config.train.seed)
        outputs = self.model.stylize(images, styles)

        paintings = [network(self.paintings[style]) for style in styles]
        targets = {name: torch.cat([gram(features[name]) for features in paintings]) for name in loss.style_layers}
        terms = {
            "content": content_loss(network(outputs), network(images), loss.content_layers),
            "style": style_loss(network(outputs), targets),
            "tv": total_variation(outputs),
        }
        return terms, styles
