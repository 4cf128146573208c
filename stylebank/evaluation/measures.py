"""Every measure of one output: objective, style, content, fidelity, separation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylebank.evaluation.fidelity import Fidelity
from stylebank.evaluation.metrics import StyleMetrics
from stylebank.evaluation.targets import Style
from stylebank.losses.functional import total_variation
from stylebank.losses.terms import Features
from stylebank.losses.vgg import LossNetwork

Row = dict[str, float]
"""Measure -> value; `objective` and those of COLUMNS."""

COLUMNS = {
    "style_gap_closed": "style gap closed",
    "content_distance": "content distance",
    "total_variation": "total variation",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "vif": "VIF",
    "lpips": "LPIPS",
    "style_accuracy": "style accuracy",
    "objective": "objective",
}


class PhotoMetrics:
    """Measures outputs made of one photograph.

    Args:
        photo: (1, 3, H, W) in [0, 1].
        file: where it comes from.
        styles: all that are evaluated: an output shall be nearest to its own.
    """

    def __init__(self, photo: Tensor, file: Path, styles: Sequence[Style], fidelity: Fidelity) -> None:
        self.photo, self.file, self.styles = photo, file, tuple(styles)
        self._fidelity = fidelity
        self._style_metrics = StyleMetrics(styles[0].network)
        self._activations = self._style_metrics.activations(photo)
        self._content: dict[tuple[LossNetwork, tuple[str, ...]], Features] = {}

    def without_fidelity(self, output: Tensor, style: Style) -> Row:
        """All but the measures of fidelity, which take longest: enough to follow the course of an optimisation.

        Args:
            output: (1, 3, H, W); it is clamped to [0, 1] first, as a file would be.
        """
        output = output.detach().clamp(0, 1).float()
        others = [other.grams for other in self.styles if other is not style]
        with torch.no_grad():
            terms = style.objective.stylizing_terms(self.photo, output, [0], self.content_of(style))
        return {
            **self._style_metrics.compare(output, self._activations, style.grams, others),
            "total_variation": total_variation(output).item(),
            "objective": style.objective.total(terms).item(),
        }

    def content_of(self, style: Style) -> Features:
        """The photograph's activations on the network of a style's objective, in float32."""
        key = style.objective.network, style.objective.config.content_layers
        if key not in self._content:
            self._content[key] = style.objective.content_of(self.photo)
        return self._content[key]

    def measure(self, output: Tensor, style: Style) -> Row:
        """Every measure of an output (1, 3, H, W), clamped as in `without_fidelity`."""
        return {**self.without_fidelity(output, style), **self._fidelity(output, self.photo)}
