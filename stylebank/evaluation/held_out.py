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
from stylebank.losses.terms import Grams
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
    values = identity_psnrs(model, files, device, dtype)
    return sum(values) / len(values)


def identity_psnrs(model: StyleBank, files: Iterable[Path], device: torch.device, dtype: torch.dtype) -> list[float]:
    """PSNR in dB of the auto-encoder alone, by photograph."""
    values = []
    with inference(model, device, dtype):
        for file in files:
            image = photograph(file, device)
            values.append(psnr(model.reconstruct(image), image))
    return values


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


def dealt(styles: int, photographs: int, pairs: int) -> list[list[int]]:
    """Which styles are measured on which photograph, of each the numbers of the styles.

    Every style on as many photographs as any other, at least one, and every photograph in as many styles as any other,
    but for one; all with all where that is not more than `pairs`, or where `pairs` is 0.
    """
    each = photographs if not pairs else min(photographs, max(1, pairs // max(1, styles)))
    found: list[list[int]] = [[] for _ in range(photographs)]
    for style in range(styles):
        for i in range(each):
            found[(style * each + i) % photographs].append(style)
    return found


def measure(
    model: StyleBank,
    files: Iterable[Path],
    styles: Sequence[int],
    grams: Grams,
    style_metrics: StyleMetrics,
    device: torch.device,
    dtype: torch.dtype,
    measured: Sequence[Sequence[int]] | None = None,
) -> dict[str, dict[str, float]]:
    """What `StyleMetrics.compare` says of every style, mean over photographs; see `measure_each`."""
    rows = measure_each(model, files, styles, grams, style_metrics, device, dtype, measured)
    return means_by_style([model.names[i] for i in styles], rows)


def measure_each(
    model: StyleBank,
    files: Iterable[Path],
    styles: Sequence[int],
    grams: Grams,
    style_metrics: StyleMetrics,
    device: torch.device,
    dtype: torch.dtype,
    measured: Sequence[Sequence[int]] | None = None,
) -> list[dict[int, dict[str, float]]]:
    """What `StyleMetrics.compare` says, of every photograph by the number of the style.

    Args:
        styles: the indices of the filters to measure.
        grams: the Gram matrices of their paintings, in that order.
        measured: of every photograph the numbers of the styles, as in `dealt`; all of them without.
    """
    rows: list[dict[int, dict[str, float]]] = []
    for i, file in enumerate(files):
        numbers = range(len(styles)) if measured is None else measured[i]
        if not numbers:
            rows.append({})
            continue
        image = photograph(file, device)
        outputs = _in_styles(model, image, [styles[number] for number in numbers], device, dtype)
        found = style_metrics.compare_all(outputs, style_metrics.activations(image), grams, numbers)
        rows.append(dict(zip(numbers, found, strict=True)))
    return rows


def means_by_style(names: Sequence[str], rows: Sequence[Mapping[int, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Of the rows of every photograph, by the number of the style: name -> mean over its photographs."""
    return {name: mean_of([of_photo[i] for of_photo in rows if i in of_photo]) for i, name in enumerate(names)}


def _in_styles(
    model: StyleBank, image: Tensor, styles: Sequence[int], device: torch.device, dtype: torch.dtype
) -> Iterator[Tensor]:
    """A picture (1, 3, H, W), encoded once, in each of the styles."""
    with inference(model, device, dtype):
        inputs = model.filter_input(model.encode(image))
    for style in styles:
        with inference(model, device, dtype):
            output = model.decode(model.filters[style](inputs), (image.shape[2], image.shape[3]))
        yield output.float()
