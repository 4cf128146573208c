"""What a run trains: a whole bank, or new filters for a bank whose other weights stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import nn

from stylebank.bank.io import extend_bank, load_bank, save_bank
from stylebank.bank.records import StyleInfo
from stylebank.config import Config
from stylebank.device import seed_everything
from stylebank.errors import BankError
from stylebank.network.model import Architecture, StyleBank
from stylebank.styles import StyleSource


@dataclass
class Task:
    """A network and the styles that are new in it."""

    model: StyleBank
    sources: Sequence[StyleSource]
    """The new styles: those of the network's last filters, in order."""
    bank: Path | None = None
    """The bank they are added to; None trains a bank from nothing."""

    @property
    def joint(self) -> bool:
        """Whether the auto-encoder trains too."""
        return self.bank is None

    @property
    def first_style(self) -> int:
        """Index of the first new style among the network's filters."""
        return len(self.model.names) - len(self.sources)

    def freeze(self) -> list[nn.Parameter]:
        """Freezes what must not change and returns the parameters that train."""
        self.model.requires_grad_(self.joint)
        for module in self.model.filters[self.first_style :]:
            module.requires_grad_(True)
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def save(
        self,
        folder: Path,
        infos: Mapping[str, StyleInfo],
        licence: str,
        metrics: Mapping[str, float] | None = None,
        measured_on: Sequence[str] = (),
    ) -> None:
        """Writes the complete bank as it is now; licence and metrics of a bank that is added to stay its own."""
        if self.bank is None:
            save_bank(self.model, folder, infos, licence=licence, metrics=metrics, measured_on=measured_on)
        else:
            extend_bank(self.bank, self.model, folder, infos)


def new_bank(config: Config, sources: Sequence[StyleSource], start: Path | None = None) -> Task:
    """A new bank: encoder, decoder and every filter train.

    Args:
        start: a bank to begin with: its auto-encoder, and its filters for styles of the same names. Else, noise.

    Raises:
        BankError: that bank cannot be read, or is of another form than the configuration's.
    """
    seed_everything(config.train.seed)
    model, bank = config.model, config.bank
    architecture = Architecture(
        channels=model.channels,
        norm=model.norm,
        normalize_features=model.normalize_features,
        kernel_size=bank.kernel_size,
        depth=bank.depth,
        width=bank.width,
        filter_norm=bank.norm,
        residual_blocks=model.residual_blocks,
    )
    task = Task(StyleBank(architecture, [source.name for source in sources]), sources)
    if start:
        _take_over(task.model, start)
    return task


def _take_over(model: StyleBank, start: Path) -> None:
    """Copies the weights of a bank's auto-encoder, and of its filters for styles that `model` has too.

    A bank with fewer residual blocks will do: those that it lacks start as the identity and change nothing at first.
    """
    known = load_bank(start).model
    blocks = min(known.arch.residual_blocks, model.arch.residual_blocks)
    if known.arch != replace(model.arch, residual_blocks=blocks):
        ours, theirs = asdict(model.arch), asdict(known.arch)
        differing = [f"{key} {theirs[key]} instead of {ours[key]}" for key in ours if ours[key] != theirs[key]]
        raise BankError(f"{start} cannot be started from: it has {', '.join(differing)} (sections model and bank).")
    model.encoder.load_state_dict(known.encoder.state_dict())
    model.decoder.layers.load_state_dict(known.decoder.layers.state_dict())
    model.decoder.blocks[:blocks].load_state_dict(known.decoder.blocks.state_dict())
    for name in set(known.names).intersection(model.names):
        weights = known.filters[known.names.index(name)].state_dict()
        model.filters[model.names.index(name)].load_state_dict(weights)


def more_styles(bank: Path, config: Config, sources: Sequence[StyleSource]) -> Task:
    """New filters for the bank in a folder; encoder, decoder and its filters stay as they are.

    Raises:
        BankError: the bank cannot be read, or already has a style of that name.
    """
    model = load_bank(bank).model
    if clashes := [source.name for source in sources if source.name in model.names]:
        raise BankError(f"{bank} already has {', '.join(clashes)}; give the new style another name with --name.")
    seed_everything(config.train.seed)
    model.add_filters([source.name for source in sources])
    return Task(model, sources, bank)
