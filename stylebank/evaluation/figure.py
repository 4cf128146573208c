"""Quality against time: the course of every optimisation, and the outputs it is compared with (matplotlib)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylebank.evaluation.result import Pair, Result
from stylebank.files import new_file

MEASURES = {
    "objective": "training objective (lower is better)",
    "style_gap_closed": "style gap closed (higher is better)",
    "content_distance": "content distance (lower is better)",
}


def draw(result: Result, clock: str, file: Path) -> None:
    """Writes a figure with a column per size: lines are optimisations, one per photograph, dots the outputs.

    An output that has no time (of another program) is a dashed line.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = list(dict.fromkeys(size for size, _, _ in result.courses))
    figure = Figure(figsize=(1.5 + 4.5 * len(sizes), 3 * len(MEASURES) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(MEASURES), len(sizes), squeeze=False, sharex="col", sharey="row")
    for column, size in enumerate(sizes):
        pairs = [pair for pair in result.courses if pair[0] == size]
        for axes, (measure, label) in zip(grid[:, column], MEASURES.items(), strict=True):
            _panel(axes, result, pairs, measure)
            axes.set(xscale="log", ylabel=label if column == 0 else "")
        grid[0, column].set_title(f"short side {size} px")
        grid[-1, column].set_xlabel(f"seconds ({clock})")
    handles: dict[str, Any] = {}
    for axes in grid[0]:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=2 + len(sizes), fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    with new_file(file) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _panel(axes: Any, result: Result, pairs: Sequence[Pair], measure: str) -> None:
    """One measure at one size; styles keep their colours from panel to panel."""
    from matplotlib import colormaps

    styles = list(dict.fromkeys(style for _, style, _ in result.outputs))
    colors = colormaps["tab10" if len(styles) <= 10 else "tab20"].resampled(max(10, len(styles)))
    labeled: set[str] = set()
    for pair in pairs:
        style, color = pair[1], colors(styles.index(pair[1]))
        course = result.courses[pair][1:]  # the photograph took no time at all
        seconds, values = [point.seconds for point in course], [point.measures[measure] for point in course]
        axes.plot(
            seconds,
            values,
            color=color,
            alpha=0.5,
            lw=1 if len(pairs) < 50 else 0.6,
            label=None if style in labeled else style,
        )
        labeled.add(style)
        output = result.outputs[pair]
        if "seconds" in output:
            axes.plot(output["seconds"], output[measure], "o", color=color, ms=5, mec="black", mew=0.5)
        else:
            axes.axhline(output[measure], color=color, ls="--", lw=0.8)
