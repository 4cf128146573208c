"""What an evaluation is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylebank.errors import ConfigError
from stylebank.evaluation.choices import ITERATIONS, SIZES, SMALLEST
from stylebank.evaluation.evaluation import Design


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate: a bank, or what any program left in a folder. One of `bank` and `outputs`.

    Raises:
        ConfigError: the request contradicts itself, or a number is out of range.
    """

    styles: Sequence[Path]
    """Paintings named like the styles: files or folders."""
    out: Path
    """Folder for the report."""
    bank: Path | None = None
    outputs: Path | None = None
    """Outputs of any program: STYLE/NAME.png for a photograph called NAME."""
    content: Sequence[str | Path] = ()
    """Photographs: files, folders, glob patterns."""
    held_out_of: Path | None = None
    """Instead: the photographs that this training run held out."""
    limit: int | None = None
    """Take the first so many photographs only."""
    sizes: Mapping[int, int | None] | None = None
    """Short sides of the photographs -> how many of them; for banks only."""
    style_size: int | None = None
    """Short side of the paintings, else as trained."""
    network: str | None = None
    """Loss network, for outputs only; None is that of `loss_weights`, else vgg19."""
    loss_weights: Path | None = None
    lpips: bool = False
    """Fetch AlexNet for LPIPS if it is not there."""
    iterations: Sequence[int] = ITERATIONS
    """What the optimisation is measured after; none leaves it out."""
    pairs_per_photograph: int | None = None
    long_pairs: int | None = None
    overwrite: bool = False
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if bool(self.bank) == bool(self.outputs):
            raise ConfigError("An evaluation is of a bank or of a folder of outputs: give one of them.")
        if bool(self.content) == bool(self.held_out_of):
            raise ConfigError("Photographs are named, or those that a run held out: give content or held_out_of.")
        if self.outputs and self.sizes:
            raise ConfigError("--sizes is for banks; --outputs are measured at the size they have.")
        if self.bank and self.network:
            raise ConfigError("--network is for --outputs; a bank is measured with the network it was trained on.")
        for side, count in (self.sizes or {}).items():
            _check_number("a short side of photographs", side, SMALLEST)
            _check_number(f"the number of photographs at {side} px", count, 1)
        for iterations in self.iterations:
            _check_number("a number of iterations", iterations, 1)
        _check_number("limit", self.limit, 1)
        _check_number("style_size", self.style_size, 1)
        _check_number("pairs_per_photograph", self.pairs_per_photograph, 1)
        _check_number("long_pairs", self.long_pairs, 0)

    @property
    def name(self) -> str:
        """What the outputs' maker is called."""
        return (self.outputs or self.bank or Path()).resolve().name

    @property
    def design(self) -> Design:
        """What is measured at which size, and how much of it is optimised."""
        sizes: dict[int | None, int | None] = dict((self.sizes or SIZES).items())
        return Design(
            {None: None} if self.outputs else sizes,
            tuple(sorted(set(self.iterations))),
            self.pairs_per_photograph,
            self.long_pairs,
        )


@dataclass(frozen=True)
class FilmRequest:
    """A film on which to measure how much a bank's styles flicker.

    Raises:
        ConfigError: a number is out of range.
    """

    bank: Path
    video: Path
    styles: Sequence[Path]
    size: int | None = None
    """Short side of the frames in pixels, else the film's own."""
    limit: int | None = None
    """Take the first so many frames only."""
    style_size: int | None = None
    loss_weights: Path | None = None
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        _check_number("size", self.size, SMALLEST)
        _check_number("limit", self.limit, 1)
        _check_number("style_size", self.style_size, 1)


def _check_number(name: str, value: int | None, lowest: int) -> None:
    if value is not None and value < lowest:
        raise ConfigError(f"{name} must be {lowest} or more, not {value}.")
