"""The part that learns: a painting becomes a style of a copy of the bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stylebank.bank.records import trained_with
from stylebank.bars import above
from stylebank.cli.demo.stage import SHOWN, Interrupted, Stage
from stylebank.config_files import Overrides
from stylebank.device import place
from stylebank.evaluation.held_out import photograph
from stylebank.evaluation.metrics import STYLE_LAYERS, StyleMetrics
from stylebank.images import load_picture, resize_short_side
from stylebank.images.contact_sheet import Section
from stylebank.losses.objective import grams_by_style
from stylebank.losses.vgg import load_loss_network
from stylebank.shipped import PAINTINGS
from stylebank.styles import StyleSource, find_styles
from stylebank.training.run import add_style

PAINTING = PAINTINGS / "mosaic.jpg"
SETTINGS: Overrides = {
    "train": {
        "steps": 300,
        "batch_size": 2,
        "crop_size": 128,
        "kept_batches": 60,
        "checkpoint_every": 100,
        "preview_every": 300,
    },
    "data": {"held_out": 2, "workers": 0},
}
"""A few minutes' worth: fewer steps and smaller crops than `--add-style` takes by itself."""


def new_style(stage: Stage) -> Section:
    """Adds a painting of ours to a copy of the bank, says what that brought, and stylizes with it.

    Stopped, it goes on when the demonstration is run again; done, it is not done again.

    Raises:
        Interrupted: a signal asked to stop.
    """
    [source] = find_styles([PAINTING])
    out = stage.out / f"{stage.bank.name}_with_{source.name}"
    result = add_style(stage.bank, PAINTING, stage.content, out, overrides=SETTINGS, resume="auto", say=above)
    if not result.finished:
        raise Interrupted(f"Stopped after step {result.step} of {result.steps}; the same command goes on.")
    stage.take(result.bank)
    closed = float(result.report["metrics"]["styles"][source.name]["style_gap_closed"])
    held_out = [Path(file) for file in result.report["held_out"]]
    before, after = _distances(stage, source, held_out)
    print(
        f"    Distance to the style of {PAINTING.name}: {before:.2f} before (the photographs), {after:.2f} after; "
        f"style gap closed: {closed:.2f}.\n    Measured on {' and '.join(file.stem for file in held_out)}, "
        "which it was not trained on (0 is the photograph, 1 the painting's own texture)."
    )
    stage.made["the bank with the new style"] = str(out)
    row = [resize_short_side(load_picture(PAINTING).rgb, stage.size)]
    for name in SHOWN:
        picture = stage.stylizer.stylize(stage.photograph(name), source.name)
        row.append(stage.keep(picture, "styles", source.name, f"{name}.png"))
    other = stage.style("starry_night", but=source.name)
    half = stage.stylizer.stylize(stage.photograph(SHOWN[0]), {source.name: 0.5, other: 0.5})
    row.append(stage.keep(half, "mixtures", f"{source.name}_{other}.png"))
    heading = f"A new style, learned from a painting: {closed:.2f} of the style gap closed"
    return Section(heading, [row], ["the painting", *SHOWN, f"half of it, half {other}"])


def _distances(stage: Stage, source: StyleSource, files: Sequence[Path]) -> tuple[float, float]:
    """Mean style distance of photographs to a painting, as they are and stylized."""
    stylizer = stage.stylizer
    config = trained_with(stylizer.bank.records[source.name])
    metrics = StyleMetrics(place(load_loss_network(config.loss.network, STYLE_LAYERS), stylizer.device))
    size, side = config.data.style_size, config.data.style_side
    [style] = grams_by_style(metrics.network, [source], STYLE_LAYERS, size, side)
    images = [photograph(file, stylizer.device) for file in files]
    outputs = [stylizer.stylize(image, source.name) for image in images]
    before, after = (
        sum(metrics.style_distance(metrics.grams(each), style) for each in group) / len(group)
        for group in (images, outputs)
    )
    return before, after
