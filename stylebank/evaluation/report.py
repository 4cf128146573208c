"""The evaluation as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stylebank.evaluation.markdown import table
from stylebank.evaluation.measures import COLUMNS, Row
from stylebank.evaluation.result import ALL

DEFINITIONS = """\
Every picture is measured clamped to [0, 1], as a file would hold it. F are activations of the loss network, G their
Gram matrices.

- *style gap closed*: 1 - d(picture, painting) / d(photograph, painting), d being the mean over relu1_2, relu2_2,
  relu3_2 and relu4_2 of ||G - G_s||_F / ||G_s||_F; 0 is the photograph, 1 the painting's own statistics
- *content distance*: ||F - F_c||^2 / ||F_c||^2 on relu4_2; 0 is the photograph
- *total variation*: mean absolute difference of neighbouring pixels, both directions
- *SSIM*, *MS-SSIM*, *VIF*: likeness to the photograph's pixels, 1 is the photograph; *LPIPS*: distance, 0 is it
- *style accuracy*: share of pictures whose nearest style, by d, is the one asked for
- *style gap closed on cards*: as on photographs, mean over cards of one colour and a gradient, 320 px: what a bank does
  with skies, walls and dark grounds; over all styles the median
- *halo*: on cards with a disk, the CIELAB distance of the ring 6 to 36 px outside the disk from the ground far away, in
  standard deviations of that ground's means over blocks of 16 px (1 at least); around 1 no halo is seen
- *objective*: the bank's training loss of this picture, photograph and style; lower is better
- *iterations to the same objective*: of L-BFGS on the picture, from the photograph, until its best picture's objective
  is no higher than the output's
- *iterations to the same style*: until it closes no less of the style gap at no greater content distance
- *content at the same style*: the output's content distance, divided by that of the optimisation where it first closes
  as much of the style gap; below 1 the output keeps more of the photograph. "n of N": the others did not get as far

Measures are taken at recorded iterations and change linearly between them. Medians and ranges are over photographs;
">N" means not within N iterations."""

_NAMES = {"photograph": "photograph unchanged", "painting": "painting, tiled"}


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report.

    Args:
        report: `Result.as_json()` with `about`, see `stylebank.cli.evaluate`.
    """
    about = report["about"]
    parts = [f"# Evaluation of {about['name']}", about["summary"]]
    if report["equivalent_iterations"]:
        parts += [
            "## How many iterations one output is worth",
            equivalent_iterations_table(report),
            "![Quality against time](figure.png)",
        ]
    if report["identity"]:
        parts += ["## The auto-encoder alone", identity_table(report["identity"])]
    if report["cards"]:
        parts += ["## Plain cards", cards_table(report["cards"])]
    for size, styles in report["means"].items():
        parts += [f"## Every measure at {size} px", measure_table(styles, about["name"])]
    parts += ["## What the columns mean", DEFINITIONS]
    return "\n\n".join([*parts, *about["notes"]]) + "\n"


def equivalent_iterations_table(report: Mapping[str, Any]) -> str:
    """Per size and style: iterations and time of the optimisation that one output is worth."""
    rows = []
    for size, styles in report["equivalent_iterations"].items():
        for style, senses in styles.items():
            objective, seconds = senses["objective"], report["means"][size][style]["output"].get("seconds")
            cells = [size, _bold(style), str(objective["pairs"]), _iterations(objective), _iterations(senses["style"])]
            optimization = objective["seconds"]
            cells += [
                _ratio(report["content_ratio"][size][style]),
                _seconds(seconds),
                _seconds(optimization),
                f"{optimization / seconds:.0f}" if seconds and math.isfinite(optimization) else "",
            ]
            rows.append(cells)
    head = ["px", "style", "photographs", "iterations to the same objective", "iterations to the same style"]
    head += ["content at the same style", "s, one output", "s, optimisation to the same objective", "times as long"]
    return table(head, rows, text=2)


def identity_table(identity: Mapping[str, Row]) -> str:
    """Per size: PSNR and fidelity of the reconstruction."""
    names = {"photographs": "photographs", "psnr": "PSNR, dB", **COLUMNS}
    keys = [key for key in names if any(key in row for row in identity.values())]
    rows = [[size, *(_value(key, row) for key in keys)] for size, row in identity.items()]
    return table(["px", *(names[key] for key in keys)], rows, text=1)


def cards_table(cards: Mapping[str, Row]) -> str:
    """Per style: what it does with plain cards."""
    rows = [[_bold(style), f"{row['card_style_gap_closed']:.3f}", f"{row['halo']:.2f}"] for style, row in cards.items()]
    return table(["style", "style gap closed on cards", "halo"], rows, text=1)


def measure_table(styles: Mapping[str, Mapping[str, Row]], name: str) -> str:
    """Per style: the outputs, the baselines, and the optimisation at each number of iterations."""
    found = [row for kinds in styles.values() for row in kinds.values()]
    names = {"photographs": "pictures", **COLUMNS, "seconds": "s"}
    keys = [key for key in names if any(key in row for row in found)]
    rows = []
    for style, kinds in styles.items():
        ordered = sorted(kinds.items(), key=lambda item: ["photograph", "painting", "output"].count(item[0]) == 0)
        for kind, row in ordered:
            label = f"**{name}**" if kind == "output" else _NAMES.get(kind, kind)
            rows.append([_bold(style), label, *(_value(key, row) for key in keys)])
    return table(["style", "picture", *(names[key] for key in keys)], rows, text=2)


def _bold(style: str) -> str:
    return f"**{style}**" if style == ALL else style


def _value(key: str, row: Row) -> str:
    if key not in row:
        return ""
    value = row[key]
    if key == "photographs":
        return f"{value:.0f}"
    if key == "style_accuracy":
        return f"{100 * value:.0f} %"
    if key == "seconds":
        return _seconds(value)
    return f"{value:.2f}" if key in ("objective", "psnr") else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if math.isfinite(value) else "-"


def _iterations(summary: Mapping[str, Any]) -> str:
    """`14 (9 to 17)`; beyond what was optimised `>50`, below one iteration `<1`."""

    def say(value: float) -> str:
        if math.isinf(value):
            return f">{summary['limit']}"
        return "<1" if value < 1 else f"{value:.0f}"

    median, lowest, highest = (say(summary[key]) for key in ("median", "lowest", "highest"))
    return median if lowest == highest else f"{median} ({lowest} to {highest})"


def _ratio(summary: Mapping[str, Any]) -> str:
    """`1.33 (0.93 to 2.14), 36 of 50`."""
    if not summary["compared"]:
        return "-"
    median, lowest, highest = (f"{summary[key]:.2f}" for key in ("median", "lowest", "highest"))
    said = median if lowest == highest else f"{median} ({lowest} to {highest})"
    return said if summary["compared"] == summary["pairs"] else f"{said}, {summary['compared']} of {summary['pairs']}"
