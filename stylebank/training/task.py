"""What a run trains: a whole bank, or new filters for a bank whose other weights stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from stylebank.bank.io import extend_bank, load_bank, save_bank
from stylebank.bank.operations import check_styles
from stylebank.bank.records import StyleInfo
from stylebank.bars import bar
from stylebank.config import Architecture, Config
from stylebank.device import seed_everything
from stylebank.errors import BankError, several
from stylebank.images import Side, load_picture
from stylebank.inference.instant import InstantStyles
from stylebank.losses.objective import style_grams
from stylebank.losses.terms import Grams
from stylebank.losses.vgg import LossNetwork
from stylebank.network.model import StyleBank
from stylebank.styles import StyleSource

NewStart = Literal["identity", "predicted"]
"""What the filter of a style that a bank does not have yet begins as."""
Start = Literal[NewStart, "own"]
"""What a filter begins as; `own`: as the bank's of the same name, whose place it takes."""
StartWish = Literal["auto", Start]
"""`auto`: as it is predicted, if the bank has a predictor for the loss network that trains; else near the identity."""


@dataclass
class Task:
    """A network and the styles that it is trained on."""

    model: StyleBank
    sources: Sequence[StyleSource]
    """The styles that train: those of the network's last filters, in order."""
    bank: Path | None = None
    """The bank they are added to; None trains a bank from nothing."""
    crops_before: Mapping[str, int] = field(default_factory=dict)
    """How many crops styles were trained on in the runs that this one starts from, by name."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What styles that were there before are called for people, by name."""
    norm: float | None = None
    """Of the kernels of the styles that train, if they are to keep one; None: that which each begins with."""

    @property
    def joint(self) -> bool:
        """Whether the auto-encoder trains too."""
        return self.bank is None

    @property
    def first_style(self) -> int:
        """Index of the first of these styles among the network's filters."""
        return len(self.model.names) - len(self.sources)

    @property
    def trained(self) -> int:
        """How many of the sources train: the first ones."""
        return len(self.sources)

    @property
    def measured(self) -> range:
        """Which of the sources are measured at a run's end."""
        return range(len(self.sources))

    @property
    def logged(self) -> Sequence[str]:
        """Names of the sources that are logged each by itself; none where they are too many."""
        return [source.name for source in self.sources]

    def grams(self, network: LossNetwork, layers: Sequence[str], size: int, side: Side) -> Grams:
        """The Gram matrices of all sources, what their styles are trained to."""
        shown = bar(self.sources, name="reading paintings", unit="painting", after=1)
        return style_grams(network, shown, layers, size, side)

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
    task = Task(StyleBank(config.architecture, [source.name for source in sources]), sources)
    if start:
        known = load_bank(start)
        _take_over(task.model, known.model, start)
        task.crops_before = {name: record.images for name, record in known.records.items()}
    return task


def _take_over(model: StyleBank, known: StyleBank, start: Path) -> None:
    """Copies the weights of another bank's auto-encoder, and of its filters for styles that `model` has too.

    A bank with fewer residual blocks, or without a trunk, will do: what it lacks starts as the identity and changes
    nothing at first. Of one with more, the first blocks are taken: the others only added to what these make.
    So will one with fewer channels of noise: those that it lacks start with small weights.
    """
    blocks = min(len(known.decoder.blocks), len(model.decoder.blocks))
    if differing := _differing(model.architecture, known.architecture):
        raise BankError(f"{start} cannot be started from: it has {', '.join(differing)}.")
    model.encoder.load_state_dict(known.encoder.state_dict())
    model.decoder.layers.load_state_dict(known.decoder.layers.state_dict())
    model.decoder.blocks[:blocks].load_state_dict(known.decoder.blocks[:blocks].state_dict())
    if known.architecture.model.trunk_blocks:
        model.decoder.trunk.load_state_dict(known.decoder.trunk.state_dict())
    for name in set(known.names).intersection(model.names):
        there, here = known.filters[known.names.index(name)], model.filters[model.names.index(name)]
        weights = here.state_dict()
        for key, value in there.state_dict().items():
            weights[key][tuple(map(slice, value.shape))] = value  # noise comes last among the channels


def _differing(ours: Architecture, theirs: Architecture) -> list[str]:
    """What another bank would need to have to be a start: `bank.depth 1 instead of 2`."""
    wanted, there = ours.model_dump(), theirs.model_dump()
    if not theirs.model.trunk_blocks:
        wanted["model"] |= {key: there["model"][key] for key in ("trunk_blocks", "trunk_channels")}
    wanted["model"]["residual_blocks"] = there["model"]["residual_blocks"]
    wanted["bank"]["noise_channels"] = min(wanted["bank"]["noise_channels"], there["bank"]["noise_channels"])
    return [
        f"{section}.{key} {there[section][key]} instead of {value}"
        for section, values in wanted.items()
        for key, value in values.items()
        if there[section][key] != value
    ]


def more_styles(
    bank: Path, config: Config, sources: Sequence[StyleSource], start: Start = "identity", weights: Path | None = None
) -> Task:
    """New filters for the bank in a folder; encoder, decoder and its filters stay as they are.

    Args:
        start: what new filters begin as: near the identity, or as the bank's predictor makes them; or as those of the
            same names that the bank has, in whose place they come.
        weights: another file of the loss network, for predictions.

    Raises:
        BankError: the bank cannot be read, or already has a style of that name; or lacks it, to begin as its own.
    """
    known = load_bank(bank)
    model, names = known.model, [source.name for source in sources]
    if start == "own":
        check_styles(bank, known.manifest, names)
        model.put_last(names)
        records = {name: known.records[name] for name in names}
        crops = {name: record.images for name, record in records.items()}
        return Task(model, sources, bank, crops, {name: record.title for name, record in records.items()})
    if config.train.fixed_norm and not model.names:
        raise BankError(f"{bank} has no style whose kernel's norm others could have; leave train.fixed_norm out.")
    norm = model.kernel_norm() if config.train.fixed_norm else None
    if clashes := set(names).intersection(model.names):
        raise BankError(
            f"{bank} already has {several(sorted(clashes))}; give the new style another name with --name, or train the "
            "filter that is there on with --start own."
        )
    seed_everything(config.train.seed)
    model.add_filters(names)
    if start == "predicted":
        instant = InstantStyles(known, torch.device("cpu"), weights)
        for source, module in zip(sources, model.filters[-len(sources) :], strict=True):
            predicted = instant.filter_of([load_picture(file).rgb for file in source.files])
            module.load_state_dict(predicted.state_dict())
    return Task(model, sources, bank, norm=norm)
