"""How far an evaluation has come, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

StageName = Literal["outputs", "cards", "optimization"]


@dataclass(frozen=True)
class EvaluationProgress:
    """Where an evaluation stands: told when a stage begins, and then after every photograph or iteration."""

    stage: StageName
    """`outputs` counts photographs, once at each size, `cards` styles; `optimization` counts iterations of L-BFGS."""
    done: int
    total: int
    pair: str = ""
    """What is optimised now: `256 px, starry_night`."""


OnProgress = Callable[[EvaluationProgress], object]


class Stage:
    """A stage of an evaluation that counts itself and tells of it."""

    def __init__(self, name: StageName, total: int, on_progress: OnProgress) -> None:
        self.name, self.total, self.done, self.pair = name, total, 0, ""
        self._tell = on_progress
        self.advance_to(0)

    def advance(self) -> None:
        """One more is done."""
        self.advance_to(self.done + 1)

    def advance_to(self, done: int) -> None:
        """So many are done now."""
        self.done = done
        self._tell(EvaluationProgress(self.name, self.done, self.total, self.pair))
