"""What a run says while it goes: progress bar, TensorBoard, preview grids. Reads values only every few steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from stylebank.images import save_picture, to_image


class Means:
    """Running means kept on the device, so that adding a value never waits for the accelerator."""

    def __init__(self, names: Sequence[str], device: torch.device) -> None:
        self.index = {name: i for i, name in enumerate(names)}
        self.sums = torch.zeros(2, len(names), device=device)  # values, counts

    def add(self, names: Sequence[str], values: Tensor) -> None:
        """Adds one value per name; `values` has shape (len(names),)."""
        index = torch.tensor([self.index[name] for name in names], device=self.sums.device)
        both = torch.stack([values.detach().float(), torch.ones_like(values, dtype=torch.float32)])
        self.sums.index_add_(1, index, both)

    def take(self) -> dict[str, float]:
        """The means since the last call, of the names that got a value; starts anew."""
        sums, counts = self.sums.tolist()
        self.sums.zero_()
        return {name: sums[i] / counts[i] for name, i in self.index.items() if counts[i] > 0}


class Monitor:
    """Progress bar and TensorBoard log of one run."""

    def __init__(
        self,
        folder: Path,
        first_step: int,
        steps: int,
        styles: Sequence[str],
        device: torch.device,
        latest: dict[str, float],
    ) -> None:
        self.folder = folder
        self.latest = latest  # kept up to date with what is logged
        terms = [
            "loss/content",
            "loss/style",
            "loss/tv",
            "loss/identity",
            "gradient/stylizing",
            "gradient/identity",
        ]
        self.means = Means([*terms, *(f"style/{name}" for name in styles)], device)
        self.styles = list(styles)
        # What was logged after the checkpoint is done again; what was logged at it stays.
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1 if first_step else None)
        self.bar = tqdm(total=steps, initial=first_step, unit="it", dynamic_ncols=True, smoothing=0.05)

    def add_terms(self, terms: dict[str, Tensor], styles: Sequence[int] | None) -> None:
        """Notes the loss terms (B,) of one step and the style term for each style, and moves the bar on."""
        self.bar.update()
        self.means.add([f"loss/{name}" for name in terms], torch.stack([value.mean() for value in terms.values()]))
        if styles is not None:
            self.means.add([f"style/{self.styles[i]}" for i in styles], terms["style"])

    def add_gradient(self, branch: str, norm: Tensor) -> None:
        """Notes the norm of a branch's gradient over the auto-encoder: `stylizing` or `identity`."""
        self.means.add([f"gradient/{branch}"], norm.reshape(1))

    def log(self, step: int, lr: float) -> None:
        """Writes the means since the last call and refreshes the bar."""
        values = self.means.take()
        stylizing, identity = values.get("gradient/stylizing"), values.get("gradient/identity")
        if stylizing and identity:
            values["gradient/ratio"] = stylizing / identity
        self.latest.update(values)
        for name, value in {**values, "lr": lr}.items():
            self.writer.add_scalar(name, value, step)
        shown = {n.removeprefix("loss/"): f"{v:.3g}" for n, v in self.latest.items() if n.startswith("loss/")}
        self.bar.set_postfix(shown, refresh=False)

    def preview(self, step: int, grid: Tensor, psnr: float) -> None:
        """Saves a preview grid (3, H, W) in [0, 1] as a picture and to TensorBoard, with the identity PSNR in dB."""
        self.writer.add_scalar("identity_psnr", psnr, step)
        self.writer.add_image("preview", grid.clamp(0, 1), step)
        save_picture(to_image(grid), self.folder / "previews" / f"{step:07d}.jpg", overwrite=True)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self.bar.write(text)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        self.writer.close()


def preview_grid(rows: Sequence[Sequence[Tensor]], gap: int = 4) -> Tensor:
    """Rows of equally sized pictures (3, H, W) -> one picture with white gaps."""
    lines = []
    for row in rows:
        line = torch.ones(3, row[0].shape[1] + gap, sum(cell.shape[2] + gap for cell in row) + gap)
        x = gap
        for cell in row:
            line[:, gap:, x : x + cell.shape[2]] = cell.float().cpu()
            x += cell.shape[2] + gap
        lines.append(line)
    width = max(line.shape[2] for line in lines)
    padded = [torch.nn.functional.pad(line, (0, width - line.shape[2], 0, 0), value=1.0) for line in lines]
    return torch.nn.functional.pad(torch.cat(padded, dim=1), (0, 0, 0, gap), value=1.0)
