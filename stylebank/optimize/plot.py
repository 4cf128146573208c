"""A plot of the losses over the iterations, drawn with matplotlib (the extra `plot`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from stylebank.errors import ImageError, MissingExtraError
from stylebank.files import new_file
from stylebank.optimize.loss_function import LossPoint

FORMATS = (".png", ".svg", ".pdf")


def check_plot(path: Path, overwrite: bool = False) -> None:
    """Refuses, before any work is done, what `plot_losses` would refuse.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ImageError: the suffix is none of `FORMATS`, or the file exists and may not be replaced.
    """
    try:
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("A plot needs matplotlib: pip install 'stylebank[plot]'.") from error
    if path.suffix.lower() not in FORMATS:
        raise ImageError(f"'{path}' has no suffix a plot can be written with; valid are {' '.join(FORMATS)}")
    if path.exists() and not overwrite:
        raise ImageError(f"'{path}' exists; pass --overwrite to replace it")


def plot_losses(points: Sequence[LossPoint], path: Path, overwrite: bool = False) -> None:
    """Draws every term and writes the file, all of it or nothing. The total is left out where it can be negative.

    Raises:
        MissingExtraError, ImageError: see `check_plot`.
    """
    check_plot(path, overwrite)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    iterations = [point.iteration for point in points]
    for name in points[0].terms:
        axes.plot(iterations, [point.terms[name] for point in points], label=name)
    if all(point.loss > 0 for point in points):
        axes.plot(iterations, [point.loss for point in points], label="weighted sum", color="black")
    axes.set(yscale="log", xlabel="iteration", ylabel="loss")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:].lower(), dpi=120)
    with new_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
