"""The banks that are served: their styles, and the network of each once it is needed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bank.operations import copy_bank, extract_style, merge_banks
from stylebank.bank.predictor import RECORD as PREDICTOR
from stylebank.bank.records import STYLES, StyleRecord, read_manifest, read_style_records
from stylebank.errors import BankError, ConfigError, did_you_mean, several
from stylebank.inference.instant import predict_styles
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import IDENTITY, StyleSource


@dataclass(frozen=True)
class ServedBank:
    """A bank, as it stood when it was read."""

    name: str
    folder: Path
    licence: str
    records: dict[str, StyleRecord]
    noise: bool
    """Whether seeds make a difference."""
    predictor: bool
    """Whether it can make a style of a painting at once."""
    version: int = 0
    """Counts how often it was read, as styles were added to it."""


class Banks:
    """Banks by name, in the order in which they were given.

    Args:
        folders: banks, runs, or names of banks that come with the program.
        kept: where copies with added styles lie; one of the same name and auto-encoder stands for the bank itself.

    Raises:
        BankError: one cannot be read.
    """

    def __init__(self, folders: Sequence[Path], kept: Path, device: str, precision: str) -> None:
        self._device, self._precision, self._kept = device, precision, kept
        self._lock, self._adding = threading.Lock(), threading.Lock()
        self._stylizers: dict[str, tuple[int, Stylizer]] = {}
        self._banks: dict[str, ServedBank] = {}
        self._originals: dict[str, Path] = {}
        for path in folders:
            folder = find_bank(path)
            name = folder.parent.name if folder.name == "bank" and path.name != "bank" else folder.name
            unique = next(n for n in _numbered(name) if n not in self._banks)
            self._banks[unique], self._originals[unique] = _read(unique, folder), folder
            if (kept / unique / "bank.json").is_file():
                self._take_copy(unique)
                self._renew(unique)

    def all(self) -> list[ServedBank]:
        """Every bank."""
        return list(self._banks.values())

    def named(self, name: str | None) -> ServedBank:
        """A bank by name, the first for None. Raises BankError."""
        if name is None:
            return next(iter(self._banks.values()))
        if name not in self._banks:
            guess = did_you_mean(name, self._banks)
            raise BankError(f"No bank '{name}' is served; there is {', '.join(self._banks)}.{guess}")
        return self._banks[name]

    def of(self, recipe: SavedRecipe) -> ServedBank:
        """The bank that a recipe asks for, or else the first that has all of its styles.

        Raises:
            BankError: none has.
        """
        if recipe.bank is not None:
            return self.named(recipe.bank)
        wanted = recipe.style_names
        for bank in self._banks.values():
            if all(name in bank.records for name in wanted):
                return bank
        known = list(dict.fromkeys(name for bank in self._banks.values() for name in bank.records))
        missing = [name for name in wanted if name not in known]
        if not missing:
            raise BankError(f"No bank has all of {', '.join(wanted)}: the styles of one picture come from one bank.")
        guess = did_you_mean(missing[0], known)
        raise BankError(f"There is no style '{missing[0]}'; there is {several(known)} and {IDENTITY}.{guess}")

    def stylizer(self, bank: ServedBank) -> Stylizer:
        """The network of a bank, loaded when it is first asked for. Raises BankError."""
        with self._lock:
            version, stylizer = self._stylizers.get(bank.name, (-1, None))
            if stylizer is None or version != bank.version:
                stylizer = Stylizer.load(bank.folder, self._device, self._precision)
                self._stylizers[bank.name] = bank.version, stylizer
            return stylizer

    def original(self, name: str) -> Path:
        """The folder of a bank as it was given, without the styles that were added here."""
        return self._originals[name]

    def takes(self, name: str, style: str) -> bool:
        """Whether a style of that name can be trained for a bank: there is none, or one that was predicted here."""
        record = self._banks[name].records.get(style)
        return record is None or (record.predicted and style not in read_style_records(self._originals[name]))

    def add(self, name: str, style: Path) -> None:
        """Adds a style to the copy of a bank, which is served from now on; the bank itself is not changed.

        A style of the same name that was predicted from its painting is replaced.

        Args:
            style: the weights of a style that was taken out of a bank, see `bank.operations.extract_style`.

        Raises:
            StyleBankError: it is of another auto-encoder, there is one of that name, or the disk fails.
        """
        with self._adding:
            bank = self._banks[name]
            if style.stem not in bank.records or not self.takes(name, style.stem):
                self._write_copy(name, bank.folder, [style])
            else:
                self._write_copy(name, self._originals[name], [*self._added(name, style.stem), style])

    def predict(self, name: str, source: StyleSource, scratch: Path) -> None:
        """Adds a painting to the copy of a bank as a style that the bank predicts. Raises as `add`, or if it cannot.

        Args:
            scratch: a folder that does not exist; it does not afterwards either.
        """
        bank = self.named(name)
        try:
            predict_styles(bank.folder, [source], scratch / "bank", self.stylizer(bank).device, lambda _: None)
            self.add(name, extract_style(scratch / "bank", source.name, scratch))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _renew(self, name: str) -> None:
        """Brings a copy up to date whose bank has got more or other styles since."""
        original, copy = read_style_records(self._originals[name]), self._banks[name]
        if any(style not in copy.records or copy.records[style].sha256 != original[style].sha256 for style in original):
            self._write_copy(name, self._originals[name], self._added(name))

    def _added(self, name: str, but: str | None = None) -> list[Path]:
        """The weights of the styles that only the copy of a bank has."""
        original, copy = read_style_records(self._originals[name]), self._banks[name]
        added = [style for style in copy.records if style not in original and style != but]
        return [copy.folder / STYLES / f"{style}.safetensors" for style in added]

    def _write_copy(self, name: str, bank: Path, styles: Sequence[Path]) -> None:
        """Makes the copy a bank with some styles more, and serves it."""
        new = self._kept / f".{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            merge_banks(bank, styles, new)
            copy_bank(new, self._kept / name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        self._take_copy(name)

    def _take_copy(self, name: str) -> None:
        before, folder = self._banks[name], self._kept / name
        if read_manifest(folder).autoencoder_sha256 != read_manifest(before.folder).autoencoder_sha256:
            raise ConfigError(
                f"'{folder}' holds styles that were added to another bank called '{name}'; give another --keep."
            )
        self._banks[name] = _read(name, folder, before.version + 1)


def _read(name: str, folder: Path, version: int = 0) -> ServedBank:
    manifest = read_manifest(folder)
    noise = manifest.architecture.bank.noise_channels > 0
    predictor = (folder / PREDICTOR).is_file()
    return ServedBank(name, folder, manifest.licence, read_style_records(folder), noise, predictor, version)


def _numbered(name: str) -> Iterable[str]:
    yield name
    number = 1
    while True:
        number += 1
        yield f"{name}-{number}"
