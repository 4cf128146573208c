"""What each region becomes: `0=starry_night,1=great_wave:0.5,2=identity,3-5=starry_night*0.7+great_wave*0.3`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from stylebank.errors import ConfigError, did_you_mean
from stylebank.inference.blending import Region, blend
from stylebank.inference.choices import check_feather
from stylebank.inference.masks import feather
from stylebank.styles import IDENTITY

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_PART = re.compile(rf"([^*+:\s]+)(?:\*({_NUMBER}))?")
_SYNTAX = "write LABEL=STYLE, LABEL=STYLE:STRENGTH or LABEL=STYLE*WEIGHT+STYLE*WEIGHT, with commas between"


@dataclass(frozen=True)
class Treatment:
    """The styles of a region, and how strong they are."""

    weights: Mapping[str, float]
    """Style name, or `identity`, -> weight."""
    alpha: float = 1.0
    """From 0 (the reconstruction) to 1 (the full styles)."""


Assignment = Mapping[int, Treatment]


def parse_assignment(text: str, styles: Sequence[str], labels: Collection[int]) -> dict[int, Treatment]:
    """Reads which label becomes what.

    Entries are separated by commas. Before `=` stands a label or a span of labels (`3-5`). Behind it stand styles,
    each with a weight of its own after `*` if several are joined by `+`; weights are scaled to sum 1. A number after
    `:` is the strength of it all, mixed with the reconstruction.

    Args:
        styles: names that the bank has; `identity` is always valid.
        labels: those that the picture has.

    Raises:
        ConfigError: the text cannot be read, a style or label is unknown, or a label stands there twice.
    """
    assignment: dict[int, Treatment] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        left, equals, right = entry.partition("=")
        span = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", left.strip())
        if not equals or span is None:
            raise ConfigError(f"'{entry}' assigns no style to a region: {_SYNTAX}.")
        treatment = _treatment(right.strip(), entry, styles)
        for label in _span(int(span[1]), int(span[2] or span[1]), entry, labels):
            if label in assignment:
                raise ConfigError(f"Region {label} is assigned twice in '{text}'; name every label once.")
            assignment[label] = treatment
    if not assignment:
        raise ConfigError(f"'{text}' assigns no style to any region: {_SYNTAX}.")
    return assignment


def regions_from_labels(
    labels: np.ndarray,
    assignment: Assignment,
    feather_pixels: float = 0.0,
    alpha: float = 1.0,
    size: tuple[int, int] | None = None,
) -> list[Region]:
    """The regions of a recipe, with masks that overlap softly and sum to 1 wherever every label is assigned.

    Labels without an assignment are left to the recipe's base; labels with the same one share a mask.

    Args:
        labels: (H, W) whole numbers.
        feather_pixels: width of the soft edges, see `masks.feather`.
        alpha: strength of the whole picture; every region's own is multiplied by it.
        size: (W, H) of the picture whose pixels `feather_pixels` counts; by default the label map's own are.

    Raises:
        ConfigError: a weight, a strength or the width is out of range.
    """
    check_feather(feather_pixels)
    alike: dict[tuple[object, ...], list[int]] = {}
    for label, treatment in assignment.items():
        alike.setdefault((tuple(treatment.weights.items()), treatment.alpha), []).append(label)
    regions = []
    for members in alike.values():
        treatment = assignment[members[0]]
        mask = torch.from_numpy(np.isin(labels, members).astype(np.float32))
        soft = feather(mask, feather_pixels, size)
        regions.append(Region(blend(treatment.weights, treatment.alpha * alpha), soft))
    return regions


def _span(first: int, last: int, entry: str, labels: Collection[int]) -> range:
    for label in (first, last):
        if label not in labels:
            valid = ", ".join(str(known) for known in sorted(labels))
            raise ConfigError(f"'{entry}' names region {label}, which the picture has not; it has {valid}.")
    if last < first:
        raise ConfigError(f"'{entry}' spans labels from {first} down to {last}; write the lower one first.")
    return range(first, last + 1)


def _treatment(text: str, entry: str, styles: Sequence[str]) -> Treatment:
    blended, colon, strength = text.partition(":")
    if colon and (not re.fullmatch(_NUMBER, strength.strip()) or float(strength) > 1):
        raise ConfigError(f"'{entry}' has the strength '{strength.strip()}'; valid is a number from 0 to 1.")
    weights: dict[str, float] = {}
    for part in blended.split("+"):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ConfigError(f"'{entry}' assigns no style to a region: {_SYNTAX}.")
        if match[1] not in (*styles, IDENTITY):
            known = (*styles, IDENTITY)
            guess = did_you_mean(match[1], known)
            raise ConfigError(f"'{entry}' names no style of the bank; it has {', '.join(known)}.{guess}")
        if match[1] in weights:
            raise ConfigError(f"'{entry}' names '{match[1]}' twice; give it one weight.")
        weights[match[1]] = float(match[2] or 1)
    if not any(weights.values()):
        raise ConfigError(f"'{entry}' has only weights of 0; at least one must be above.")
    return Treatment(weights, float(strength) if colon else 1.0)
