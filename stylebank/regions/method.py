"""The ways of finding regions, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from stylebank.errors import ConfigError

Kind = Literal["kmeans", "slic"]

MAX_LABELS = 64


@dataclass(frozen=True)
class RegionMethod:
    """How to find regions: `kmeans` on features or `slic` on pixels, and how many at most."""

    kind: Kind
    count: int


def parse_method(text: str) -> RegionMethod:
    """Reads `kmeans:4` or `slic:40`.

    Raises:
        ConfigError: it is neither, or the number is out of range.
    """
    match = re.fullmatch(r"(\w+):(\d{1,9})", text.strip())
    if match is None or match[1] not in get_args(Kind) or not 2 <= int(match[2]) <= MAX_LABELS:
        raise ConfigError(f"'{text}' finds no regions; valid are kmeans:N and slic:N with N from 2 to {MAX_LABELS}.")
    return RegionMethod("kmeans" if match[1] == "kmeans" else "slic", int(match[2]))
