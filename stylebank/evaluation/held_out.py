"""Looking at a network on photographs it was not trained on: preview grids and the numbers of the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from stylebank.device import autocast
from stylebank.evaluation.metrics import StyleMetrics, mean_of, psnr
from stylebank.files import sha256_of
from stylebank.images import load_picture, resize_short_side, to_image, to_tensor
from stylebank.images.contact_sheet import contact_sheet
from stylebank.network.model import StyleBank

MEASURE_SIDE = 256  # short side of the photographs in every quoted number
PREVIEW_PICTURES = 3


@contextmanager
def inference(model: StyleBank, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Evaluation mode without gradients, in the given precision; training mode is restored afterwards."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, dtype):
            yield
    finally:
        model.train(training)


def photograph(path: Path, device: torch.device, side: int | None = None) -> Tensor:
    """A photograph as measured: (1, 3, H, W) in [0, 1] with a short side of `side` pixels, 256 unless said."""
    side = side or MEASURE_SIDE
    image = to_tensor(resize_short_side(load_picture(path, draft_short_side=side).rgb, side))
    return image[None].to(device, memory_format=torch.channels_last)


def hashes_of(files: Iterable[Path]) -> list[str]:
    """How the photographs of a measurement are named in a bank: the beginnings of their SHA-256."""
    return [sha256_of(file)[:16] for file in files]


def identity_psnr(model: StyleBank, files: Iterable[Path], device: torch.device, dtype: torch.dtype) -> float:
    """Mean PSNR in dB of the auto-encoder alone."""
    values = []
    with inference(model, device, dtype):
        for file in files:
            image = photograph(file, device)
            values.append(psnr(model.reconstruct(image), image))
    return sum(values) / len(values)


def preview(
    model: StyleBank, files: Sequence[Path], first_style: int, device: torch.device, dtype: torch.dtype
) -> Image.Image:
    """A contact sheet: per photograph itself, its reconstruction, and every style from `first_style` on."""
    rows, styles = [], range(first_style, len(model.names))
    with inference(model, device, dtype):
        for file in files[:PREVIEW_PICTURES]:
            image = photograph(file, device)
            outputs = [model.reconstruct(image), *(model.stylize(image, [style]) for style in styles)]
            rows.append([to_image(picture) for picture in (image, *outputs)])
    captions = ["photograph", "reconstruction", *(model.names[style] for style in styles)]
    return contact_sheet(rows, captions, rows[0][0].size)


def measure(
    model: StyleBank,
    files: Iterable[Path],
    styles: Mapping[int, Mapping[str, Tensor]],
    style_metrics: StyleMetrics,
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, dict[str, float]]:
    """What `StyleMetrics.compare` says of every style, mean over photographs.

    Args:
        styles: for every filter's index to measure, the Gram matrices of its painting.
    """
    rows: dict[int, list[dict[str, float]]] = {index: [] for index in styles}
    for file in files:
        image = photograph(file, device)
        photo = style_metrics.activations(image)
        for index, grams in styles.items():
            with inference(model, device, dtype):
                output = model.stylize(image, [index]).float()
            others = [other for i, other in styles.items() if i != index]
            rows[index].append(style_metrics.compare(output, photo, grams, others))
    return {model.names[index]: mean_of(of_style) for index, of_style in rows.items()}
