"""Plain cards: what they show, and that a halo is measured where there is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny import paint, succeed, write_bank
from torch import Tensor

from stylebank.evaluation.cards import RADIUS, SIDE, disk_cards, halo, plain_cards


def ringed(strength: float, noise: float = 0.0) -> Tensor:
    """A card with a disk and a lighter ring around it, from 6 to 36 pixels outside of it."""
    card = next(iter(disk_cards().values())) * 0.8
    place = torch.arange(SIDE) - (SIDE - 1) / 2
    outside = torch.hypot(place[:, None], place[None]) - RADIUS
    card = card + strength * ((outside >= 6) & (outside <= 36))
    grain = torch.randn(1, 3, SIDE // 20, SIDE // 20, generator=torch.Generator().manual_seed(0))
    return card + noise * torch.nn.functional.interpolate(grain, (SIDE, SIDE), mode="nearest")


def test_cards_are_pictures_and_plain_ones_have_nothing_on_them() -> None:
    for card in (*plain_cards().values(), *disk_cards().values()):
        assert card.shape == (1, 3, SIDE, SIDE)
        assert 0 <= card.min() <= card.max() <= 1
    steps = [(card[:, :, 1:] - card[:, :, :-1]).abs().max() for card in plain_cards().values()]
    assert max(steps) < 1 / 255
    assert all(halo(card) < 0.01 for card in disk_cards().values())


def test_a_halo_grows_with_the_ring_and_counts_less_in_a_ground_of_strokes() -> None:
    values = [halo(ringed(strength)) for strength in (0.0, 0.05, 0.1)]
    assert values[0] < 0.01
    assert values[1] > 3  # CIELAB distances of 5 are seen at once
    assert values[2] == pytest.approx(2 * values[1], rel=0.15)
    assert halo(ringed(0.1, noise=0.05)) < values[2] / 2


def test_an_evaluation_measures_every_style_on_cards(
    tmp_path: Path, photos: Path, random_vgg_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bank(tmp_path / "bank", "storm")
    arguments = ["--bank", tmp_path / "bank", "--styles", paint(tmp_path / "styles", "storm"), "--sizes", 48]
    arguments += ["--content", photos / "disc.jpg", "--loss-weights", random_vgg_weights, "--no-optimization"]
    succeed(capsys, "evaluate", *arguments, "--out", tmp_path / "out")
    row = json.loads((tmp_path / "out" / "report.json").read_text())["cards"]["storm"]
    assert row["card_style_gap_closed"] < 1
    assert row["halo"] >= 0
    assert (
        f"| storm | {row['card_style_gap_closed']:.3f} | {row['halo']:.2f} |"
        in (tmp_path / "out" / "report.md").read_text()
    )
