"""What int8 costs: how much of the style is there, and how much of the photograph, beside the bank in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stylebank.errors import ConfigError, ExportError, several
from stylebank.evaluation.metrics import CONTENT_LAYER, STYLE_LAYERS, StyleMetrics, mean_of
from stylebank.export.runtime import ExportedBank
from stylebank.losses.objective import grams_by_style
from stylebank.losses.vgg import load_loss_network
from stylebank.network.model import StyleBank
from stylebank.styles import find_styles

PAINTING_SIDE = 384  # short side in pixels at which paintings are seen
LARGEST_STYLE_LOSS = {True: 0.02, False: 0.1}
"""How much less of the style gap may be closed: measured on paintings, and on float32's own pictures."""
LARGEST_CONTENT_CHANGE = 0.05
"""How much the content distance may differ, relative to float32's."""

Grams = Mapping[str, Tensor]


@dataclass(frozen=True)
class Quality:
    """Means over some photographs of one style, in float32 by the bank and by the exported model."""

    style: str
    painting: bool
    """Whether the style gap is that to a painting; else it is that to float32's own pictures."""
    gap_closed: tuple[float, float]
    content_distance: tuple[float, float]

    @property
    def style_loss(self) -> float:
        """How much less of the style gap is closed."""
        return self.gap_closed[0] - self.gap_closed[1]

    @property
    def content_change(self) -> float:
        """Of the content distance, relative."""
        return self.content_distance[1] / max(self.content_distance[0], 1e-12) - 1


def metrics() -> StyleMetrics:
    """Those of the VGG-19 that comes with the program."""
    return StyleMetrics(load_loss_network("vgg19", sorted({*STYLE_LAYERS, CONTENT_LAYER})))


def paintings_of(folder: Path | None, names: Sequence[str], measure: StyleMetrics) -> dict[str, Grams]:
    """Gram matrices of the paintings in a folder that are named like styles.

    Raises:
        ConfigError: none is.
        ImageError: the folder holds no pictures, or one that cannot be read.
    """
    if folder is None:
        return {}
    sources = [source for source in find_styles([folder]) if source.name in names]
    if not sources:
        raise ConfigError(f"No painting in {folder} is named like a style; they are {several(names)}.")
    found = grams_by_style(measure.network, sources, STYLE_LAYERS, PAINTING_SIDE)
    return {source.name: grams for source, grams in zip(sources, found, strict=True)}


@torch.no_grad()
def measure_quality(
    model: StyleBank,
    exported: ExportedBank,
    photographs: Sequence[Tensor],
    paintings: Mapping[str, Grams],
    measure: StyleMetrics,
    progress: Callable[[int, int], None],
) -> list[Quality]:
    """Measures the models of all styles of a folder.

    Args:
        model: in float32.
        photographs: (1, 3, H, W) in [0, 1].
        paintings: of styles; where there is none, that of float32's own picture stands for it.
    """
    seen = [measure.activations(photograph) for photograph in photographs]
    found = list[Quality]()
    for style in exported.manifest.styles:
        rows: list[list[dict[str, float]]] = [[], []]
        for photograph, activations in zip(photographs, seen, strict=True):
            plain = model.stylize(photograph, [model.names.index(style.name)])
            made = torch.from_numpy(exported.picture(style.name, photograph.numpy()))
            target = paintings.get(style.name) or measure.grams(plain)
            for row, output in zip(rows, (plain, made), strict=True):
                row.append(measure.compare(output, activations, target))
        plain_mean, made_mean = map(mean_of, rows)
        gaps = plain_mean["style_gap_closed"], made_mean["style_gap_closed"]
        contents = plain_mean["content_distance"], made_mean["content_distance"]
        found.append(Quality(style.name, style.name in paintings, gaps, contents))
        progress(len(found), len(exported.manifest.styles))
    return found


def check_quality(found: Sequence[Quality]) -> None:
    """Refuses a folder in which a style has lost too much.

    Raises:
        ExportError: it says which, and what the limits are.
    """
    for each in found:
        limit = LARGEST_STYLE_LOSS[each.painting]
        if not (each.style_loss <= limit and abs(each.content_change) <= LARGEST_CONTENT_CHANGE):  # as NaN is not
            raise ExportError(
                f"int8 is too coarse for '{each.style}': it closes {each.gap_closed[1]:.3f} of the style gap where "
                f"float32 closes {each.gap_closed[0]:.3f}, and its content distance differs by "
                f"{each.content_change:+.1%}; the limits are {limit:g} less and {LARGEST_CONTENT_CHANGE:.0%}. "
                f"Other photographs may help: --calibrate."
            )


def quality_lines(found: Sequence[Quality]) -> list[str]:
    """A table for people."""
    on = "paintings" if all(each.painting for each in found) else "float32's own pictures where no painting is given"
    lines = [f"style gap closed (of {on}), content distance", f"{'':<24} {'float32':>9} {'int8':>9}"]
    lines[1] += f"  {'float32':>9} {'int8':>9}"
    for each in found:
        (plain, made), (content, other) = each.gap_closed, each.content_distance
        lines.append(
            f"{each.style:<24} {plain:>9.3f} {made:>9.3f}  {content:>9.3f} {other:>9.3f} {each.content_change:+.1%}"
        )
    return lines
