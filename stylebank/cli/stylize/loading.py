"""The stylizer that was asked for."""

from __future__ import annotations

from pathlib import Path

from stylebank.inference.stylizer import Stylizer


def load_stylizer(bank: Path, device: str, precision: str) -> Stylizer:
    """As `Stylizer.load`, with the precision `int8` besides.

    Raises:
        BankError: the bank is missing or damaged.
        ConfigError: the device is not there, or has no such numbers.
        MissingExtraError: int8 needs packages that are not installed.
    """
    if precision != "int8":
        return Stylizer.load(bank, device, precision)
    from stylebank.export import available

    available("fast", "Precision int8")
    from stylebank.export.fast import load_int8

    return load_int8(bank, device)
