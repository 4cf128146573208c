"""A whole evaluation, from the request to the report: the functions behind `stylebank evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stylebank.device import compute_dtype, resolve_device
from stylebank.errors import ConfigError
from stylebank.evaluation.clock import Clock
from stylebank.evaluation.evaluation import Design, Evaluation, Machine
from stylebank.evaluation.fidelity import Fidelity
from stylebank.evaluation.flicker import frames_of, measure_flicker
from stylebank.evaluation.metrics import StyleMetrics
from stylebank.evaluation.painters import BankPainter, FolderPainter
from stylebank.evaluation.photographs import check_names, held_out_by
from stylebank.evaluation.targets import Style, load_styles, of_bank, remarks, settings_of
from stylebank.evaluation.write import check_new, write_report
from stylebank.images import find_images
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import StyleSource, find_styles
from stylebank.video import open_reader

Say = Callable[[str], None]

SIZES: Mapping[int, int | None] = {256: 10, 512: 5}
"""Short sides of the photographs in pixels, and how many at each, unless said otherwise."""
ITERATIONS = (50, 100, 300, 500)
COURSES = "optimised"
"""Subfolder of the report's for what is kept of optimisations."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate: a bank, or what any program left in a folder. One of `bank` and `outputs`."""

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
    """Loss network, for outputs only: vgg19 if None."""
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


@dataclass(frozen=True)
class EvaluationResult:
    """What came of it."""

    text: str
    """The report as Markdown."""
    report: Mapping[str, Any]
    """The contents of `report.json`."""
    has_figure: bool


@dataclass(frozen=True)
class FilmRequest:
    """A film on which to measure how much a bank's styles flicker."""

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


def evaluate(request: EvaluationRequest, *, say: Say | None = None) -> EvaluationResult:
    """Measures outputs, baselines and optimisations, and writes the report to `request.out`.

    Progress bars go to stderr. What is kept of an evaluation that was cut short is gone on with.

    Args:
        say: called with remarks: styles without a painting, or measured against another file.

    Raises:
        ConfigError: the request contradicts itself, or the folder has a report.
        StyleBankError: bank, photographs, outputs, paintings or weights cannot be used, or nothing can be written.
    """
    _check(request)
    device, dtype = resolve_device(request.device), compute_dtype(resolve_device(request.device), request.precision)
    stylizer = Stylizer.load(request.bank, request.device, request.precision) if request.bank else None
    sources, notes = _paintings(request.styles, stylizer, say)
    files = _photographs(request)
    names = [source.name for source in sources]
    painter = BankPainter(stylizer) if stylizer else FolderPainter(request.outputs or Path(), files, names)
    configs = settings_of(stylizer, names, request.network)
    styles = load_styles(sources, configs, request.loss_weights, device, request.style_size)
    fidelity = Fidelity(device, request.lpips)
    machine = Machine(device, dtype, Clock(device))
    evaluation = Evaluation(
        painter, files, styles, _design(request), fidelity=fidelity, folder=request.out / COURSES, machine=machine
    )
    result = evaluation.run()
    name = (request.outputs or request.bank or Path()).resolve().name
    text, report = write_report(name, evaluation, result, [*notes, fidelity.note], request.out)
    return EvaluationResult(text, report, bool(result.courses))


def evaluate_film(request: FilmRequest, *, say: Say | None = None) -> dict[str, Any]:
    """Measures flicker, style and time of a film frame by frame and stabilized; see `measure_flicker`.

    Raises:
        StyleBankError: bank, film, paintings or weights cannot be used.
    """
    stylizer = Stylizer.load(request.bank, request.device, request.precision)
    sources, _ = _paintings(request.styles, stylizer, say)
    configs = settings_of(stylizer, [source.name for source in sources], None)
    styles = load_styles(sources, configs, request.loss_weights, stylizer.device, request.style_size)
    frames = islice(frames_of(open_reader(request.video), request.size), request.limit)
    bar = tqdm(frames, request.video.name, unit="frame", disable=None)
    return measure_flicker(stylizer, bar, {style.name: style.grams for style in styles}, _metrics(styles))


def _metrics(styles: Sequence[Style]) -> StyleMetrics:
    return StyleMetrics(styles[0].objective.network)


def _check(request: EvaluationRequest) -> None:
    if bool(request.bank) == bool(request.outputs):
        raise ConfigError("An evaluation is of a bank or of a folder of outputs: give one of them.")
    if request.outputs and request.sizes:
        raise ConfigError("--sizes is for banks; --outputs are measured at the size they have.")
    if request.bank and request.network:
        raise ConfigError("--network is for --outputs; a bank is measured with the network it was trained on.")
    check_new(request.out, request.overwrite)


def _paintings(
    paths: Sequence[Path], stylizer: Stylizer | None, say: Say | None
) -> tuple[list[StyleSource], list[str]]:
    """The paintings to measure against, and what there is to remark on them."""
    sources = find_styles(paths)
    if stylizer is None:
        return sources, []
    sources = of_bank(stylizer, sources)
    notes = remarks(stylizer, sources)
    if say:
        for note in notes:
            say(note)
    return sources, notes


def _photographs(request: EvaluationRequest) -> list[Path]:
    """The photographs asked for: named, or those a run held out from its training."""
    found = held_out_by(request.held_out_of) if request.held_out_of else find_images(list(request.content))
    files = found[: request.limit]
    check_names(files)
    return files


def _design(request: EvaluationRequest) -> Design:
    sizes: dict[int | None, int | None] = dict((request.sizes or SIZES).items())
    return Design(
        {None: None} if request.outputs else sizes,
        tuple(sorted(set(request.iterations))),
        request.pairs_per_photograph,
        request.long_pairs,
    )
