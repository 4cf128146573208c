"""Training: the loop is `Trainer.fit`.

The branch of each step, its learning rate, crops and styles are pure functions of the step number (`schedule`,
`data`), so the state to save is weights, optimizers and that number. Where several processes train (`distributed`),
each runs this same loop on its part of every batch; from `_average` on all have the same gradient.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain, cycle, islice
from traceback import clear_frames

import torch
from torch import Tensor, nn

from stylebank.device import autocast
from stylebank.errors import StyleBankError, TrainingError
from stylebank.evaluation.held_out import identity_psnr, preview
from stylebank.losses.objective import Features, Terms
from stylebank.signals import Requests
from stylebank.training.data import ContentBatch, Crops, WorkerLost, content_loader, styles_for_batch
from stylebank.training.monitor import Monitor
from stylebank.training.training_run import TrainingRun

PREVIEW_STYLES = 16  # the newest; a row of hundreds is no picture any more
RESTARTED_LOADERS = 3  # that may be lost in a row before a run gives up


class Trainer(TrainingRun):
    """One run, from its first step or from a saved state."""

    def fit(self) -> bool:
        """Trains to the last step or until asked to stop; False if it was stopped before the end.

        Raises:
            TrainingError: a loss or gradient is not finite, there are no photographs left, or a process was lost.
            StyleBankError: the state at the end cannot be written. The last checkpoint stays, whatever happens.
        """
        train = self.config.train
        if self.step >= train.steps:
            self._checkpoint(must=True)  # a run may have been killed between its last state and its last bank
            return True
        self._begin_alike()
        self.model.train()
        with (
            Requests() as requests,
            self._monitor() as monitor,
            closing(self._batches()) as batches,  # whatever happens, the loader's processes end
        ):
            clock = time.monotonic()
            for batch in batches:
                identity = self.schedule.is_identity(self.step)
                lr = self.schedule.learning_rate(self.step)
                images = batch.to(self.device)  # (B, 3, crop, crop)

                terms, styles = self._identity(images) if identity else self._stylize(images)
                loss = self.objective.total(terms, styles or ())
                loss.backward()
                loss = self._average(loss, identity)
                self._balance(identity)
                if self._is_finite(loss, terms, styles, batch):
                    self._update(identity, lr)
                self.step += 1

                monitor.add_terms(terms, styles, len(self.part) / train.batch_size)
                stop, save = self.processes.any(*requests.take())
                last = self.step == train.steps or stop
                if self.step % train.log_every == 0 or last:
                    monitor.log(self.step, lr)
                if self.step % train.checkpoint_every == 0 or last or save:
                    self.seconds, clock = self.seconds + time.monotonic() - clock, time.monotonic()
                    self._checkpoint(must=last)
                if self.step % train.preview_every == 0 or self.step == train.steps:
                    self._preview()
                if last:
                    break
        return self.step >= train.steps

    def _monitor(self) -> Monitor:
        names, steps = [source.name for source in self.task.sources], self.config.train.steps
        path, device, processes = self.folder.path, self.device, self.processes
        self.monitor = Monitor(path, self.step, steps, names, device, self.losses, processes)
        self.issues.say = self.monitor.say
        return self.monitor

    def _begin_alike(self) -> None:
        """Every process must know the same photographs and paintings; weights are those of the first one."""
        names = "\n".join(path.name for path in self.photographs.train)
        known = (len(self.photographs.train), hashlib.sha256(names.encode()).hexdigest(), self.hashes)
        first, *others = self.processes.gather(known)
        for rank, other in enumerate(others, 1):
            if other != first:
                text = (
                    f"Process {rank} sees other photographs or paintings ({other[0]} photographs) than the first one "
                    f"({first[0]}); they must be the same on every machine."
                )
                raise self.processes.shared(TrainingError(text))
        self.processes.broadcast(list(self.model.parameters()))

    def _batches(self) -> Generator[ContentBatch, None, None]:
        """This process's part of the batches from the current step on. A loader that was killed is replaced."""
        lost = 0  # loaders since the last batch
        while True:
            try:
                for batch in self._loader():
                    lost = 0
                    self.issues.skip(batch.unreadable)
                    yield batch
                return
            except (KeyboardInterrupt, TrainingError, RuntimeError) as error:
                clear_frames(error.__traceback__)  # they hold the loader, and it holds processes that ignore signals
                if isinstance(error, KeyboardInterrupt):
                    raise
                if not isinstance(error, WorkerLost) or lost == RESTARTED_LOADERS:
                    # The text of a process's error ends with the error itself, after the process's traceback.
                    reason = str(error).strip().splitlines()[-1].removeprefix("stylebank.errors.TrainingError: ")
                    raise TrainingError(f"Step {self.step}: {reason}{self._rescue()}") from error
            lost += 1
            self.issues.counts["lost_workers"] += 1
            self.issues.once("A process that decodes photographs was killed; another one takes its place.")

    def _loader(self) -> Iterator[ContentBatch]:
        data, train, files, begin = self.config.data, self.config.train, self.photographs.train, self.step
        pin, fresh = self.device.type == "cuda", train.kept_batches or train.steps
        for steps, side in self.schedule.stages():
            numbers: Sequence[int] = steps[max(0, begin - steps.start) :]  # of steps, and of fresh batches
            if train.kept_batches:
                numbers = [self.schedule.batch_number(step) for step in numbers]
            if not numbers:
                continue
            crops = Crops(files, side, data.content_size, data.scale, data.flip, train.seed)
            kept = []
            for batch in content_loader(crops, train.batch_size, numbers[:fresh], data.workers, pin, self.part):
                kept += [batch] if train.kept_batches else []
                yield batch
            yield from islice(cycle(kept), len(numbers[fresh:]))

    def _identity(self, images: Tensor) -> tuple[Terms, None]:
        """The auto-encoder branch: I -> E -> D -> I'."""
        with autocast(self.device, self.dtype):
            return self.objective.identity_terms(images, self.model.reconstruct(images)), None

    def _stylize(self, images: Tensor) -> tuple[Terms, list[int]]:
        """The stylizing branch: I -> E -> K_i -> D -> O_i, each image with its own style i."""
        styles = self._styles()[self.part.start : self.part.stop]
        with autocast(self.device, self.dtype):
            features, photograph = self._constants(images)
            filtered = self.model.apply_filters(features, [self.task.first_style + i for i in styles])
            outputs = self.model.decode(filtered, (images.shape[2], images.shape[3]))
            return self.objective.stylizing_terms(outputs, styles, photograph), styles

    def _constants(self, images: Tensor) -> tuple[Tensor, Features]:
        """The encoder's features (constant while it is frozen), and what the outputs' content is compared with."""
        number = self.schedule.batch_number(self.step)
        if number in self.kept:
            return self.kept[number]
        with torch.set_grad_enabled(self.task.joint):  # a frozen encoder builds no graph
            features = self.model.encode(images)
        constants = features, self.objective.content_of(images)
        if self.config.train.kept_batches:
            self.kept[number] = constants
        return constants

    def _styles(self) -> list[int]:
        """The styles of this step's whole batch, of all processes."""
        number, train = self.schedule.stylizing_steps_before(self.step), self.config.train
        return styles_for_batch(number, train.batch_size, len(self.task.sources), train.seed)

    def _touched(self, identity: bool) -> list[nn.Parameter]:
        """What this step trains in any process: the auto-encoder and the batch's filters, however many there are."""
        styles = [] if identity else sorted(set(self._styles()))
        return self.shared + [p for i in styles for p in self.model.filters[self.task.first_style + i].parameters()]

    def _average(self, loss: Tensor, identity: bool) -> Tensor:
        """Gradient and loss become those of the whole batch. Alone they are already."""
        loss = loss.detach()
        if self.processes.world_size > 1:
            touched = self._touched(identity)
            for parameter in touched:
                if parameter.grad is None:  # a filter that only other processes used
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [p.grad for p in touched if p.grad is not None]
            self.processes.all_reduce_sum([*gradients, loss], weight=len(self.part) / self.config.train.batch_size)
        return loss

    def _balance(self, identity: bool) -> None:
        """Weights the identity gradient: lambda * (||g_K|| / ||g_I||) * g_I over E and D (Chen et al. 2017, 3.3)."""
        if not self.shared:
            return
        gradients = [p.grad for p in self.shared if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self.monitor.add_gradient("identity" if identity else "stylizing", norm)
        if not identity:
            self.stylizing_norm = torch.where(norm.isfinite(), norm, self.stylizing_norm)
        elif self.step >= self.config.train.identity_pretrain_steps:
            weight = torch.full_like(norm, self.config.train.identity_weight)
            if self.config.train.gradient_rescaling:
                weight *= self.stylizing_norm / norm.clamp_min(1e-12)
            torch._foreach_mul_(gradients, weight)

    def _is_finite(self, loss: Tensor, terms: Terms, styles: list[int] | None, batch: ContentBatch) -> bool:
        """Clips the gradient; False for a step that must be left out. Reads one value back per step, for safety."""
        train = self.config.train
        limit = train.gradient_clip or float("inf")
        if styles is None and self.step >= train.identity_pretrain_steps:
            limit *= train.identity_weight  # or clipping would level the weight that was just given
        touched = self._touched(identity=styles is None)
        if bool((nn.utils.clip_grad_norm_(touched, limit) + loss).isfinite()):
            return True
        self._forget_gradient()
        self.nonfinite_steps += 1
        problem = self._blame(terms, styles, batch)
        if self.nonfinite_steps <= self.skip_nonfinite:
            if self.processes.is_main:
                self.monitor.say(f"{problem} The step is left out, {self.nonfinite_steps} of {self.skip_nonfinite}.")
            return False
        with suppress(StyleBankError):
            self.write_report()
        problem += " Nothing was updated and the last checkpoint is kept; try a lower train.lr, or --skip-nonfinite."
        raise self.processes.shared(TrainingError(problem))

    def _blame(self, terms: Terms, styles: list[int] | None, batch: ContentBatch) -> str:
        """What is not finite, and in which batch."""
        bad = [name for name, value in terms.items() if not bool(value.isfinite().all())]
        names = [self.task.sources[i].name for i in styles] if styles is not None else ["identity"]
        everywhere = self.processes.gather((bad, names, [str(path) for path in batch.paths]))
        bad, names, photographs = (list(chain.from_iterable(lists)) for lists in zip(*everywhere, strict=True))
        return (
            f"Step {self.step}: {', '.join(dict.fromkeys(bad)) or 'the gradient'} is not finite "
            f"(styles: {', '.join(sorted(set(names)))}; photographs: {', '.join(photographs)})."
        )

    def _update(self, identity: bool, lr: float) -> None:
        optimizer = self.identity_optimizer if identity else self.optimizer
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        self._forget_gradient()

    def _forget_gradient(self) -> None:
        for parameter in self.trainable:  # to None: Adam then leaves filters alone that are not in a batch
            parameter.grad = None

    def _preview(self) -> None:
        if not self.processes.is_main or not (files := self.held_out()):
            return
        first = max(self.task.first_style, len(self.model.names) - PREVIEW_STYLES)
        try:
            sheet = preview(self.model, files, first, self.device, self.dtype)
            self.monitor.preview(self.step, sheet, identity_psnr(self.model, files, self.device, self.dtype))
        except StyleBankError as error:  # a full disk, or a photograph that went away just now
            self.issues.once(f"There are no previews: {error}")

    def _checkpoint(self, must: bool) -> None:
        """Saves in the first process. If the disk refuses, training goes on, unless it `must` be saved now."""
        report = self.report()
        if not self.processes.is_main:
            return
        try:
            self.save()
            self.folder.write_report(report)
        except StyleBankError as error:
            if must or not isinstance(error.__cause__, OSError):
                raise
            self.issues.counts["failed_saves"] += 1
            last = f"the last checkpoint is of step {self.saved_step}" if self.saved_step >= 0 else "there is none yet"
            self.issues.once(f"{error} Training goes on; {last}.")

    def _rescue(self) -> str:
        """Saves what there is before a run ends without photographs; returns what to say about it."""
        if not self.processes.is_main:
            return ""
        with suppress(StyleBankError):
            self.save()
            return f" The run is saved as of step {self.step}."
        return ""
