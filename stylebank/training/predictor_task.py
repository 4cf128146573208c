"""Training of a bank's predictor: the auto-encoder stays as it is, and every painting's filter is a prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylebank.bank.io import add_predictor, load_bank
from stylebank.bank.predictor import Predictor, PredictorInfo
from stylebank.bank.records import StyleInfo
from stylebank.bars import bar
from stylebank.config import Config
from stylebank.device import seed_everything
from stylebank.errors import BankError, ConfigError
from stylebank.images import Side, load_picture
from stylebank.losses.statistics import seen_at, statistics_of
from stylebank.losses.terms import Grams
from stylebank.losses.vgg import LossNetwork, channels_of
from stylebank.network.layers import reflected
from stylebank.network.model import StyleBank
from stylebank.network.predictor import FilterPredictor, Statistics
from stylebank.styles import StyleSource
from stylebank.training.ahead import ahead
from stylebank.training.task import Task
from stylebank.training.variants import variant_of

LARGEST_BIAS = 0.5  # of a kernel's norm; free ones grow to more than twice that norm, trained ones are a sixth of it


class PredictedFilter(nn.Module):
    """The filter of one painting: (B, C + Z, h, w) -> (B, C, h, w)."""

    def __init__(self, predictor: FilterPredictor, statistics: Statistics) -> None:
        super().__init__()
        self.predictor, self.statistics = predictor, statistics

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.autocast(inputs.device.type, enabled=False):
            kernels, biases = self.predictor(self.statistics)
        return F.conv2d(reflected(inputs, kernels.shape[-1] // 2), kernels[0], biases[0])

    @staticmethod
    def together(filters: Sequence[PredictedFilter]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Kernels and biases of several, in one pass."""
        predictor, statistics = filters[0].predictor, Statistics.together([each.statistics for each in filters])
        with torch.autocast(predictor.kernel.device.type, enabled=False):
            kernels, biases = predictor(statistics)
        return list(kernels), list(biases)


class PredictedFilters(nn.Module):
    """Stands in a network for its list of filters: the one of painting i is predicted when it is asked for."""

    statistics: Statistics
    """Of all paintings, once they are known."""

    def __init__(self, predictor: FilterPredictor, count: int) -> None:
        super().__init__()
        self.predictor, self.count = predictor, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> PredictedFilter:
        return PredictedFilter(self.predictor, self.statistics.of(slice(index, index + 1)))

    def __iter__(self) -> Iterator[PredictedFilter]:
        return (self[i] for i in range(self.count))


@dataclass
class PredictorTask(Task):
    """A network whose filters are predictions, and the paintings they are predicted from.

    Sources are the paintings trained on, each followed by its variants, and then those that are kept for measuring.
    """

    predictor: Predictor | None = None
    variants: int = 0
    seed: int = 0
    kept: int = 0
    """How many paintings are kept from training: the last sources."""

    @property
    def trained(self) -> int:
        return len(self.sources) - self.kept

    @property
    def measured(self) -> range:
        return range(self.trained, len(self.sources))

    @property
    def logged(self) -> Sequence[str]:
        return ()  # hundreds, each once in a while

    @property
    def first_style(self) -> int:
        return 0

    def freeze(self) -> list[nn.Parameter]:
        assert self.predictor
        self.model.requires_grad_(False)
        self.predictor.network.requires_grad_(True)
        return list(self.predictor.network.parameters())

    def grams(self, network: LossNetwork, layers: Sequence[str], size: int, side: Side) -> Grams:
        """The targets of training; the same numbers are what the predictor reads."""
        pictures = ahead(lambda i: self._seen(i, size, side), range(len(self.sources)))
        shown = bar(pictures, name="reading paintings", unit="painting", total=len(self.sources), after=1)
        statistics = statistics_of(network, shown, layers)
        filters = self.model.filters
        assert isinstance(filters, PredictedFilters)
        filters.statistics = statistics
        return statistics.grams

    def _seen(self, i: int, size: int, side: Side) -> Tensor:
        """Source i as the loss network sees it, (3, H, W)."""
        each, file = 1 + self.variants, self.sources[i].files[0]
        number = i % each if i < self.trained else 0
        return seen_at(variant_of(load_picture(file).rgb, number, self.seed + i // each), size, side, f"'{file}'")

    def save(
        self,
        folder: Path,
        infos: Mapping[str, StyleInfo],
        licence: str,
        metrics: Mapping[str, float] | None = None,
        measured_on: Sequence[str] = (),
    ) -> None:
        """Writes the bank with the predictor as it is now; all else of it stays byte by byte."""
        assert self.predictor
        assert self.bank
        first = infos[self.sources[0].name]
        rows = [infos[self.sources[i].name].metrics for i in self.measured]
        names = rows[0] if rows else {}
        info = self.predictor.info.model_copy(
            update={
                "settings": first.settings,
                "paintings": self.trained // (1 + self.variants),
                "unfinished": first.unfinished,
                "metrics": {name: float(np.mean([row[name] for row in rows])) for name in names},
            }
        )
        add_predictor(self.bank, replace(self.predictor, info=info), folder)


def predictor_task(bank: Path, config: Config, sources: Sequence[StyleSource]) -> PredictorTask:
    """A predictor for the bank in a folder; everything else of the bank stays as it is.

    It goes on from the predictor that the bank has, if that has the same form.

    Raises:
        BankError: the bank cannot be read, its filters are not linear, or it has a predictor of another form.
        ConfigError: there are too few paintings.
    """
    form, known = config.predictor, load_bank(bank)
    architecture = known.manifest.architecture
    if not known.model.names:
        raise BankError(f"{bank} has no style to learn from what filters of it look like.")
    if not architecture.bank.linear:
        raise BankError(f"{bank} cannot have a predictor: its filters are more than one convolution.")
    sources = [
        StyleSource(f"{source.name}.{i}" if len(source.files) > 1 else source.name, (file,))
        for source in sources
        for i, file in enumerate(source.files)
    ]  # several pictures of a style are as many paintings here
    if len(sources) <= form.held_out:
        raise ConfigError(
            f"{len(sources)} painting(s) are too few: predictor.held_out={form.held_out} are kept from training; give "
            "more paintings, or lower it."
        )
    seed_everything(config.train.seed)
    layers = {name: channels_of(name) for name in config.loss.style_layers}
    kernels, biases = (torch.stack(part) for part in zip(*map(_kernel_of, known.model.filters), strict=True))
    size = known.predictor.info.size if known.predictor else known.model.kernel_norm()
    largest_bias = LARGEST_BIAS * size
    network = FilterPredictor(architecture, form, layers, size, largest_bias)
    if known.predictor:
        old = known.predictor.network
        if old.layers != layers or known.predictor.info.form.shape != form.shape:
            raise BankError(
                f"{bank} has a predictor of another form; take a bank without, or the same `predictor` keys."
            )
        network.load_state_dict(old.state_dict())
    else:
        network.start_from(kernels, biases)
    order = np.random.default_rng((config.train.seed, 0)).permutation(len(sources)).tolist()
    kept, train = [sources[i] for i in order[: form.held_out]], [sources[i] for i in order[form.held_out :]]
    numbers = range(1 + form.variants)
    rows = [replace(source, name=f"{source.name}.{number}") for source in train for number in numbers]
    model = _with_predictions(known.model, network, [source.name for source in (*rows, *kept)])
    return PredictorTask(
        model,
        [*rows, *kept],
        bank,
        predictor=Predictor(network, PredictorInfo(form=form, layers=layers, size=size, largest_bias=largest_bias)),
        variants=form.variants,
        seed=config.train.seed,
        kept=len(kept),
    )


def _kernel_of(module: nn.Module) -> tuple[Tensor, Tensor]:
    kernel, bias = module.parameters()
    return kernel.detach(), bias.detach()


def _with_predictions(model: StyleBank, network: FilterPredictor, names: list[str]) -> StyleBank:
    model.names = names
    model.register_module("filters", PredictedFilters(network, len(names)))
    return model
