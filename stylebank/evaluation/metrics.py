"""How good a bank is, in the numbers the documentation quotes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylebank.losses.functional import content_loss, gram, style_distance
from stylebank.losses.vgg import LossNetwork

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")
CONTENT_LAYER = "relu4_2"


def psnr(image: Tensor, reference: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of two pictures in [0, 1]; infinite if they are equal."""
    error = (image.clamp(0, 1).float() - reference.float()).square().mean().item()
    return -10 * math.log10(error) if error > 0 else math.inf


class StyleMetrics:
    """Measures outputs against photographs and paintings with a loss network (in float32, layers fixed)."""

    def __init__(self, network: LossNetwork) -> None:
        self.network = network

    @torch.no_grad()
    def activations(self, image: Tensor) -> dict[str, Tensor]:
        """Activations of one picture (1, 3, H, W) in [0, 1]; it is clamped first, as a file would be."""
        device = self.network.mean.device
        activations: dict[str, Tensor] = self.network(image.clamp(0, 1).to(device, torch.float32))
        return activations

    def grams(self, image: Tensor) -> dict[str, Tensor]:
        """Gram matrices (1, C, C) of one picture at every style layer."""
        activations = self.activations(image)
        return {name: gram(activations[name]) for name in STYLE_LAYERS}

    @staticmethod
    def style_distance(grams: Mapping[str, Tensor], style: Mapping[str, Tensor]) -> float:
        """d: mean over the style layers of ||G - G_s||_F / ||G_s||_F."""
        return sum(style_distance(grams[n], style[n]).item() for n in STYLE_LAYERS) / len(STYLE_LAYERS)

    def compare(
        self,
        output: Tensor,
        photo: Mapping[str, Tensor],
        style: Mapping[str, Tensor],
        others: Sequence[Mapping[str, Tensor]] = (),
    ) -> dict[str, float]:
        """Share of the style gap closed, 1 - d(output, style) / d(photo, style), and relative content distance.

        Args:
            output: (1, 3, H, W) in [0, 1].
            photo: the photograph's `activations`.
            style: the painting's `grams`.
            others: those of other styles; with them also `style_accuracy`, 1 if `style` is the nearest, else 0.
        """
        out = self.activations(output)
        grams = {n: gram(out[n]) for n in STYLE_LAYERS}
        before = self.style_distance({n: gram(photo[n]) for n in STYLE_LAYERS}, style)
        after = self.style_distance(grams, style)
        row = {
            "style_gap_closed": 1 - after / before,
            "content_distance": content_loss(out, photo, [CONTENT_LAYER]).item(),
        }
        if others:
            row["style_accuracy"] = float(after < min(self.style_distance(grams, other) for other in others))
        return row


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of every column of a table."""
    return {key: sum(row[key] for row in rows) / len(rows) for key in (rows[0] if rows else {})}
