r"""Predicted filters beside other ways to a style that a bank has not: what `docs/instant.md` quotes.

    python benchmarks/instant.py --bank runs/predictor --paintings paintings --content photographs \
        --own data/styles --trained "1,000 steps=runs/storm" "1,000 steps=runs/sea"

Paintings should be ones that the predictor has not seen, photographs such that nothing was trained on. Of every
painting:

- `predicted`: its filter in one pass;
- `nearest style`: the bank's own style whose Gram matrices are nearest to the painting's (`--own`: their paintings);
- `colouring`: features get the mean and the covariance of the painting's, in closed form (Li et al. 2017), as one
  kernel for all photographs, whose features are whitened by their mean covariance;
- `--trained LABEL=BANK`: of banks with the same auto-encoder that have the painting as a style, under its file's name.

A second table has only the paintings that every label has. To optimise single pictures is `stylebank evaluate
--iterations` of what `stylebank bank predict` writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from stylebank.bank.find import find_bank
from stylebank.bank.io import load_bank
from stylebank.config import Architecture
from stylebank.device import place, resolve_device
from stylebank.evaluation.cards import plain_cards
from stylebank.evaluation.held_out import inference, photograph
from stylebank.evaluation.metrics import STYLE_LAYERS, StyleMetrics, mean_of
from stylebank.images import load_picture, resize_side, to_tensor
from stylebank.inference.instant import InstantStyles
from stylebank.losses.functional import style_distance
from stylebank.losses.objective import style_grams
from stylebank.losses.vgg import load_loss_network
from stylebank.network.model import StyleBank
from stylebank.styles import StyleSource, find_styles

Filters = dict[str, nn.Module]
"""Of some of the paintings, by name: (1, C + Z, h, w) -> (1, C, h, w)."""
COLUMNS = ("style_gap_closed", "content_distance", "style_accuracy", "cards")


def main() -> None:
    """Measures and prints two tables in Markdown."""
    options = _options()
    device = resolve_device("auto")
    bank = load_bank(find_bank(options.bank))
    model, instant, paintings = place(bank.model, device), InstantStyles(bank, device), find_styles(options.paintings)
    data = instant.settings.data
    metrics = StyleMetrics(place(load_loss_network("vgg19", STYLE_LAYERS), device))

    def grams(sources: Sequence[StyleSource]) -> Mapping[str, Tensor]:
        return style_grams(metrics.network, sources, STYLE_LAYERS, data.style_size, data.style_side)

    pictures = {s.name: load_picture(s.files[0]).rgb for s in paintings}
    targets = grams(paintings)
    images = [photograph(file, device) for file in options.content]
    rivals: dict[str, Filters] = {
        "predicted": {name: place(instant.filter_of([rgb]), device) for name, rgb in pictures.items()}
    }
    if options.own:
        own = [source for source in find_styles([options.own]) if source.name in model.names]
        nearest = _nearest(targets, grams(own))
        rivals["nearest style"] = {
            source.name: model.filters[model.names.index(own[i].name)]
            for source, i in zip(paintings, nearest, strict=True)
        }
    seen = {
        name: to_tensor(resize_side(rgb, data.style_size, data.style_side))[None].to(device)
        for name, rgb in pictures.items()
    }
    with inference(model, device, torch.float32):
        rivals["colouring"] = colouring(model, bank.manifest.architecture, images, seen)
    for label, folder in options.trained:
        other = load_bank(find_bank(folder))
        known = rivals.setdefault(label, {})
        known.update({n: place(other.model.filters[i], device) for i, n in enumerate(other.model.names) if n in seen})

    names = [source.name for source in paintings]
    rows = {label: _measure(model, filters, names, images, metrics, targets) for label, filters in rivals.items()}
    print(f"{len(names)} paintings on {len(images)} photographs of 256 px:\n\n{_table(rows, names)}")
    common = [name for name in names if all(name in of for of in rows.values())]
    if options.trained and common:
        print(f"\nOf these {', '.join(common)}:\n\n{_table(rows, common)}")


def colouring(
    model: StyleBank, form: Architecture, images: Sequence[Tensor], paintings: Mapping[str, Tensor]
) -> Filters:
    """Filters by whitening and colouring, of photographs and paintings (1, 3, H, W) in [0, 1]."""
    channels, noise = form.model.channels[2], form.bank.noise_channels
    moments = [_moments(model.filter_input(model.encode(image))[:, :channels]) for image in images]
    whiten = _power(torch.stack([covariance for _, covariance in moments]).mean(0), -0.5)
    mean, filters = torch.stack([mean for mean, _ in moments]).mean(0), Filters()
    for name, painting in paintings.items():
        goal, covariance = _moments(model.encode(painting))
        kernel = _power(covariance, 0.5) @ whiten
        module = nn.Conv2d(channels + noise, channels, 1)
        module.weight = nn.Parameter(nn.functional.pad(kernel, (0, noise))[:, :, None, None])
        module.bias = nn.Parameter(goal - kernel @ mean)
        filters[name] = module.requires_grad_(False)
    return filters


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features[0].flatten(1).float()
    return flat.mean(1), torch.cov(flat)


def _power(covariance: Tensor, power: float) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance.double())
    root: Tensor = (vectors * values.clamp_min(1e-5 * values.max()) ** power) @ vectors.T
    return root.float()


def _nearest(targets: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[int]:
    """For each painting which of the bank's own is nearest; both (S, C, C) by layer."""
    count = len(next(iter(targets.values())))
    distances = [
        torch.stack([style_distance(own[n], targets[n][i : i + 1]) for n in STYLE_LAYERS]).mean(0) for i in range(count)
    ]
    return [int(of_one.argmin()) for of_one in distances]


def _measure(
    model: StyleBank,
    filters: Filters,
    names: Sequence[str],
    images: Sequence[Tensor],
    metrics: StyleMetrics,
    targets: Mapping[str, Tensor],
) -> dict[str, dict[str, float]]:
    """Means over photographs, and over plain cards, by painting."""
    plain = [card.to(images[0].device) for card in plain_cards().values()]
    seen = [[(image, metrics.activations(image)) for image in of] for of in (images, plain)]
    rows = dict[str, dict[str, float]]()
    for name, module in filters.items():
        i = names.index(name)
        style = {n: values[i : i + 1] for n, values in targets.items()}
        others = [{n: values[j : j + 1] for n, values in targets.items()} for j in range(len(names)) if j != i]
        found = [
            [metrics.compare(_painted(model, module, image), photo, style, others) for image, photo in of]
            for of in seen
        ]
        rows[name] = {**mean_of(found[0]), "cards": mean_of(found[1])["style_gap_closed"]}
    return rows


def _painted(model: StyleBank, module: nn.Module, image: Tensor) -> Tensor:
    with inference(model, image.device, torch.float32):
        features = module(model.filter_input(model.encode(image)))
        return model.decode(features, (image.shape[2], image.shape[3])).float()


def _table(rows: Mapping[str, Mapping[str, Mapping[str, float]]], names: Sequence[str]) -> str:
    lines = ["| | style gap closed | content distance | told from the others | plain cards |", "|---|--:|--:|--:|--:|"]
    for label, of in rows.items():
        mean = mean_of([dict(of[name]) for name in names if name in of])
        # A single painting has no others to be told from.
        cells = [f"{mean[column]:.3f}" if column in mean else "-" for column in COLUMNS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _labelled(text: str) -> tuple[str, Path]:
    label, _, folder = text.rpartition("=")
    if not label:
        raise argparse.ArgumentTypeError(f"'{text}' is not LABEL=BANK")
    return label, Path(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, required=True, help="one with a predictor")
    parser.add_argument("--paintings", type=Path, nargs="+", required=True, help="files or folders")
    parser.add_argument("--content", type=Path, nargs="+", required=True, help="photographs, files")
    parser.add_argument("--own", type=Path, help="the paintings of the bank's own styles")
    parser.add_argument("--trained", type=_labelled, nargs="*", default=[], metavar="LABEL=BANK")
    return parser.parse_args()


if __name__ == "__main__":
    main()
