"""Styles as files: taking them out of banks, putting them together, leaving them out. Works on bytes, not tensors.

No bank is ever changed: every operation writes a new one (only `copy_bank` may write over one).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bank.io import load_bank, save_bank
from stylebank.bank.predictor import copy_predictor
from stylebank.bank.records import (
    AUTOENCODER,
    STYLES,
    SUFFIXES,
    Manifest,
    StyleInfo,
    read_manifest,
    read_style_record,
    write_manifest,
)
from stylebank.bank.weights import Storage
from stylebank.errors import BankError, StyleBankError, did_you_mean, several
from stylebank.files import new_file, new_folder


def extract_style(bank: Path, name: str, out: Path) -> Path:
    """Copies a style's two files into the folder `out` and returns the path of its weights.

    Raises:
        BankError: there is no such style, or a file of that name exists in `out`.
    """
    manifest = read_manifest(bank)
    check_styles(bank, manifest, [name])
    read_style_record(bank, name, manifest.autoencoder_sha256)
    targets = [out / f"{name}{suffix}" for suffix in SUFFIXES]
    for target in targets:
        if target.exists():
            raise BankError(f"{target} exists; choose another --out.")
    for target in targets:
        with new_file(target) as temporary:
            shutil.copyfile(bank / STYLES / target.name, temporary)
    return targets[0]


def copy_bank(bank: Path, out: Path) -> None:
    """Copies a bank to `out`, in one go; files of `out` that no bank has (a README) stay.

    Raises:
        StyleBankError: it cannot be written; what was there before stays.
    """
    with new_folder(out) as target:
        for folder in (out, bank):
            if folder.exists():
                shutil.copytree(folder, target, dirs_exist_ok=True)


def merge_banks(bank: Path, others: Sequence[Path], out: Path) -> list[str]:
    """Writes `bank` plus the styles of `others` (banks, or extracted filters) to `out`; returns all names.

    Raises:
        BankError: a name is there twice, or a style belongs to another auto-encoder.
    """
    manifest = read_manifest(bank)
    found = dict.fromkeys(manifest.styles, bank / STYLES)
    for other in others:
        for name, folder in _styles_in(other).items():
            if name in found:
                raise BankError(f"The style '{name}' is both in {found[name]} and in {folder}; remove one first.")
            found[name] = folder
    _write(manifest, bank, found, out)
    return list(found)


def remove_styles(bank: Path, names: Sequence[str], out: Path) -> list[str]:
    """Writes `bank` without some styles to `out`; returns the names that are left.

    Raises:
        BankError: there is no such style.
    """
    manifest = read_manifest(bank)
    check_styles(bank, manifest, names)
    left = {name: bank / STYLES for name in manifest.styles if name not in names}
    _write(manifest, bank, left, out)
    return list(left)


def rewrite_bank(
    bank: Path, out: Path, storage: Storage, licence: str | None = None, titles: Mapping[str, str] | None = None
) -> None:
    """Writes `bank` to `out` in another number format. Its auto-encoder then has another hash: rounded weights
    are other weights, and styles of the two banks are not exchanged.

    Args:
        titles: what styles are called for people, by name; the others keep their titles.

    Raises:
        BankError: the bank is damaged, `out` exists, or there is a title for a style that is not there.
    """
    loaded, titles = load_bank(bank), titles or {}
    check_styles(bank, loaded.manifest, list(titles))
    _refuse_existing(out)
    infos = {
        name: StyleInfo(
            **{**record.model_dump(include=set(StyleInfo.model_fields)), "title": titles.get(name, record.title)}
        )
        for name, record in loaded.records.items()
    }
    licence = loaded.manifest.licence if licence is None else licence
    save_bank(
        loaded.model,
        out,
        infos,
        licence=licence,
        metrics=loaded.manifest.metrics,
        measured_on=loaded.manifest.measured_on,
        storage=storage,
        predictor=loaded.predictor,
    )


def check_styles(bank: Path, manifest: Manifest, names: Sequence[str]) -> None:
    """Checks that a bank has styles of these names.

    Raises:
        BankError: it lacks one.
    """
    for name in names:
        if name not in manifest.styles:
            guess = did_you_mean(name, manifest.styles)
            raise BankError(f"{bank} has no style '{name}'; it has {several(manifest.styles) or 'none'}.{guess}")


def _styles_in(path: Path) -> dict[str, Path]:
    """Style name -> folder with its two files, for a bank or for one extracted filter."""
    if path.suffix in SUFFIXES and path.is_file():
        return {path.stem: path.parent}
    bank = find_bank(path)
    return dict.fromkeys(read_manifest(bank).styles, bank / STYLES)


def _write(manifest: Manifest, bank: Path, styles: dict[str, Path], out: Path) -> None:
    _refuse_existing(out)
    with new_folder(out) as target:
        _copy(bank / AUTOENCODER, target / AUTOENCODER)
        (target / STYLES).mkdir()
        for name, folder in styles.items():
            for suffix in SUFFIXES:
                _copy(folder / f"{name}{suffix}", target / STYLES / f"{name}{suffix}")
            with _blaming((target / STYLES, folder), (target, folder)):
                read_style_record(target, name, manifest.autoencoder_sha256)
        copy_predictor(bank, target)
        write_manifest(manifest.model_copy(update={"styles": list(styles)}), target)
        with _blaming((target, bank)):
            load_bank(target)  # every hash and shape once more, before the result gets its name


@contextmanager
def _blaming(*sources: tuple[Path, Path]) -> Iterator[None]:
    """Errors found in a temporary copy name what it was made from; takes pairs of copy and source."""
    try:
        yield
    except BankError as error:
        text = str(error)
        for copy, source in sources:
            text = text.replace(str(copy), str(source))
        raise BankError(text) from error


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BankError(f"{source} is missing.")
    shutil.copyfile(source, target)


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise StyleBankError(f"{out} exists; choose another --out.")
