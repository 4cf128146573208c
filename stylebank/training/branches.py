"""The two ways of a batch through the network (Chen et al. 2017, figure 2): from photographs to loss terms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stylebank.device import autocast, sent
from stylebank.losses.objective import Values
from stylebank.losses.terms import Features, Later
from stylebank.network.lowered import lowered
from stylebank.training.neighbours import neighbours_of
from stylebank.training.noise_ahead import NoiseAhead
from stylebank.training.training_run import TrainingRun


class Branches:
    """The forward passes of a run."""

    def __init__(self, run: TrainingRun) -> None:
        self.run, self.noise = run, NoiseAhead(run)
        self.kept: dict[tuple[int, int], tuple[Tensor, Features]] = {}
        """By the batch's number and the first place in it, see `train.kept_batches`."""

    def identity(self, images: Tensor) -> Values:
        """The auto-encoder branch: I -> E -> D -> I'. Images are (B, 3, H, W) in [0, 1]."""
        run = self.run
        with self._converted():
            return run.objective.identity_terms(images, run.model.reconstruct(images))

    def stylize(self, images: Tensor, styles: list[int], cards: Sequence[bool] = ()) -> Values:
        """The stylizing branch: I -> E -> K_i -> D -> O_i, each image (B, 3, H, W) with its own style i and noise.

        Args:
            cards: which of the images are drawn cards, if any.
        """
        run = self.run
        indices = [run.task.first_style + i for i in styles]
        with self._converted([run.model.filters[i] for i in dict.fromkeys(indices)]):
            features, photograph = self._constants(images)
            noise = self.noise.of_step((features.shape[2], features.shape[3]))
            noise = None if noise is None else noise[: len(images)]  # a step's memory is measured on one image
            filtered = run.model.apply_filters(features, indices, noise=noise)
            outputs = run.model.decode(filtered, (images.shape[2], images.shape[3]))
            later = None
            if run.config.loss.temporal_weight:
                rows = _shown_again(len(images), cards)
                later = self._later(images, outputs, [indices[i] for i in rows], noise, rows)
            return run.objective.stylizing_terms(images, outputs, styles, photograph, cards, later)

    @contextmanager
    def _converted(self, filters: Sequence[nn.Module] = ()) -> Iterator[None]:
        """Context in which networks compute in the run's number format."""
        run = self.run
        # A compiler has the conversions within its kernels.
        networks = [] if run.compile_mode else [run.model.encoder, run.model.decoder, *filters]
        with autocast(run.device, run.dtype), lowered(networks, run.dtype):
            yield

    def _later(
        self, images: Tensor, outputs: Tensor, styles: list[int], noise: Tensor | None, rows: list[int]
    ) -> Later | None:
        """What comes of the next frames of some images: half of a batch is enough, and costs half as much.

        Cards are left out as far as there are photographs: what is drawn there comes from the noise alone, which stays
        where it is.
        """
        if not rows:
            return None
        run = self.run
        index = sent(rows, images.device)
        number = run.schedule.stylizing_steps_before(run.step)
        seeds = run.noise_of(number)[run.places.start - run.part.start :]
        next_frames = neighbours_of(images.index_select(0, index), [seeds[i] for i in rows])
        with torch.set_grad_enabled(run.task.joint):
            features = run.model.encode(next_frames.frames)
        noise = None if noise is None else noise.index_select(0, index)
        filtered = run.model.apply_filters(features, styles, noise=noise)
        made = run.model.decode(filtered, (images.shape[2], images.shape[3]))
        return Later(rows, made, next_frames.expected(outputs.index_select(0, index)), next_frames.known)

    def _constants(self, images: Tensor) -> tuple[Tensor, Features]:
        """The encoder's features (constant while it is frozen), and what the outputs' content is compared with."""
        run = self.run
        number = run.schedule.batch_number(run.step), run.places.start
        if number in self.kept:
            return self.kept[number]
        with torch.set_grad_enabled(run.task.joint):  # a frozen encoder builds no graph
            features = run.model.encode(images)
        constants = features, run.objective.content_of(images)
        if run.config.train.kept_batches:
            if run.compile_mode == "reduce-overhead":  # whose results live until the next step only
                constants = features.clone(), {name: value.clone() for name, value in constants[1].items()}
            self.kept[number] = constants
        return constants


def _shown_again(count: int, cards: Sequence[bool]) -> list[int]:
    """Half of a batch's images, photographs before cards; none if all are cards.

    It is always the same number: a compiler makes kernels for each, in the middle of a run.
    """
    drawn = [any(cards[i : i + 1]) for i in range(count)]
    return [] if all(drawn) else sorted(sorted(range(count), key=lambda i: drawn[i])[: -(-count // 2)])
