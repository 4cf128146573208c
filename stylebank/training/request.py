"""What a run is asked to do, before anything of it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stylebank.config_files import Overrides
from stylebank.training.task import StartWish


@dataclass(frozen=True)
class TrainRequest:
    """A bank to train, styles to add to one, or a run to go on with."""

    out: Path | None = None
    """The run's folder; with `add_style` that of the new bank, which has the run's beside it (`OUT-run`)."""
    config: Path | None = None
    """YAML configuration; None for the defaults, or for what the bank was trained with where styles are added."""
    overrides: Overrides = field(default_factory=dict)
    """Values that stand above the configuration's, by section and key."""
    start_from: Path | None = None
    """A bank whose auto-encoder, and filters for styles of the same names, the run begins with."""
    bank: Path | None = None
    """The bank to add styles to, or to train a predictor for; not modified unless `in_place`."""
    add_style: Sequence[Path] = ()
    """Paintings to add to it: files or folders."""
    names: Sequence[str] = ()
    """Names of the added styles; none takes the files' names."""
    start: StartWish = "auto"
    """What added filters begin as."""
    in_place: bool = False
    """Write the result over `bank` instead of to `out`."""
    resume: bool | Literal["auto"] = False
    """Go on with the run in `out`; `auto` begins it if there is none yet."""
    device: str = "auto"
    loss_weights: Path | None = None
    """The loss network's file, see `losses.weights.read_weights`."""
    skip_nonfinite: int = 0
    """How many steps whose loss or gradient is not finite may be left out."""
