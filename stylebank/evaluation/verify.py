"""Whether a bank is as good as it says: the numbers in its records, measured again.

The records name the photographs they were measured on by their hashes, so these are found in any folder that has them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from stylebank.bank.io import Bank
from stylebank.bank.records import trained_with
from stylebank.bars import bar
from stylebank.device import compute_dtype, place
from stylebank.errors import BankError
from stylebank.evaluation.held_out import hashes_of, identity_psnr, measure
from stylebank.evaluation.metrics import STYLE_LAYERS, StyleMetrics
from stylebank.losses.objective import style_grams
from stylebank.losses.vgg import load_loss_network
from stylebank.styles import StyleSource

TOLERANCES = {"identity_psnr": 0.1, "style_gap_closed": 0.01, "content_distance": 0.02, "style_accuracy": 0.011}
"""How far a number may be off: decibels, else shares. Rounding to float16 and other processors' bfloat16 stay below."""


@dataclass(frozen=True)
class Check:
    """One number of a record, and what it came to now."""

    of: str
    """The style's name, or `auto-encoder`."""
    measure: str
    written: float
    found: float

    @property
    def agrees(self) -> bool:
        """Whether both are the same within `TOLERANCES`."""
        return abs(self.written - self.found) <= TOLERANCES[self.measure] or self.written == self.found


def verify(
    bank: Bank,
    photographs: Sequence[Path],
    paintings: Sequence[StyleSource],
    device: torch.device,
    precision: str = "auto",
    loss_weights: Path | None = None,
) -> list[Check]:
    """Measures everything again that a bank's records say of its quality.

    Args:
        photographs: among them those that were measured on.
        paintings: among them those that the styles were trained on, by the styles' names.

    Raises:
        BankError: a photograph or painting is not there or is another file, or the records say nothing.
        WeightsError: the loss network's weights are not to be had.
    """
    found = dict(zip(hashes_of(photographs), photographs, strict=True))
    known = {source.name: source for source in paintings}
    dtype = compute_dtype(device, precision)
    model = place(bank.model, device)
    checks = []
    if "identity_psnr" in bank.manifest.metrics:
        files = _measured_on(bank.manifest.measured_on, found, "its auto-encoder")
        psnr = identity_psnr(model, files, device, dtype)
        checks.append(Check("auto-encoder", "identity_psnr", bank.manifest.metrics["identity_psnr"], psnr))
    for names in _measured_together(bank):
        record = bank.records[names[0]]
        files = _measured_on(record.measured_on, found, f"the style '{names[0]}'")
        config = trained_with(record)
        network = place(load_loss_network(config.loss.network, STYLE_LAYERS, config.loss.pooling, loss_weights), device)
        sources = [_painting(bank, name, known) for name in names]
        seen = bar(sources, name="reading paintings", unit="painting", after=1)
        grams = style_grams(network, seen, STYLE_LAYERS, config.data.style_size, config.data.style_side)
        styles = [bank.manifest.styles.index(name) for name in names]
        parts = [bank.records[name].measured_part or range(len(files)) for name in names]
        measured = [[i for i, part in enumerate(parts) if place in part] for place in range(len(files))]
        shown = bar(files, name="measuring", unit="photograph")
        for name, row in measure(model, shown, styles, grams, StyleMetrics(network), device, dtype, measured).items():
            written = bank.records[name].metrics
            checks += [Check(name, key, written[key], row[key]) for key in TOLERANCES if key in written and key in row]
    if not checks:
        raise BankError("The bank's records hold no numbers that could be measured again.")
    return checks


def _measured_together(bank: Bank) -> list[list[str]]:
    """Styles by what they were measured with: each was compared with the others of its own training run."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in bank.manifest.styles:
        record = bank.records[name]
        if record.metrics and record.measured_on:
            groups[json.dumps([record.measured_on, record.settings], sort_keys=True)].append(name)
    return list(groups.values())


def _measured_on(hashes: Sequence[str], found: Mapping[str, Path], what: str) -> list[Path]:
    if not hashes:
        raise BankError(f"The bank does not say which photographs {what} was measured on.")
    if missing := [each for each in hashes if each not in found]:
        raise BankError(
            f"{len(missing)} of the {len(hashes)} photographs that {what} was measured on are not among the "
            f"{len(found)} given (their SHA-256 begin with {', '.join(missing[:3])}{', ...' if missing[3:] else ''})."
        )
    return [found[each] for each in hashes]


def _painting(bank: Bank, name: str, known: Mapping[str, StyleSource]) -> StyleSource:
    if name not in known:
        raise BankError(f"There is no painting for the style '{name}'; those given are for {', '.join(known)}.")
    if bank.records[name].source_sha256 != known[name].sha256():
        raise BankError(f"{known[name].files[0]} is not the file that the style '{name}' was trained on.")
    return known[name]
