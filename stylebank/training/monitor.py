"""What a run shows while it goes: progress bar, logs, preview grids. Reads values only every few steps."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from stylebank.bars import counter
from stylebank.device import sent
from stylebank.distributed import Processes
from stylebank.errors import StyleBankError
from stylebank.images import save_picture, to_tensor
from stylebank.losses.objective import Values
from stylebank.losses.terms import Term
from stylebank.training.json_lines import JsonLines

TOTAL = "loss/total"  # of the stylizing branch
BRANCHES = ("stylizing", "identity")
ROOM = 4 * 2**20  # bytes free below which nothing is logged: TensorBoard's thread does not survive a full disk


class Means:
    """Running means kept on the device, so that adding a value never waits for the accelerator."""

    def __init__(self, names: Sequence[str], device: torch.device) -> None:
        self.index = {name: i for i, name in enumerate(names)}
        self.sums = torch.zeros(2, len(names), device=device)  # values, counts

    def add(self, names: Sequence[str], values: Tensor, weight: float = 1.0) -> None:
        """Adds one value per name; `values` has shape (len(names),). What is not finite is left out."""
        index = sent([self.index[name] for name in names], self.sums.device)
        values = values.detach().float()
        finite = (values.abs() < math.inf).float()
        both = torch.stack([torch.nan_to_num(values, 0.0, 0.0, 0.0), finite])
        self.sums.index_add_(1, index, both if weight == 1 else both * weight)

    def take(self, processes: Processes) -> dict[str, float]:
        """The means since the last call over all processes, of the names that got a value; starts anew."""
        processes.all_reduce_sum([self.sums])
        sums, counts = self.sums.tolist()
        self.sums.zero_()
        return {name: sums[i] / counts[i] for name, i in self.index.items() if counts[i] > 0}


class Monitor:
    """Progress bar and logs (TensorBoard, `log.jsonl`) of one run; of several processes only the first one has them.

    Args:
        folder: the run's.
        steps: the one that the run is at, and the last.
        terms: of the loss: their names are those of the log.
        styles: names, in order.
        batch_size: photographs in a step, of all processes.
        latest: kept up to date with the means that are logged.
    """

    def __init__(
        self,
        folder: Path,
        steps: tuple[int, int],
        terms: Iterable[Term],
        styles: Sequence[str],
        batch_size: int,
        device: torch.device,
        latest: dict[str, float],
        processes: Processes,
    ) -> None:
        self.folder, self.processes = folder, processes
        self.latest, self.batch_size = latest, batch_size
        terms, (first_step, last_step) = list(terms), steps
        self.by_style = {term.name: [f"{term.by_style}/{name}" for name in styles] for term in terms if term.by_style}
        names = [TOTAL, *(f"loss/{term.name}" for term in terms), *(f"gradient/{branch}" for branch in BRANCHES)]
        self.means = Means([*names, *chain.from_iterable(self.by_style.values())], device)
        self.norms: dict[str, Tensor] = {}  # of the step whose values come next
        self.writer: SummaryWriter | None = None
        self.lines: JsonLines | None = None
        self._logged = first_step, time.monotonic()
        # What was logged after the checkpoint is done again; what was logged at it stays.
        self.purge_step = first_step + 1 if first_step else None
        self.bar = counter(last_step, name="training", done=first_step, unit="step", shown=processes.is_main)

    def add_values(self, values: Values, styles: Sequence[int], loss: Tensor, weight: float = 1.0) -> None:
        """Notes the loss terms (B,) of one step, those that are logged by style for each style, and moves the bar on.

        Args:
            styles: each image's style; none on the identity branch.
            loss: the weighted sum of the terms over the whole batch, logged of the stylizing branch.
            weight: the share of the step's images that these are.
        """
        self.bar.update()
        names, added = [f"loss/{name}" for name in values], [torch.stack(list(values.values())).mean(1)]
        if styles:
            names, added = [*names, TOTAL], [*added, loss.reshape(1)]
        for term, of_style in self.by_style.items():
            if styles and of_style and term in values:
                names, added = [*names, *(of_style[i] for i in styles)], [*added, values[term]]
        for branch, norm in self.norms.items():
            names, added = [*names, f"gradient/{branch}"], [*added, norm.reshape(1)]
        self.norms = {}
        self.means.add(names, torch.cat(added), weight)  # all at once

    def add_gradient(self, branch: str, norm: Tensor) -> None:
        """Notes the norm of a branch's gradient over the auto-encoder: `stylizing` or `identity`; before the values."""
        self.norms[branch] = norm

    def log(self, step: int, lr: float) -> None:
        """Writes the means since the last call, over all processes, and refreshes the bar."""
        values = self.means.take(self.processes)
        stylizing, identity = values.get("gradient/stylizing"), values.get("gradient/identity")
        if stylizing and identity:
            values["gradient/ratio"] = stylizing / identity
        self.latest.update(values)
        before, then = self._logged
        self._logged = step, time.monotonic()
        speed = (step - before) * self.batch_size / max(self._logged[1] - then, 1e-9)  # all that happened in between
        self._write({**values, "images_per_second": speed, "lr": lr}, step)
        shown = {n.removeprefix("loss/"): f"{v:.3g}" for n, v in self.latest.items() if n.startswith("loss/")}
        self.bar.set_postfix(shown, refresh=False)

    def preview(self, step: int, sheet: Image.Image, psnr: float) -> None:
        """Saves a sheet of previews (mode RGB) and shows it in TensorBoard, with the identity PSNR in dB."""
        self._write({"identity_psnr": psnr, "preview": to_tensor(sheet)}, step)
        save_picture(sheet, self.folder / "previews" / f"{step:07d}.jpg", overwrite=True)

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """Notes what was measured on held-out photographs."""
        self._write({f"validation/{name}": value for name, value in values.items()}, step)

    def _write(self, values: Mapping[str, float | Tensor], step: int) -> None:
        """Adds numbers to both logs, pictures to TensorBoard's; a full disk costs the run its entries, not the run."""
        if not self.processes.is_main:
            return
        with suppress(OSError, StyleBankError):
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < ROOM:
                return
            if self.writer is None:
                self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.purge_step)
            for name, value in values.items():
                add = self.writer.add_image if isinstance(value, Tensor) else self.writer.add_scalar
                add(name, value, step)
            self.lines = self.lines or JsonLines(self.folder / "log.jsonl", self.purge_step)
            self.lines.add(step, {name: value for name, value in values.items() if not isinstance(value, Tensor)})

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.writer:
            with suppress(OSError):
                self.writer.close()
