"""The numbers that banks are judged by: known values, order, and what they must not depend on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CHANNELS
from torch import Tensor

from stylebank.config import Architecture, ModelConfig
from stylebank.evaluation import held_out, metrics
from stylebank.evaluation.held_out import dealt
from stylebank.evaluation.metrics import CONTENT_LAYER, STYLE_LAYERS, StyleMetrics, mean_of, psnr
from stylebank.images import load_picture, to_tensor
from stylebank.losses.vgg import load_loss_network
from stylebank.network.model import StyleBank


@pytest.fixture(scope="module")
def style_metrics(random_vgg_weights: Path) -> StyleMetrics:
    return StyleMetrics(load_loss_network("vgg19", [*STYLE_LAYERS, CONTENT_LAYER], weights=random_vgg_weights))


@pytest.fixture
def pictures(photos: Path) -> dict[str, Tensor]:
    names = ("disc", "noise", "waves", "squares", "patches")
    return {name: to_tensor(load_picture(photos / f"{name}.jpg").rgb)[None, :, :48, :64] for name in names}


# ------------------------------------------------------------------------------------------------------- psnr


@pytest.mark.parametrize(("error", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0), (0.5, 6.0206)])
def test_psnr_of_a_known_error(error: float, decibels: float) -> None:
    assert psnr(torch.full((1, 3, 8, 8), error), torch.zeros(1, 3, 8, 8)) == pytest.approx(decibels, abs=1e-3)


def test_psnr_of_equal_pictures_is_infinite() -> None:
    assert psnr(torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.5)) == math.inf


def test_psnr_sees_what_a_file_would_hold() -> None:
    assert psnr(torch.full((3, 4, 4), 1.7), torch.ones(3, 4, 4)) == math.inf
    assert psnr(torch.full((3, 4, 4), -3.0), torch.ones(3, 4, 4)) == pytest.approx(0)


def test_psnr_falls_with_noise() -> None:
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(1))
    values = [psnr(picture + amount * noise, picture) for amount in (0.01, 0.03, 0.1)]
    assert values == sorted(values, reverse=True)


# ---------------------------------------------------------------------------------------------- style metrics


def test_the_photograph_itself_closes_nothing_and_the_painting_everything(
    style_metrics: StyleMetrics, pictures: dict[str, Tensor]
) -> None:
    photograph, painting = pictures["disc"], pictures["waves"]
    photo, style = style_metrics.activations(photograph), style_metrics.grams(painting)
    unchanged = style_metrics.compare(photograph, photo, style)
    assert unchanged["style_gap_closed"] == pytest.approx(0, abs=1e-6)
    assert unchanged["content_distance"] == pytest.approx(0, abs=1e-6)
    assert "style_accuracy" not in unchanged
    copied = style_metrics.compare(painting, photo, style)
    assert copied["style_gap_closed"] == pytest.approx(1, abs=1e-4)
    assert copied["content_distance"] > 0.01


def test_coming_closer_to_the_painting_closes_more(style_metrics: StyleMetrics, pictures: dict[str, Tensor]) -> None:
    photograph, painting = pictures["disc"], pictures["waves"]
    photo, style = style_metrics.activations(photograph), style_metrics.grams(painting)
    rows = [style_metrics.compare(torch.lerp(photograph, painting, share), photo, style) for share in (0.2, 0.6, 0.9)]
    closed = [row["style_gap_closed"] for row in rows]
    assert 0 < closed[0] < closed[1] < closed[2] < 1
    assert all(row["content_distance"] > 0 for row in rows)


def test_styles_are_told_apart_by_the_nearest(style_metrics: StyleMetrics, pictures: dict[str, Tensor]) -> None:
    photo = style_metrics.activations(pictures["disc"])
    waves, noise = style_metrics.grams(pictures["waves"]), style_metrics.grams(pictures["noise"])
    output = torch.lerp(pictures["disc"], pictures["waves"], 0.9)
    assert style_metrics.compare(output, photo, waves, [noise])["style_accuracy"] == 1
    assert style_metrics.compare(output, photo, noise, [waves])["style_accuracy"] == 0
    assert style_metrics.compare(output, photo, waves, [noise, waves])["style_accuracy"] == 0  # a tie is no distinction


def test_the_distance_is_relative_to_the_painting(style_metrics: StyleMetrics, pictures: dict[str, Tensor]) -> None:
    one, other = style_metrics.grams(pictures["waves"]), style_metrics.grams(pictures["noise"])
    distance = style_metrics.style_distance(one, other)
    scaled = [{name: gram * 300 for name, gram in grams.items()} for grams in (one, other)]
    assert style_metrics.style_distance(*scaled) == pytest.approx(distance, rel=1e-4)
    assert style_metrics.style_distance(one, one) == pytest.approx(0, abs=1e-5)


def test_pictures_are_measured_as_files_would_hold_them(
    style_metrics: StyleMetrics, pictures: dict[str, Tensor]
) -> None:
    photo, style = style_metrics.activations(pictures["disc"]), style_metrics.grams(pictures["waves"])
    loud = pictures["disc"] * 6 - 2
    assert style_metrics.compare(loud, photo, style) == style_metrics.compare(loud.clamp(0, 1), photo, style)
    assert not any(value.requires_grad for value in style_metrics.activations(loud.requires_grad_()).values())


def test_columns_are_averaged() -> None:
    assert mean_of([{"a": 1.0, "b": 4.0}, {"a": 2.0, "b": 0.0}]) == {"a": 1.5, "b": 2.0}
    assert mean_of([]) == {}


# -------------------------------------------------------------------------------------------- many styles at once


@pytest.fixture
def bank() -> StyleBank:
    torch.manual_seed(0)
    return StyleBank(Architecture(model=ModelConfig(channels=CHANNELS)), [f"style{i}" for i in range(5)])


def stacked(style_metrics: StyleMetrics, pictures: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    each = [style_metrics.grams(pictures[name]) for name in names]
    return {layer: torch.cat([grams[layer] for grams in each]) for layer in STYLE_LAYERS}


def one_by_one(
    style_metrics: StyleMetrics, outputs: list[Tensor], photo: dict[str, Tensor], styles: dict[str, Tensor]
) -> list[dict[str, float]]:
    each = [{layer: grams[i : i + 1] for layer, grams in styles.items()} for i in range(len(outputs))]
    return [
        style_metrics.compare(output, photo, own, [other for other in each if other is not own])
        for output, own in zip(outputs, each, strict=True)
    ]


@pytest.mark.parametrize("pairs", [0, 1, 7, 60, 512])
@pytest.mark.parametrize(("styles", "photographs"), [(1, 1), (1, 9), (14, 20), (16, 20), (33, 20), (7, 3), (600, 20)])
def test_photographs_are_dealt_evenly_to_styles(styles: int, photographs: int, pairs: int) -> None:
    found = dealt(styles, photographs, pairs)
    of_style = [sum(style in each for each in found) for style in range(styles)]
    assert len(set(of_style)) == 1
    assert of_style[0] >= 1
    assert all(each == sorted(set(each)) for each in found)
    sizes = [len(each) for each in found]
    assert max(sizes) - min(sizes) <= 1
    total = styles * photographs
    assert sum(sizes) == total if not pairs or total <= pairs else sum(sizes) <= max(pairs, styles)


@pytest.mark.parametrize("group", [1, 2, 16])
def test_all_styles_at_once_are_measured_as_one_by_one(
    group: int, style_metrics: StyleMetrics, pictures: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "GROUP", group)
    names = ["waves", "noise", "squares", "waves", "patches"]  # one twice: a tie is no distinction
    styles, photo = stacked(style_metrics, pictures, *names), style_metrics.activations(pictures["disc"])
    targets = [pictures[name] for name in ("waves", "noise", "patches", "squares", "patches")]
    outputs = [torch.lerp(pictures["disc"], target, 0.7) for target in targets]
    expected = one_by_one(style_metrics, outputs, photo, styles)
    assert [row["style_accuracy"] for row in expected] == [0, 1, 0, 0, 1]
    found = style_metrics.compare_all(iter(outputs), photo, styles)
    assert found == [pytest.approx(row, rel=1e-5, abs=1e-6) for row in expected]


def test_outputs_in_some_of_the_styles_are_measured_against_all(
    style_metrics: StyleMetrics, pictures: dict[str, Tensor]
) -> None:
    styles = stacked(style_metrics, pictures, "waves", "noise", "squares", "patches")
    photo = style_metrics.activations(pictures["disc"])
    outputs = [torch.lerp(pictures["disc"], pictures[name], 0.7) for name in ("waves", "noise", "waves", "patches")]
    whole = style_metrics.compare_all(outputs, photo, styles)
    assert [row["style_accuracy"] for row in whole] == [1, 1, 0, 1]
    part = style_metrics.compare_all([outputs[3], outputs[2]], photo, styles, [3, 2])
    assert part == [pytest.approx(whole[i], rel=1e-5, abs=1e-6) for i in (3, 2)]


def test_a_single_style_has_none_to_be_mistaken_for(style_metrics: StyleMetrics, pictures: dict[str, Tensor]) -> None:
    styles, photo = stacked(style_metrics, pictures, "waves"), style_metrics.activations(pictures["disc"])
    (row,) = style_metrics.compare_all([pictures["noise"]], photo, styles)
    assert row.keys() == {"style_gap_closed", "content_distance"}


def test_measuring_looks_at_every_picture_once_and_reads_back_once(
    bank: StyleBank,
    style_metrics: StyleMetrics,
    pictures: dict[str, Tensor],
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And finds what the network's own way of stylizing, compared one by one, comes to."""
    monkeypatch.setattr(held_out, "MEASURE_SIDE", 64)
    files, cpu = sorted(photos.iterdir())[:2], torch.device("cpu")
    styles = stacked(style_metrics, pictures, "waves", "noise", "squares")
    rows = []
    for file in files:
        image = held_out.photograph(file, cpu)
        with held_out.inference(bank, cpu, torch.float32):
            outputs = [bank.stylize(image, [i]).float() for i in (1, 2, 4)]
        rows.append(one_by_one(style_metrics, outputs, style_metrics.activations(image), styles))
    seen: list[str] = []
    for owner, name in ((style_metrics.network, "forward"), (bank.encoder, "forward")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name), seen, type(owner).__name__))
    for name in ("item", "tolist", "__bool__", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, counted(getattr(torch.Tensor, name), seen, "read back"))
    found = held_out.measure(bank, files, [1, 2, 4], styles, style_metrics, cpu, torch.float32)
    monkeypatch.undo()
    assert Counter(seen) == {"LossNetwork": 2 * (1 + 3), "Encoder": 2, "read back": 2}
    assert found.keys() == {"style1", "style2", "style4"}
    for of_style, row in zip(zip(*rows, strict=True), found.values(), strict=True):
        assert row == pytest.approx(mean_of(of_style), rel=1e-5, abs=1e-6)


def counted(function: Callable[..., Any], seen: list[str], name: str) -> Callable[..., Any]:
    def _counted(*arguments: Any, **options: Any) -> Any:
        seen.append(name)
        return function(*arguments, **options)

    return _counted
