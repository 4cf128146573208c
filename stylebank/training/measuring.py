"""What a finished run's bank is worth on the photographs that it was not trained on; the numbers go into the bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stylebank.bars import bar
from stylebank.evaluation.held_out import dealt, hashes_of, identity_psnrs, means_by_style, measure_each
from stylebank.evaluation.metrics import STYLE_LAYERS, StyleMetrics
from stylebank.losses.objective import style_grams
from stylebank.training.training_run import TrainingRun

Measured = list[tuple[float, dict[int, dict[str, float]]]]
"""Of each photograph the PSNR of its reconstruction in dB, and the measures of its outputs by style."""


def measure(run: TrainingRun) -> None:
    """Measures the bank on the held-out photographs and writes the numbers into it.

    To be called by all processes, which take every so many photographs each: a bank of hundreds of styles takes
    longer than one of them would wait for another.
    """
    processes = run.processes
    if not (files := processes.from_main(run.held_out)):
        return
    names = [run.task.sources[i].name for i in run.task.measured]
    numbers = dealt(len(names), len(files), run.config.data.measured_pairs)
    found: Measured = []
    with processes.together():
        own = slice(processes.rank, None, processes.world_size)
        found = _measured(run, files[own], numbers[own])
    by_process = processes.gather(found)
    psnrs, rows = zip(*(by_process[i % len(by_process)][i // len(by_process)] for i in range(len(files))), strict=True)
    parts = [[place for place, of_photo in enumerate(numbers) if i in of_photo] for i in range(len(names))]
    run.measured_parts = {} if len(parts[0]) == len(files) else dict(zip(names, parts, strict=True))
    run.metrics = {"identity_psnr": sum(psnrs) / len(psnrs), "styles": means_by_style(names, rows)}
    run.measured_on = processes.from_main(lambda: hashes_of(files))
    processes.from_main(run.save_bank)


def _measured(run: TrainingRun, files: Sequence[Path], numbers: Sequence[Sequence[int]]) -> Measured:
    """Args: `numbers`: of each photograph those of the styles."""
    if not files:
        return []
    network, data = run.loss_network(STYLE_LAYERS), run.config.data
    sources = [run.task.sources[i] for i in run.task.measured]
    seen = bar(sources, name="reading paintings", unit="painting", after=1)
    grams = style_grams(network, seen, STYLE_LAYERS, data.style_size, data.style_side)
    styles = [run.task.first_style + i for i in run.task.measured]
    shown = bar(files, name="measuring", unit="photograph", after=1)
    with run.as_measured():
        psnrs = identity_psnrs(run.model, files, run.device, run.dtype)
        metrics = StyleMetrics(network)
        rows = measure_each(run.model, shown, styles, grams, metrics, run.device, run.dtype, numbers)
    return list(zip(psnrs, rows, strict=True))
