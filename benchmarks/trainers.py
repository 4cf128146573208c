"""Trainers with a stopwatch: the product's own, the same one with every piece timed, and one written plainly."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from other_networks import public_parts
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pad

from stylebank.config import Config
from stylebank.images import load_picture, resize_side, to_tensor
from stylebank.losses.functional import content_loss, gram, style_loss, total_variation
from stylebank.losses.objective import Values
from stylebank.losses.vgg import LossNetwork, load_loss_network
from stylebank.training.branches import Branches
from stylebank.training.crops import ContentBatch
from stylebank.training.hooks import Hooks
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import Task
from stylebank.training.trainer import Trainer
from stylebank.training.training_run import TrainingRun


class Stopwatch(Hooks):
    """Lets a run have a few cycles of T + 1 steps at a time, and notes the seconds each one took."""

    cycles = 1

    def __init__(self) -> None:
        self.cycle_seconds: list[float] = []

    def batches(self, run: TrainingRun, stream: Iterator[ContentBatch]) -> Iterator[ContentBatch]:
        batch = next(stream)
        for _ in range(self.cycles):
            start = clock(run.device)
            for _ in range(run.config.train.steps_per_cycle + 1):
                yield batch
                batch = next(stream)
            self.cycle_seconds.append(clock(run.device) - start)


class TimedTrainer:
    """`Trainer.fit` as it is, but only a few cycles at a time."""

    def __init__(
        self,
        config: Config,
        task: Task,
        folder: RunFolder,
        device: torch.device,
        weights: Path,
        branches: Callable[[TrainingRun], Branches] = Branches,
        watch: Stopwatch | None = None,
    ) -> None:
        self.run, self.watch = TrainingRun(config, task, folder, device, weights), watch or Stopwatch()
        self.trainer = Trainer(self.run, branches(self.run), self.watch)

    def turn(self, cycles: int) -> list[float]:
        """Trains for some cycles and returns the seconds of each. The data loader's start is not counted."""
        self.watch.cycles, self.watch.cycle_seconds = cycles, []
        self.trainer.fit()
        if len(self.watch.cycle_seconds) < cycles:
            raise KeyboardInterrupt  # `fit` takes Ctrl-C as a wish to stop
        return self.watch.cycle_seconds


class Dissection(Stopwatch):
    """Also notes where each step's time goes. It waits for the device at every piece, so only the shares count."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.pieces: dict[bool, list[defaultdict[str, float]]] = {False: [], True: []}
        """Identity step? -> for each step seconds by piece."""
        self.current, self.last = defaultdict[str, float](float), clock(device)
        self.before_decoder = "losses"

    def lap(self, piece: str) -> None:
        """The time since the last lap went into this piece."""
        now = clock(self.device)
        self.current[piece] += now - self.last
        self.last = now

    def batches(self, run: TrainingRun, stream: Iterator[ContentBatch]) -> Iterator[ContentBatch]:
        for steps in self.pieces.values():
            steps.clear()
        for index, batch in enumerate(super().batches(run, stream)):
            if index:
                self.lap("data")
            self.current, self.last = defaultdict[str, float](float), clock(self.device)
            self.pieces[run.schedule.is_identity(run.step)].append(self.current)
            yield batch
            self.lap("log")
        self.lap("data")

    def forward_begins(self, run: TrainingRun, identity: bool) -> None:
        self.lap("data")
        self.before_decoder = "losses" if identity else "VGG backward"

    def forward_ends(self, run: TrainingRun, values: Values, styles: Sequence[int]) -> None:
        self.lap("losses")

    def backward_ends(self, run: TrainingRun, identity: bool) -> None:
        self.lap("net backward")

    def update_ends(self, run: TrainingRun, identity: bool) -> None:
        self.lap("optimizer")

    def decoder_ends(self, images: Tensor) -> None:
        """The decoder's output is there."""
        self.lap("net forward")
        # Its gradient is there once all that comes after the decoder has been through backward.
        images.register_hook(lambda _: self.lap(self.before_decoder))

    def loss_network_ends(self, _: dict[str, Tensor]) -> None:
        """Activations are there."""
        self.lap("VGG forward, outputs" if torch.is_grad_enabled() else "VGG forward, photographs")


class DissectedTrainer(TimedTrainer):
    """With `Dissection` for its watch, and decoder and loss network that tell when they begin and end."""

    def __init__(self, config: Config, task: Task, folder: RunFolder, device: torch.device, weights: Path) -> None:
        self.dissection = Dissection(device)
        super().__init__(config, task, folder, device, weights, watch=self.dissection)
        lap, run = self.dissection.lap, self.run
        decoder = _Watched(run.model.decoder, lambda: lap("net forward"), self.dissection.decoder_ends)
        run.model.add_module("decoder", decoder)
        network = _Watched(run.objective.network, lambda: lap("losses"), self.dissection.loss_network_ends)
        run.objective = dataclasses.replace(run.objective, network=cast("LossNetwork", network))


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


class PlainBranches(Branches):
    """The forward passes as one would first write them.

    The paintings go through the loss network at every step, and the outputs twice, once for content and once for
    style.
    """

    def __init__(self, run: TrainingRun) -> None:
        super().__init__(run)
        for module in (run.model, run.objective.network):
            module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        size, side = run.config.data.style_size, run.config.data.style_side
        pictures = [load_picture(source.files[0]).rgb for source in run.task.sources]
        self.paintings = [to_tensor(resize_side(picture, size, side))[None].to(run.device) for picture in pictures]

    def identity(self, images: Tensor) -> Values:
        return super().identity(images.contiguous())

    def stylize(self, images: Tensor, styles: list[int], cards: Sequence[bool] = ()) -> Values:
        images, loss, network = images.contiguous(), self.run.config.loss, self.run.objective.network
        outputs = self.run.model.stylize(images, styles)

        paintings = [network(self.paintings[style]) for style in styles]
        targets = {name: torch.cat([gram(features[name]) for features in paintings]) for name in loss.style_layers}
        return {
            "content": content_loss(network(outputs), network(images), loss.content_layers),
            "style": style_loss(network(outputs), targets),
            "tv": total_variation(outputs),
        }


class PlainTrainer(TimedTrainer):
    """The same step as one would first write it, in float32 and NCHW. Losses, schedule, Adam and data are the same."""

    def __init__(self, config: Config, task: Task, folder: RunFolder, device: torch.device, weights: Path) -> None:
        train = config.train.model_copy(update={"precision": "float32", "compile": False})
        config = config.model_copy(update={"train": train})
        super().__init__(config, task, folder, device, weights, PlainBranches)


class PublicTrainer:
    """The step of jxcodetw/Stylebank, in float32 on one batch that is already there.

    Its network; VGG-16 sees outputs, photographs and paintings in every step; T stylizing steps and one of the
    auto-encoder, one Adam for all. Crops and paintings have the configuration's crop size.
    """

    LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")

    def __init__(self, config: Config, styles: int, device: torch.device, weights: Path) -> None:
        self.device, self.cycle = device, config.train.steps_per_cycle
        shape = (config.train.batch_size, 3, config.train.crop_size, config.train.crop_size)
        self.photographs, self.paintings = torch.rand(shape, device=device), torch.rand(shape, device=device)
        self.encoder, self.filters, self.decoder = (
            part.to(device).train().requires_grad_() for part in public_parts(styles)
        )
        self.network = load_loss_network("vgg16", self.LAYERS, weights=weights).to(device)
        parameters = [*self.encoder.parameters(), *self.filters.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, 1e-3)

    def turn(self, cycles: int) -> list[float]:
        """Trains for some cycles and returns the seconds of each."""
        seconds = []
        for _ in range(cycles):
            start = clock(self.device)
            for step in range(self.cycle + 1):
                self.optimizer.zero_grad()
                (self._stylizing() if step < self.cycle else self._identity()).backward()
                self.optimizer.step()
            seconds.append(clock(self.device) - start)
        return seconds

    def _stylizing(self) -> Tensor:
        features = self.encoder(self.photographs)
        chosen = [self.filters[i % len(self.filters)](part) for i, part in enumerate(features.split(1))]
        outputs = self._filled(self.decoder(torch.cat(chosen)))
        seen, wanted, painted = self.network(outputs), self.network(self.photographs), self.network(self.paintings)
        content = mse_loss(seen[self.LAYERS[1]], wanted[self.LAYERS[1]])
        style = sum((mse_loss(gram(seen[name]), gram(painted[name])) for name in self.LAYERS), torch.zeros(()))
        return content + style + total_variation(outputs).mean()

    def _identity(self) -> Tensor:
        return mse_loss(self._filled(self.decoder(self.encoder(self.photographs))), self.photographs)

    def _filled(self, outputs: Tensor) -> Tensor:
        """Its strides leave a few pixels out; these are made up for, so that losses see as many as in the product."""
        missing = self.photographs.shape[-1] - outputs.shape[-1]
        return pad(outputs, (0, missing, 0, missing), mode="replicate")


def clock(device: torch.device) -> float:
    """Seconds, once the device has done all it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()
