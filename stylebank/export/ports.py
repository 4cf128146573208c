"""What goes into a model and what comes out, whatever file it is written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

SMALLEST = {"height": 16, "width": 16, "rows": 4, "columns": 4}
"""Of axes that may have any length; of others it is 1."""


@dataclass(frozen=True)
class Port:
    """An input or output of a model: an example of it, and what its axes are called where they may have any length."""

    name: str
    example: Tensor
    axes: Mapping[int, str] = field(default_factory=dict)
    about: str = ""
    """What it is, with its range."""

    @property
    def shape(self) -> list[int | str]:
        """Lengths of the axes, or their names."""
        return [self.axes.get(axis, length) for axis, length in enumerate(self.example.shape)]

    @property
    def dtype(self) -> str:
        """As numpy calls it."""
        return str(self.example.dtype).removeprefix("torch.")
