"""Training: the loop is `Trainer.fit`.

The branch of each step, its learning rate, crops and styles are pure functions of the step number (`schedule`,
`data`), so the state to save is weights, optimizers and that number.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from traceback import clear_frames
from typing import Any

import torch
from torch import Tensor, nn

from stylebank.checkpoint import StyleInfo, load_training_state, save_training_state
from stylebank.config import Config
from stylebank.data import ContentBatch, Crops, content_loader, find_photographs, styles_for_batch
from stylebank.errors import TrainingError
from stylebank.interrupt import StopRequest
from stylebank.metrics import STYLE_LAYERS, Ruler
from stylebank.monitor import Monitor
from stylebank.objective import Objective, Terms, style_grams
from stylebank.report import identity_psnr, measure, preview
from stylebank.run import RunFolder
from stylebank.runtime import autocast, compute_dtype, place
from stylebank.schedule import Schedule
from stylebank.styles import StyleSource
from stylebank.task import Task
from stylebank.vgg import LossNetwork, load_loss_network


class Trainer:
    """One run, from its first step or from a saved state."""

    def __init__(
        self,
        config: Config,
        task: Task,
        folder: RunFolder,
        device: torch.device,
        loss_weights: Path | None = None,
    ) -> None:
        self.config, self.task, self.folder, self.device = config, task, folder, device
        self.loss_weights = loss_weights
        self.step = 0
        self.seconds = 0.0
        self.hashes = {source.name: source.sha256() for source in task.sources}  # paintings may go away meanwhile
        self.losses: dict[str, float] = {}  # as last logged
        self.metrics: dict[str, Any] = {}  # on held-out photographs, once measured
        self.unreadable: list[str] = []
        train, data = config.train, config.data
        self.photographs = find_photographs(data.content, data.min_side, data.held_out, train.seed)
        self.schedule = Schedule(train, task.joint)
        self.dtype = compute_dtype(device, train.precision)
        self.objective = self._objective()
        self.model = place(task.model, device)
        self.trainable = task.freeze()
        self.shared = [p for p in self.model.autoencoder_parameters() if p.requires_grad]
        self.optimizer = self._adam(self.trainable)
        # With an Adam state of its own the identity branch also gets step sizes of its own.
        separate = train.separate_optimizers and task.joint
        self.identity_optimizer = self._adam(self.shared) if separate else self.optimizer
        self.stylizing_norm = torch.zeros((), device=device)  # ||g_K|| over E and D at the last stylizing step
        if train.compile:
            for module in (self.model.encoder, self.model.decoder, self.objective.network):
                module.compile()

    def _adam(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=self.config.train.lr, fused=self.device.type in ("cpu", "cuda"))

    def _objective(self) -> Objective:
        loss = self.config.loss
        network = self._loss_network([*loss.content_layers, *loss.style_layers])
        grams = style_grams(network, self.task.sources, loss.style_layers, self.config.data.style_size)
        return Objective(network.to(self.dtype), grams, loss)

    def _loss_network(self, layers: Sequence[str]) -> LossNetwork:
        loss = self.config.loss
        network = load_loss_network(loss.network, layers, loss.pooling, self.loss_weights)
        return place(network, self.device)

    def fit(self) -> bool:
        """Trains to the last step or until asked to stop; False if it was stopped before the end.

        Raises:
            TrainingError: a loss or gradient is not finite; weights and checkpoint stay at the last good step.
        """
        train = self.config.train
        names = [source.name for source in self.task.sources]
        if self.step >= train.steps:
            self.save()  # a run may have been killed between its last state and its last bank
            return True
        self.model.train()
        with (
            StopRequest() as stop,
            Monitor(self.folder.path, self.step, train.steps, names, self.device, self.losses) as monitor,
            closing(self._batches()) as batches,  # whatever happens, the loader's processes end
        ):
            self.monitor = monitor
            clock = time.monotonic()
            for batch in batches:
                identity = self.schedule.is_identity(self.step)
                lr = self.schedule.learning_rate(self.step)
                images = batch.to(self.device)  # (B, 3, crop, crop)

                terms, styles = self._identity(images) if identity else self._stylize(images)
                loss = self.objective.total(terms)
                loss.backward()
                self._balance(identity)
                self._refuse_non_finite(loss, terms, styles, batch)
                self._update(identity, lr)
                self.step += 1

                monitor.add_terms(terms, styles)
                last = self.step == train.steps or stop.requested
                if self.step % train.log_every == 0 or last:
                    monitor.log(self.step, lr)
                if self.step % train.preview_every == 0 or last:
                    self._preview()
                if self.step % train.checkpoint_every == 0 or last:
                    self.seconds, clock = self.seconds + time.monotonic() - clock, time.monotonic()
                    self.save()
                if last:
                    break
        return self.step >= train.steps

    def _batches(self) -> Generator[ContentBatch, None, None]:
        data, train = self.config.data, self.config.train
        crops = Crops(self.photographs.train, train.crop_size, data.content_size, data.scale, data.flip, train.seed)
        pin = self.device.type == "cuda"
        try:
            for batch in content_loader(crops, train.batch_size, self.step, train.steps, data.workers, pin):
                for text in batch.unreadable:
                    if text not in self.unreadable:
                        self.unreadable.append(text)
                        self.monitor.say(f"Skipped: {text}")
                yield batch
        except (KeyboardInterrupt, TrainingError, RuntimeError) as error:
            clear_frames(error.__traceback__)  # they hold the loader, and it holds processes that ignore signals
            if isinstance(error, KeyboardInterrupt):
                raise
            # The text of a process's error ends with the error itself, after the process's traceback.
            reason = str(error).strip().splitlines()[-1].removeprefix("stylebank.errors.TrainingError: ")
            raise TrainingError(f"Step {self.step}: {reason}") from error

    def _identity(self, images: Tensor) -> tuple[Terms, None]:
        """The auto-encoder branch: I -> E -> D -> I'."""
        with autocast(self.device, self.dtype):
            return self.objective.identity_terms(images, self.model.reconstruct(images)), None

    def _stylize(self, images: Tensor) -> tuple[Terms, list[int]]:
        """The stylizing branch: I -> E -> K_i -> D -> O_i, each image with its own style i."""
        train = self.config.train
        number = self.schedule.stylizing_steps_before(self.step)
        styles = styles_for_batch(number, train.batch_size, len(self.task.sources), train.seed)
        with autocast(self.device, self.dtype):
            with torch.set_grad_enabled(self.task.joint):  # a frozen encoder builds no graph
                features = self.model.encode(images)
            filtered = self.model.apply_filters(features, [self.task.first_style + i for i in styles])
            outputs = self.model.decode(filtered, (images.shape[2], images.shape[3]))
            return self.objective.stylizing_terms(images, outputs, styles), styles

    def _balance(self, identity: bool) -> None:
        """Weights the identity gradient: lambda * (||g_K|| / ||g_I||) * g_I over E and D (Chen et al. 2017, 3.3)."""
        if not self.shared:
            return
        gradients = [p.grad for p in self.shared if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self.monitor.add_gradient("identity" if identity else "stylizing", norm)
        if not identity:
            self.stylizing_norm = norm
        elif self.step >= self.config.train.identity_pretrain_steps:
            weight = torch.full_like(norm, self.config.train.identity_weight)
            if self.config.train.gradient_rescaling:
                weight *= self.stylizing_norm / norm.clamp_min(1e-12)
            torch._foreach_mul_(gradients, weight)

    def _refuse_non_finite(self, loss: Tensor, terms: Terms, styles: list[int] | None, batch: ContentBatch) -> None:
        """Clips the gradient and stops before a bad update; reads one value back per step, for safety."""
        train = self.config.train
        limit = train.gradient_clip or float("inf")
        if styles is None and self.step >= train.identity_pretrain_steps:
            limit *= train.identity_weight  # or clipping would level the weight that was just given
        if bool((nn.utils.clip_grad_norm_(self.trainable, limit) + loss.detach()).isfinite()):
            return
        bad = [name for name, value in terms.items() if not bool(value.isfinite().all())] or ["the gradient"]
        names = sorted({self.task.sources[i].name for i in styles}) if styles else ["identity"]
        photographs = ", ".join(str(path) for path in batch.paths)
        raise TrainingError(
            f"Step {self.step}: {', '.join(bad)} is not finite (styles: {', '.join(names)}; photographs: "
            f"{photographs}). Nothing was updated and the last checkpoint is kept; try a lower train.lr."
        )

    def _update(self, identity: bool, lr: float) -> None:
        optimizer = self.identity_optimizer if identity else self.optimizer
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        for parameter in self.trainable:  # to None: Adam then leaves filters alone that are not in a batch
            parameter.grad = None

    def _preview(self) -> None:
        if files := self.photographs.held_out:
            grid = preview(self.model, files, self.task.first_style, self.device, self.dtype)
            self.monitor.preview(self.step, grid, identity_psnr(self.model, files, self.device, self.dtype))

    def save(self) -> None:
        """Writes the training state and, from it, a complete bank."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "styles": self.model.names,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "identity_optimizer": self.identity_optimizer.state_dict(),
            "stylizing_norm": self.stylizing_norm,
        }
        save_training_state(state, self.folder.state_file)
        self._save_bank()

    def _save_bank(self) -> None:
        infos = {source.name: self._style_info(source) for source in self.task.sources}
        metrics = {key: value for key, value in self.metrics.items() if key != "styles"}
        self.task.save(self.folder.bank, infos, self.config.licence, metrics)

    def _style_info(self, source: StyleSource) -> StyleInfo:
        seen = self.schedule.stylizing_steps_before(self.step) * self.config.train.batch_size
        return StyleInfo(
            title=source.title,
            source_sha256=self.hashes[source.name],
            settings=self.config.style_settings(),
            metrics=self.metrics.get("styles", {}).get(source.name, {}),
            images=seen // len(self.task.sources),
        )

    def resume(self) -> None:
        """Takes up the state saved in the run folder.

        Raises:
            TrainingError: there is none, it is damaged, or it belongs to another network.
        """
        state = load_training_state(self.folder.state_file)
        try:
            if state["styles"] != self.model.names:
                raise TrainingError(
                    f"{self.folder.state_file} was trained on the styles {', '.join(state['styles'])}, but there are "
                    f"now {', '.join(self.model.names)}; a run goes on with the styles it began with."
                )
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.identity_optimizer.load_state_dict(state["identity_optimizer"])
            self.stylizing_norm = state["stylizing_norm"].to(self.device)
            self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise TrainingError(f"{self.folder.state_file} does not fit this configuration: {reason}") from error

    def measure(self) -> None:
        """Measures the bank on the held-out photographs and writes the numbers into it."""
        if not (files := self.photographs.held_out):
            return
        network = self._loss_network(STYLE_LAYERS)
        grams = style_grams(network, self.task.sources, STYLE_LAYERS, self.config.data.style_size)
        styles = {
            self.task.first_style + i: {name: stack[i : i + 1] for name, stack in grams.items()}
            for i in range(len(self.task.sources))
        }
        self.metrics = {
            "identity_psnr": identity_psnr(self.model, files, self.device, self.dtype),
            "styles": measure(self.model, files, styles, Ruler(network), self.device, self.dtype),
        }
        self._save_bank()

    def report(self) -> dict[str, Any]:
        """What the run came to: steps, time, losses, metrics if measured, and skipped files."""
        return {
            "steps": self.step,
            "of": self.config.train.steps,
            "seconds": round(self.seconds, 1),
            "losses": self.losses,
            "held_out": [str(path) for path in self.photographs.held_out],
            "metrics": self.metrics,
            "skipped": [*self.photographs.skipped, *self.unreadable],
        }
