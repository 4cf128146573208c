"""A whole evaluation, from the request to the report: the functions behind `stylebank evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from stylebank.device import compute_dtype, resolve_device
from stylebank.evaluation.clock import Clock
from stylebank.evaluation.evaluation import Evaluation, Machine
from stylebank.evaluation.fidelity import Fidelity, check_extra
from stylebank.evaluation.flicker import frames_of, measure_flicker
from stylebank.evaluation.metrics import StyleMetrics
from stylebank.evaluation.painters import BankPainter, FolderPainter
from stylebank.evaluation.photographs import check_names, held_out_by
from stylebank.evaluation.progress import OnProgress
from stylebank.evaluation.request import EvaluationRequest, FilmRequest
from stylebank.evaluation.targets import load_styles, of_bank, remarks, settings_of
from stylebank.evaluation.write import check_new, write_report
from stylebank.films.optical_flow import load_opencv
from stylebank.images import find_images
from stylebank.inference.stylizer import Stylizer
from stylebank.losses.weights import held_network
from stylebank.styles import StyleSource, find_styles
from stylebank.video import open_reader

Say = Callable[[str], None]

COURSES = "optimised"
"""Subfolder of the report's for what is kept of optimisations."""


@dataclass(frozen=True)
class EvaluationResult:
    """What came of it."""

    text: str
    """The report as Markdown."""
    report: Mapping[str, Any]
    """The contents of `report.json`."""
    has_figure: bool


def evaluate(
    request: EvaluationRequest, *, say: Say | None = None, on_progress: OnProgress = lambda _: None
) -> EvaluationResult:
    """Measures outputs, baselines and optimisations, and writes the report to `request.out`.

    Nothing is printed. What is kept of an evaluation that was cut short is gone on with.

    Args:
        say: called with remarks: styles without a painting, or measured against another file.
        on_progress: told how far it is, see `EvaluationProgress`.

    Raises:
        ConfigError: the folder has a report.
        MissingExtraError: torchmetrics is not installed.
        StyleBankError: bank, photographs, outputs, paintings or weights cannot be used, or nothing can be written.
    """
    check_new(request.out, request.overwrite)
    check_extra()  # before anything is loaded
    device, dtype = resolve_device(request.device), compute_dtype(resolve_device(request.device), request.precision)
    stylizer = Stylizer.load(request.bank, request.device, request.precision) if request.bank else None
    sources, notes = _paintings(request.styles, stylizer, say)
    files = _photographs(request)
    names = [source.name for source in sources]
    painter = BankPainter(stylizer) if stylizer else FolderPainter(request.outputs or Path(), files, names)
    network = request.network or (held_network(request.loss_weights) if stylizer is None else None)
    configs = settings_of(stylizer, names, network)
    styles = load_styles(sources, configs, request.loss_weights, device, request.style_size)
    fidelity = Fidelity(device, request.lpips)
    machine = Machine(device, dtype, Clock(device))
    evaluation = Evaluation(
        painter, files, styles, request.design, fidelity=fidelity, folder=request.out / COURSES, machine=machine
    )
    result = evaluation.run(on_progress)
    text, report = write_report(request.name, evaluation, result, [*notes, fidelity.note], request.out)
    return EvaluationResult(text, report, bool(result.courses))


def evaluate_film(
    request: FilmRequest, *, say: Say | None = None, on_frame: Callable[[int], object] = lambda _: None
) -> dict[str, Any]:
    """Measures flicker, style and time of a film frame by frame and stabilized; see `measure_flicker`.

    Args:
        say: as in `evaluate`.
        on_frame: called with the number of frames done: 0 when the first is about to be read, then after each.

    Raises:
        MissingExtraError: OpenCV is not installed.
        StyleBankError: bank, film, paintings or weights cannot be used.
    """
    load_opencv()  # before anything else is loaded
    stylizer = Stylizer.load(request.bank, request.device, request.precision)
    sources, _ = _paintings(request.styles, stylizer, say)
    configs = settings_of(stylizer, [source.name for source in sources], None)
    styles = load_styles(sources, configs, request.loss_weights, stylizer.device, request.style_size)
    frames = islice(frames_of(open_reader(request.video), request.size), request.limit)
    paintings, metrics = {style.name: style.grams for style in styles}, StyleMetrics(styles[0].objective.network)
    return measure_flicker(stylizer, _counted(frames, on_frame), paintings, metrics)


def _counted(frames: Iterable[Tensor], on_frame: Callable[[int], object]) -> Iterator[Tensor]:
    """The frames; one is done when the next is asked for."""
    on_frame(0)
    for done, frame in enumerate(frames, 1):
        yield frame
        on_frame(done)


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
