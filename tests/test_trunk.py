"""Blocks at an eighth of the size, wherever blocks at a quarter are: there, an odd row of features has no partner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import refused
from test_model import NORMS, network, picture
from test_tiling import SAME, difference, mask, photograph
from tiny import config, paint
from torch import nn

from stylebank.bank.io import Bank, load_bank, save_bank
from stylebank.bank.records import StyleInfo
from stylebank.config import Architecture, Norm
from stylebank.errors import BankError
from stylebank.export.graphs import PictureGraph
from stylebank.inference.stylizer import Stylizer
from stylebank.inference.tile_grid import Stretch, Tile
from stylebank.network.fused import Plain, optimize_for_inference
from stylebank.network.model import StyleBank
from stylebank.network.trunk import Trunk
from stylebank.styles import find_styles
from stylebank.training.task import new_bank

SIZES = ((16, 16), (17, 20), (33, 42), (24, 44))


def awake(model: StyleBank) -> StyleBank:
    """As if it had been trained: a trunk starts as the identity."""
    for module in model.decoder.trunk.modules():
        if isinstance(parameter := getattr(module, "weight", None), nn.Parameter) and parameter.dim() == 1:
            nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("norm", NORMS)
def test_it_starts_as_the_identity(norm: Norm) -> None:
    x = picture(2, 6, 5, 8)
    assert torch.equal(Trunk(6, 10, 2, norm)(x), x)


def test_it_sees_the_whole_of_an_odd_size() -> None:
    trunk = Trunk(3, 64, 1, "none").double()  # so many that none of the pixels meets closed ReLUs alone
    nn.init.normal_(trunk.up[-1].weight)
    x = picture(1, 3, 5, 7).double().requires_grad_()
    out = trunk(x)
    assert out.shape == x.shape
    (out - x).square().sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(1) > 0).all()


def test_banks_without_one_are_read_as_they_were() -> None:
    old = Architecture.model_validate({"model": {"residual_blocks": 1}, "bank": {}})
    assert old.model.trunk_blocks == 0
    assert not [name for name in StyleBank(old).state_dict() if "trunk" in name]


@pytest.mark.parametrize("blocks", [1, 3])
def test_a_network_knows_how_far_it_sees(blocks: int) -> None:
    """What lies `margin` pixels away from an aligned stretch changes nothing in it; what is nearer does."""
    keys = {"norm": "pixel", "normalize_features": False, "residual_blocks": 1}
    model = awake(network(trunk_blocks=blocks, trunk_channels=8, **keys)).double()
    step, margin = model.alignment, model.margin
    assert (model.stride, step) == (4, 8)
    assert margin % step == 0
    start = margin + 2 * step
    image = picture(1, 3, 24, start + step + margin + 2 * step).double()
    outputs = []
    for first in (start - margin, start - margin + step):
        changed = image.clone()
        changed[..., :first] = 1 - changed[..., :first]
        changed[..., start + step + margin :] = 0
        found = (model.stylize(changed, [0]) - model.stylize(image, [0])).abs()
        outputs.append(float(found[..., start : start + step].max()))
    assert outputs[0] == 0
    assert outputs[1] > 0


@pytest.mark.parametrize("norm", NORMS)
def test_the_network_for_inference_makes_the_same_pictures(norm: Norm) -> None:
    model = awake(network(styles=2, norm=norm, trunk_blocks=2, trunk_channels=8, residual_blocks=1))
    fast = optimize_for_inference(model, torch.float32)
    assert not [module for module in fast.decoder.modules() if isinstance(module, Plain)]
    assert (fast.alignment, fast.margin) == (model.alignment, model.margin)
    for size in SIZES:
        images = picture(2, 3, *size)
        for found, expected in (
            (fast.stylize(images, [1, 0]), model.stylize(images, [1, 0])),
            (fast.reconstruct(images), model.reconstruct(images)),
        ):
            assert float((found - expected).abs().max() / expected.std()) < 1e-4


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("tile", [16, 36])
def test_tiles_make_the_whole_picture(norm: Norm, tile: int) -> None:
    model = awake(network(styles=2, norm=norm, trunk_blocks=1, trunk_channels=8))
    model.decoder.layers[-1].weight.data.mul_(0.3)  # pictures neither black nor white
    stylizer = Stylizer(Bank(model, None, {}), torch.device("cpu"), torch.float32)  # type: ignore[arg-type]
    recipe = stylizer.recipe("style0", masks={"style1": mask(93, 75)})
    assert difference(stylizer, photograph(93, 75), recipe, tile).max() < SAME


def test_a_core_is_found_at_an_eighth_of_the_size() -> None:
    """Of 20 pixels seen there are 5 features, and 3 rows and columns at an eighth."""
    stretch = Stretch(core=slice(8, 16), seen=slice(0, 20))
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert Tile(stretch, stretch).core_of(x, 4).tolist() == [[[[4.0]]]]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1.0, 2.0**-6])
def test_an_exported_decoder_makes_the_same_pictures(norm: Norm, scale: float) -> None:
    model = awake(network(norm=norm, trunk_blocks=1, trunk_channels=8, residual_blocks=1))
    graph = PictureGraph(model, "style0", torch.float32, scale)
    for size in SIZES:
        images = picture(1, 3, *size)
        expected = model.stylize(images, [0]).clamp(0, 1)
        torch.testing.assert_close(graph(images), expected, atol=1e-4, rtol=0)


def test_a_bank_without_one_is_a_start(tmp_path: Path) -> None:
    styles = find_styles([paint(tmp_path / "styles", "a")])
    shallow = new_bank(config(), styles).model
    save_bank(shallow, tmp_path / "shallow", {"a": StyleInfo()}, licence="")
    wide = new_bank(config("model.trunk_blocks=1", "model.trunk_channels=8"), styles, tmp_path / "shallow").model
    images = picture(1, 3, 20, 24)
    assert torch.equal(wide.stylize(images, [0]), shallow.stylize(images, [0]))
    save_bank(awake(wide), tmp_path / "wide", {"a": StyleInfo()}, licence="")
    kept = load_bank(tmp_path / "wide").model
    assert torch.equal(kept.stylize(images, [0]), wide.stylize(images, [0]))
    again = new_bank(config("model.trunk_blocks=1", "model.trunk_channels=8"), styles, tmp_path / "wide").model
    assert torch.equal(again.stylize(images, [0]), wide.stylize(images, [0]))
    with refused(BankError, "model.trunk_blocks 1 instead of 2"):
        new_bank(config("model.trunk_blocks=2", "model.trunk_channels=8"), styles, tmp_path / "wide")
    with refused(BankError, "model.trunk_blocks 1 instead of 0"):
        new_bank(config(), styles, tmp_path / "wide")


def test_twice_the_reach_of_a_block() -> None:
    plain, at_quarter = network(), network(residual_blocks=2)
    at_eighth = network(trunk_blocks=2, trunk_channels=12)
    assert at_eighth.margin - plain.margin >= 2 * (at_quarter.margin - plain.margin)
