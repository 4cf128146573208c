"""Any painting at once: filters that a bank's predictor makes of paintings, in one pass and without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from stylebank.bank.find import find_bank
from stylebank.bank.io import Bank, extend_bank, load_bank
from stylebank.bank.records import StyleInfo
from stylebank.config import Config
from stylebank.config_files import load_config
from stylebank.device import place
from stylebank.errors import BankError, StyleBankError
from stylebank.images import load_picture
from stylebank.losses.statistics import seen_at, statistics_of
from stylebank.losses.vgg import LossNetwork, load_loss_network
from stylebank.network.model import StyleFilter
from stylebank.styles import StyleSource


class InstantStyles:
    """Predicts filters for a bank.

    Args:
        device: where paintings are looked at.
        loss_weights: another file of the loss network, see `losses.weights.read_weights`.

    Raises:
        BankError: the bank has no predictor.
    """

    def __init__(self, bank: Bank, device: torch.device, loss_weights: Path | None = None) -> None:
        if not bank.predictor:
            raise BankError(
                "The bank has no predictor, so a painting has to be trained: train.py --add-style does that in "
                "minutes, and train.py --config predictor teaches a bank to predict."
            )
        self.bank, self.device, self.loss_weights = bank, device, loss_weights
        self.predictor = place(bank.predictor.network, device)
        self.settings: Config = load_config(None, base=bank.predictor.info.settings)

    @cached_property
    def network(self) -> LossNetwork:
        """The loss network that paintings are read with: the one of the predictor's training."""
        loss, layers = self.settings.loss, list(self.predictor.layers)
        network = load_loss_network(loss.network, layers, loss.pooling, self.loss_weights, loss.padding)
        return place(network, self.device)

    @torch.no_grad()
    def filter_of(self, paintings: Sequence[Image.Image]) -> StyleFilter:
        """The filter of a style, float32.

        Args:
            paintings: mode RGB; several are one style together.

        Raises:
            ImageError: a painting is smaller than 16 pixels.
        """
        data, layers = self.settings.data, list(self.predictor.layers)
        seen = (seen_at(painting, data.style_size, data.style_side) for painting in paintings)
        statistics = statistics_of(self.network, seen, layers).mean()
        kernels, biases = self.predictor(statistics)
        architecture = self.bank.manifest.architecture
        with torch.device("meta"):
            module = StyleFilter(architecture.model.channels[2], architecture.bank)
        names = list(module.state_dict())  # of the one convolution: its kernel, its bias
        values = (kernels[0].cpu(), biases[0].cpu())
        module.load_state_dict(dict(zip(names, values, strict=True)), assign=True)
        return module.requires_grad_(False).eval()


def predict_styles(
    bank: Path, sources: Sequence[StyleSource], out: Path, device: torch.device, say: Callable[[str], None]
) -> list[str]:
    """Writes a bank with paintings added as predicted styles to `out`; returns all names. Old files stay byte by byte.

    Raises:
        StyleBankError: the bank has no predictor or one of the names already, or cannot be written.
    """
    if out.exists():
        raise StyleBankError(f"{out} exists; choose another --out.")
    folder = find_bank(bank)
    known = load_bank(folder)
    instant, model = InstantStyles(known, device), known.model
    if clashes := [source.name for source in sources if source.name in model.names]:
        raise BankError(f"{bank} already has {', '.join(clashes)}; give the paintings' files other names.")
    assert known.predictor
    filters: list[nn.Module] = []
    infos = dict[str, StyleInfo]()
    for source in sources:
        filters.append(instant.filter_of([load_picture(file).rgb for file in source.files]))
        infos[source.name] = StyleInfo(
            title=source.title,
            source_sha256=source.sha256(),
            settings=known.predictor.info.settings,
            predicted=True,
        )
        say(f"Predicted {source.name}.")
    model.names += list(infos)
    model.filters.extend(filters)
    extend_bank(folder, model, out, infos)
    return list(model.names)
