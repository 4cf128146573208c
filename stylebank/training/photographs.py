"""The photographs to train on: which files can be used, and which of them are kept to measure with."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylebank.bars import bar
from stylebank.errors import ImageError, relative_to
from stylebank.images import find_images, load_picture, probe
from stylebank.training.draws import HELD_OUT


@dataclass(frozen=True)
class Photographs:
    """What was found in the content folder: usable files, and the skipped ones with the reason."""

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]
    skipped: tuple[str, ...]


def find_photographs(folder: Path, min_side: int, held_out: int, seed: int) -> Photographs:
    """Looks at the header of every picture in a folder tree and keeps some from training, chosen by the seed.

    Those kept are decoded once: a run must not stumble over them when it measures itself.

    Args:
        held_out: how many are kept; never more than are left to train on, so of five photographs two.

    Raises:
        ImageError: the folder is missing or holds no usable photograph.
    """
    if not folder.is_dir():
        raise ImageError(
            f"Content folder {folder} does not exist{relative_to(folder)}; give a folder of photographs with --content."
        )
    files = find_images([folder])
    pool = ThreadPoolExecutor()
    try:
        looked = pool.map(lambda file: _unusable(file, min_side), files)
        reasons = list(bar(looked, name="looking at photographs", unit="file", total=len(files), after=1))
    finally:
        pool.shutdown(cancel_futures=True)  # asked to leave, it does not look at the rest first
    usable = [file for file, reason in zip(files, reasons, strict=True) if reason is None]
    skipped = [reason for reason in reasons if reason is not None]
    kept = min(held_out, len(usable) // 2)
    chosen: list[int] = []
    rest: list[int] = []
    for i in np.random.default_rng((seed, HELD_OUT)).permutation(len(usable)):
        if len(chosen) == kept:
            rest.append(i)
        elif reason := _damage(usable[i]):
            skipped.append(reason)
        else:
            chosen.append(i)
    if not rest:
        raise ImageError(
            f"Content folder {folder} holds no photograph to train on: {len(files)} pictures were found, of which "
            f"{len(skipped)} were skipped{f' ({skipped[0]})' if skipped else ''}; give another folder with --content."
        )
    return Photographs(tuple(usable[i] for i in sorted(rest)), tuple(usable[i] for i in sorted(chosen)), tuple(skipped))


def _unusable(file: Path, min_side: int) -> str | None:
    try:
        width, height = probe(file)
    except ImageError as error:
        return str(error)
    if min(width, height) < min_side:
        return f"{file} is {width}x{height}, smaller than data.min_side={min_side}."
    return None


def readable(files: Sequence[Path]) -> tuple[tuple[Path, ...], list[str]]:
    """The files that can still be decoded, and for each of the others the reason."""
    reasons = {file: _damage(file) for file in files}
    return tuple(file for file in files if not reasons[file]), [reason for reason in reasons.values() if reason]


def _damage(file: Path) -> str | None:
    try:
        load_picture(file, draft_short_side=1)
    except ImageError as error:
        return str(error)
    return None
