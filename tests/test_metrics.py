"""The numbers that banks are judged by: known values, order, and what they must not depend on."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stylebank.evaluation.metrics import CONTENT_LAYER, STYLE_LAYERS, StyleMetrics, mean_of, psnr
from stylebank.images import load_picture, to_tensor
from stylebank.losses.vgg import load_loss_network


@pytest.fixture(scope="module")
def style_metrics(random_vgg_weights: Path) -> StyleMetrics:
    return StyleMetrics(load_loss_network("vgg19", [*STYLE_LAYERS, CONTENT_LAYER], weights=random_vgg_weights))


@pytest.fixture
def pictures(photos: Path) -> dict[str, Tensor]:
    names = ("disc", "noise", "waves")
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
