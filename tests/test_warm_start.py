"""An added style starts where the bank's most similar one ended."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny import paint, trainer, write_bank

from stylebank.images import find_images, load_picture, resize_short_side, save_picture
from stylebank.stylizer import Stylizer
from stylebank.warm_start import PHOTOGRAPHS, SIDE


def _paintings_by(bank: Path, style: str, photos: Path, folder: Path) -> Path:
    """A style `new` of several paintings, which the bank itself made of photographs."""
    stylizer = Stylizer.load(bank, precision="float32")
    for photo in find_images([photos]):
        painting = stylizer.stylize(resize_short_side(load_picture(photo).rgb, SIDE), style)
        save_picture(painting, folder / "new" / f"{photo.stem}.png")
    return folder


def test_a_new_style_starts_from_the_one_most_like_it(tmp_path: Path, photos: Path, random_vgg_weights: Path) -> None:
    bank = write_bank(tmp_path / "bank", "calm", "storm", "dusk")
    for photo in find_images([photos])[PHOTOGRAPHS:]:
        photo.unlink()
    for style in ("calm", "storm", "dusk"):
        paintings = _paintings_by(bank, style, photos, tmp_path / style)
        overrides = (f"data.style_size={SIDE}", "data.held_out=0")
        run = trainer(photos, paintings, random_vgg_weights, tmp_path / f"run-{style}", *overrides, bank=bank)
        assert run.starts == {"new": style}
        old, new = run.model.filters[run.model.names.index(style)], run.model.filters[-1]
        for one, other in zip(old.parameters(), new.parameters(), strict=True):
            assert torch.equal(one, other)
            assert one is not other
            assert other.requires_grad
            assert not one.requires_grad


def test_it_may_start_at_random_and_a_new_bank_has_nothing_to_start_from(
    tmp_path: Path, photos: Path, random_vgg_weights: Path
) -> None:
    bank = write_bank(tmp_path / "bank", "calm")
    paintings = paint(tmp_path / "paintings", "new")
    cold = trainer(photos, paintings, random_vgg_weights, tmp_path / "cold", "train.warm_start=false", bank=bank)
    assert cold.starts == {}
    assert not torch.equal(cold.model.filters[0][0].weight, cold.model.filters[1][0].weight)
    assert trainer(photos, paintings, random_vgg_weights, tmp_path / "joint").starts == {}
