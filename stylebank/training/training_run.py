"""A run as a thing that can be saved and taken up again: network, optimizers, step, and what it came to."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylebank.bank.records import StyleInfo
from stylebank.config import Config
from stylebank.device import compute_dtype, place, training_steps
from stylebank.distributed import ALONE, Processes
from stylebank.errors import ConfigError, StyleBankError, TrainingError
from stylebank.losses.objective import Objective
from stylebank.losses.terms import Grams, layers_of
from stylebank.losses.vgg import LossNetwork, Padding, load_loss_network
from stylebank.styles import StyleSource
from stylebank.training.average import WeightAverage
from stylebank.training.compiling import compile_mode
from stylebank.training.draws import noise_for_batch, styles_for_batch
from stylebank.training.optimizer import Optimizer, load_state, make_optimizer
from stylebank.training.photographs import find_photographs, readable
from stylebank.training.resident import ResidentCrops
from stylebank.training.run_folder import RunFolder
from stylebank.training.run_issues import RunIssues
from stylebank.training.schedule import Schedule
from stylebank.training.state import load_training_state, save_training_state
from stylebank.training.task import Task

FIRST_SCALE = 2.0**10  # of the loss, in float16; torch's own of 2^16 overflows in the first steps, which are then lost


class TrainingRun:
    """All that a run needs and has, at one of its steps; `Trainer` takes it from step to step.

    Raises:
        TrainingError: there are more processes than photographs in a batch.
        ConfigError: a setting is not for this task.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        folder: RunFolder,
        device: torch.device,
        loss_weights: Path | None = None,
        processes: Processes = ALONE,
        skip_nonfinite: int = 0,
    ) -> None:
        self.config, self.task, self.folder, self.device = config, task, folder, device
        self.loss_weights, self.processes, self.skip_nonfinite = loss_weights, processes, skip_nonfinite
        train, data = config.train, config.data
        if processes.world_size > train.batch_size:
            raise TrainingError(
                f"The {processes.world_size} processes share each batch, and train.batch_size={train.batch_size} is "
                "too small for that; raise it, or start fewer processes."
            )
        self.part = processes.part(train.batch_size)  # this process's places in every batch
        self.places = self.part  # those that go through the networks now, see `pieces`
        if task.joint and train.kept_batches:
            raise ConfigError("train.kept_batches is for adding styles; an auto-encoder that trains needs fresh crops.")
        if train.fixed_norm and (task.joint or config.predictor.rank or not config.bank.linear):
            raise ConfigError("train.fixed_norm is for adding styles to a bank whose filters are linear.")
        self.step = 0
        self.saved_step = -1  # of the last checkpoint
        self.nonfinite_steps = 0  # left out so far
        self.seconds = 0.0
        self.hashes = {source.name: source.sha256() for source in task.sources}  # paintings may go away meanwhile
        self.losses: dict[str, float] = {}  # as last logged
        self.metrics: dict[str, Any] = {}  # on held-out photographs, once measured
        self.best: dict[str, float] = {}  # step and loss of the bank that did best, where that is looked at
        self.last_report: dict[str, Any] = {}  # as last written
        self.measured_on: list[str] = []  # those photographs, see `hashes_of`
        self.measured_parts: dict[str, list[int]] = {}  # by style the places of its own, where not all
        self.photographs = find_photographs(data.content, data.min_side, data.held_out, train.seed)
        self.resident: ResidentCrops | None = None  # where photographs stay in memory, see `data.in_memory`
        self.issues = RunIssues(self.photographs.skipped)
        self.schedule = Schedule(train, task.joint)
        self.dtype = compute_dtype(device, train.precision)
        # float16 has no small numbers: gradients are computed some thousand times as large. Else this does nothing.
        self.scaler = torch.amp.GradScaler(device.type, FIRST_SCALE, enabled=self.dtype == torch.float16)
        self.objective = self._objective()
        self.model = place(task.model, device)
        self.trainable = task.freeze()
        self.held = self._held()  # kernels, and the norm that each is to have
        self.hold_norms()
        self.shared = [p for p in self.model.autoencoder_parameters() if p.requires_grad]
        self.optimizer = self._optimizer(self.trainable)
        # With an optimizer of its own the identity branch also gets step sizes of its own.
        separate = train.separate_optimizers and task.joint
        self.identity_optimizer = self._optimizer(self.shared) if separate else self.optimizer
        named = {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        self.average = WeightAverage(named, train.ema)
        self.stylizing_norm = torch.zeros((), device=device)  # ||g_K|| over E and D at the last stylizing step
        self.compile_mode = compile_mode(train, device, processes.world_size)
        if self.compile_mode:
            for module in (self.model.encoder, self.model.decoder, self.objective.network):
                module.compile(dynamic=False, mode=self.compile_mode)  # once for each size of crops

    def _optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        return make_optimizer(self.config.train.optimizer, parameters, self.config.train.lr)

    def _held(self) -> list[tuple[nn.Parameter, float]]:
        if not self.config.train.fixed_norm:
            return []
        kernels = [next(module.parameters()) for module in self.model.filters[self.task.first_style :]]
        return [(kernel, self.task.norm or float(kernel.detach().norm())) for kernel in kernels]

    @torch.no_grad()
    def hold_norms(self) -> None:
        """Gives kernels of a fixed norm that norm again, see `train.fixed_norm`.

        The paper's are free. Little in the loss of a single style depends on how large its filter is, and added ones
        come out as small as they began, so that in a mixture the bank's own styles would paint alone.
        """
        for kernel, norm in self.held:
            kernel.mul_(norm / kernel.norm())

    def _objective(self) -> Objective:
        loss = self.config.loss
        network = self.loss_network(layers_of(loss), loss.padding)
        grams = self._grams(network, loss.style_layers)
        names = [source.name for source in self.task.sources]
        if self.task.joint and (unknown := set(loss.strengths).difference(names)):
            raise ConfigError(f"loss.strengths has {', '.join(sorted(unknown))}; the styles are {', '.join(names)}.")
        weights = torch.tensor([loss.for_style(name).style_weight for name in names], device=self.device)
        return Objective(network.to(self.dtype), grams, loss, weights)

    def _grams(self, network: LossNetwork, layers: Sequence[str]) -> Grams:
        data = self.config.data
        return self.task.grams(network, layers, data.style_size, data.style_side)

    def loss_network(self, layers: Sequence[str], padding: Padding = "zeros") -> LossNetwork:
        """The network that losses and measures look through, on the run's device."""
        loss = self.config.loss
        network = load_loss_network(loss.network, layers, loss.pooling, self.loss_weights, padding)
        return place(network, self.device)

    def begin_alike(self) -> None:
        """Every process must know the same photographs and paintings; weights are those of the first one.

        Raises:
            TrainingError: a process sees others.
        """
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
        if not self.step:
            self.average.restart()

    def pieces(self) -> list[range]:
        """This process's places in every batch, in the parts that go through the networks one after the other."""
        side = -(-len(self.part) // self.config.train.accumulate)
        return [self.part[i : i + side] for i in range(0, len(self.part), side)]

    def styles_of_step(self) -> list[int]:
        """The styles of this step's whole batch, of all processes."""
        number, train = self.schedule.stylizing_steps_before(self.step), self.config.train
        return styles_for_batch(number, train.batch_size, self.task.trained, train.seed)

    def noise_of(self, number: int) -> list[int]:
        """The seeds of the noise of stylizing batch `number`, one for each of this process's images."""
        train = self.config.train
        return noise_for_batch(number, train.batch_size, train.seed)[self.part.start : self.part.stop]

    def touched(self, identity: bool) -> list[nn.Parameter]:
        """What this step trains in any process: the auto-encoder and the batch's filters, however many there are."""
        styles = [] if identity else sorted(set(self.styles_of_step()))
        filters = [self.model.filters[self.task.first_style + i] for i in styles]
        # Once each: predicted filters all have the predictor's.
        return self.shared + list(dict.fromkeys(p for module in filters for p in module.parameters()))

    @contextmanager
    def as_measured(self) -> Iterator[None]:
        """Context in which the network is as it is saved, and computes as it will: averaged, not compiled for crops."""
        eager = torch.compiler.set_stance("force_eager") if self.compile_mode else nullcontext()
        with self.average.applied(), training_steps(self.device, within=False), eager:
            yield

    def forget_gradient(self) -> None:
        """Removes every gradient; to None, as Adam then leaves filters alone that are not in a batch."""
        for parameter in self.trainable:
            parameter.grad = None

    def save(self) -> None:
        """Writes the training state and, from it, a complete bank.

        Raises:
            TrainingError: a weight is not finite; the last checkpoint stays.
            StyleBankError: the disk refuses; the last checkpoint stays.
        """
        weights = self.model.state_dict()
        if bad := [name for name, value in weights.items() if not bool(value.isfinite().all())]:
            raise TrainingError(f"Step {self.step}: weights are not finite ({', '.join(bad)}); nothing was saved.")
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "styles": self.model.names,
            "model": weights,
            "average": self.average.values,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "identity_optimizer": self.identity_optimizer.state_dict(),
            "stylizing_norm": self.stylizing_norm,
            "scaler": self.scaler.state_dict(),
            "nonfinite_steps": self.nonfinite_steps,
            "crops_before": dict(self.task.crops_before),
        }
        try:
            save_training_state(state, self.folder.state_file)
            self.saved_step = self.step
            self.save_bank()
        except StyleBankError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            needed, free = _bytes_of(state) + _bytes_of(weights), shutil.disk_usage(self.folder.path).free
            text = f"{error} A checkpoint needs about {needed} bytes, {free} are free."
            raise StyleBankError(text) from error.__cause__

    def save_best(self) -> None:
        """Writes the bank as it is now beside the last one."""
        self.save_bank(self.folder.best)

    def save_bank(self, folder: Path | None = None) -> None:
        """Writes the bank as it is now, with what was measured of it, into the run's own folder or another."""
        infos = {source.name: self._style_info(source) for source in self.task.sources}
        metrics = {key: value for key, value in self.metrics.items() if key != "styles"}
        with self.average.applied():
            self.task.save(folder or self.folder.bank, infos, self.config.licence, metrics, self.measured_on)

    def _style_info(self, source: StyleSource) -> StyleInfo:
        seen = self.schedule.stylizing_steps_before(self.step) * self.config.train.batch_size
        return StyleInfo(
            title=self.task.titles.get(source.name) or source.title,
            source_sha256=self.hashes[source.name],
            settings=self.config.style_settings(),
            metrics=self.metrics.get("styles", {}).get(source.name, {}),
            measured_on=self.measured_on,
            measured_part=self.measured_parts.get(source.name, []),
            images=self.task.crops_before.get(source.name, 0) + seen // len(self.task.sources),
            unfinished="" if self.step >= self.config.train.steps else f"step {self.step} of {self.config.train.steps}",
        )

    def resume(self) -> None:
        """Takes up the state saved in the run folder, which only the first process needs to see.

        Raises:
            TrainingError: there is none, it is damaged, or it belongs to another network.
        """
        state = self.processes.from_main(lambda: load_training_state(self.folder.state_file))
        try:
            if state["styles"] != self.model.names:
                raise TrainingError(
                    f"{self.folder.state_file} was trained on the styles {', '.join(state['styles'])}, but there are "
                    f"now {', '.join(self.model.names)}; a run goes on with the styles it began with."
                )
            self.model.load_state_dict(state["model"])
            self.average.restart(state.get("average"))  # of a run without one: the weights
            self.best = state.get("best", {})
            load_state(self.optimizer, state["optimizer"])
            load_state(self.identity_optimizer, state["identity_optimizer"])
            self.stylizing_norm = state["stylizing_norm"].to(self.device)
            self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]
            self.nonfinite_steps = state.get("nonfinite_steps", 0)  # older states do not count them
            self.task.crops_before = state.get("crops_before", {})
            if scaler := state.get("scaler"):  # of a run in float16
                self.scaler.load_state_dict(scaler)
        except (KeyError, TypeError, AttributeError) as error:
            raise TrainingError(f"{self.folder.state_file} is damaged; begin the run anew in another --out.") from error
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise TrainingError(f"{self.folder.state_file} does not fit this configuration: {reason}") from error
        self.saved_step = self.step

    def held_out(self) -> tuple[Path, ...]:
        """The photographs to measure on, without any that have become unreadable since the start."""
        files, reasons = readable(self.photographs.held_out)
        self.issues.skip(reasons)
        return files

    def write_report(self) -> Path | None:
        """Writes `report.json` in the first process and returns its path; to be called by all processes."""
        self.last_report = self.report()
        return self.folder.write_report(self.last_report) if self.processes.is_main else None

    def report(self) -> dict[str, Any]:
        """What the run came to: steps, time, losses, metrics if measured, and what went wrong on the way.

        To be called by all processes.
        """
        counts, skipped = self.issues.of_all(self.processes)
        part = next(iter(self.measured_parts.values()), None)
        return {
            "steps": self.step,
            "of": self.config.train.steps,
            "seconds": round(self.seconds, 1),
            "processes": self.processes.world_size,
            "losses": self.losses,
            "held_out": [str(path) for path in self.photographs.held_out],
            "metrics": self.metrics,
            **({"photographs_per_style": len(part)} if part else {}),
            **({"best": self.best} if self.best else {}),
            "counts": {"skipped_files": len(skipped), "nonfinite_steps": self.nonfinite_steps, **counts},
            "skipped": skipped,
        }


def _bytes_of(value: Any) -> int:
    """Bytes of all tensors in nested dictionaries and lists."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_bytes_of, value)) if isinstance(value, list | tuple) else 0
