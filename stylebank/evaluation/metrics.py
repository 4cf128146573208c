"""How good a bank is, in the numbers the documentation quotes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor

from stylebank.device import sent
from stylebank.losses.functional import content_loss, gram, style_distance
from stylebank.losses.vgg import LossNetwork

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")
CONTENT_LAYER = "relu4_2"
GROUP = 16  # outputs whose Gram matrices are compared with all styles' in one product


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
        return _distances(grams, style).item()

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
        before = _distances({n: gram(photo[n]) for n in STYLE_LAYERS}, style)
        found = [before, *(_distances(grams, each) for each in (style, *others))]
        content, *distances = torch.cat([content_loss(out, photo, [CONTENT_LAYER]), *found]).tolist()
        return _row(content, *distances)

    @torch.no_grad()
    def compare_all(
        self,
        outputs: Iterable[Tensor],
        photo: Mapping[str, Tensor],
        styles: Mapping[str, Tensor],
        numbers: Sequence[int] | None = None,
    ) -> list[dict[str, float]]:
        """What `compare` says of one output for each style, all others being its `others`; read back once.

        Args:
            outputs: each (1, 3, H, W) in [0, 1], in the styles' order; one at a time is asked for.
            photo: the photograph's `activations`.
            styles: layer -> the Gram matrices of all styles, (S, C, C).
            numbers: which of them the outputs are in; all of them without.
        """
        numbers = range(len(styles[STYLE_LAYERS[0]])) if numbers is None else numbers
        photo_grams = {n: gram(photo[n]) for n in STYLE_LAYERS}
        sizes = {n: styles[n].square().sum((1, 2)) for n in STYLE_LAYERS}
        table, first = list[Tensor](), 0  # of the table each part is (measures, styles of a group)
        for group in _groups(map(self.activations, outputs)):
            part = sent(numbers[first : (first := first + len(group))], styles[STYLE_LAYERS[0]].device)
            grams = {n: torch.cat([gram(out[n]) for out in group]) for n in STYLE_LAYERS}
            own = {n: styles[n][part] for n in STYLE_LAYERS}
            content = torch.cat([content_loss(out, photo, [CONTENT_LAYER]) for out in group])
            measures = [content, _distances(photo_grams, own), _distances(grams, own)]
            if len(sizes[STYLE_LAYERS[0]]) > 1:
                rival = _nearest_other(grams, styles, sizes, part)
                measures.append(_distances(grams, {n: styles[n][rival] for n in STYLE_LAYERS}))
            table.append(torch.stack(measures))
        return [_row(*measures) for measures in torch.cat(table, 1).T.tolist()] if table else []


def _distances(grams: Mapping[str, Tensor], styles: Mapping[str, Tensor]) -> Tensor:
    """As `StyleMetrics.style_distance`, of each to its counterpart: (B or 1, C, C) by layer, twice -> (B,)."""
    return torch.stack([style_distance(grams[n], styles[n]) for n in STYLE_LAYERS]).mean(0)


def _nearest_other(
    grams: Mapping[str, Tensor], styles: Mapping[str, Tensor], sizes: Mapping[str, Tensor], own: Tensor
) -> Tensor:
    """Which other style each of a group of outputs is nearest to: (B, C, C) and (S, C, C) by layer -> (B,).

    By |G - G_s|^2 = |G|^2 - 2 <G, G_s> + |G_s|^2: products of matrices instead of differences of all with all. That
    rounds more, enough to find the nearest and not to measure it.

    Args:
        sizes: |G_s|^2 of every style, (S,).
        own: the numbers of the styles that the outputs are in, (B,).
    """
    distances = []
    for n in STYLE_LAYERS:
        flat, targets = grams[n].flatten(1), styles[n].flatten(1)
        squares = flat.square().sum(1, keepdim=True) - 2 * (flat @ targets.T) + sizes[n]
        distances.append((squares / sizes[n].clamp_min(1e-12)).clamp_min(0).sqrt())
    total = torch.stack(distances).sum(0)
    total.scatter_(1, own[:, None], math.inf)
    return total.argmin(1)


def _groups(activations: Iterator[dict[str, Tensor]]) -> Iterator[list[dict[str, Tensor]]]:
    while group := list(islice(activations, GROUP)):
        yield group


def _row(content: float, before: float, after: float, *others: float) -> dict[str, float]:
    row = {"style_gap_closed": 1 - after / before, "content_distance": content}
    return {**row, "style_accuracy": float(after < min(others))} if others else row


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of every column of a table."""
    return {key: sum(row[key] for row in rows) / len(rows) for key in (rows[0] if rows else {})}
