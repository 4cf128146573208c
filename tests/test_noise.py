"""The noise beside the features: what it is, where it comes from, and that nothing but seed and place decides it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_model import network, picture
from test_tiling import SAME, mask, photograph, with_styles
from tiny import trainer
from torch import Tensor

from stylebank.config import LARGEST_SEED
from stylebank.errors import ConfigError
from stylebank.films.stylize import FilmStylizer
from stylebank.inference.tiling import TiledPicture
from stylebank.network.noise import OCTAVES, noise_of_one, smooth_noise
from stylebank.training import noise_ahead
from stylebank.training.noise_ahead import NoiseAhead

PLAIN = Image.new("RGB", (96, 80), (120, 130, 140))


def field(channels: int = 6, seed: int = 0, height: int = 256, width: int = 256) -> Tensor:
    return smooth_noise(channels, (seed,), range(height), range(width))[0]


# ------------------------------------------------------------------------------------------------ what it is


def test_mean_and_variance_are_those_of_normal_noise_at_every_place() -> None:
    many = smooth_noise(OCTAVES, range(4000), range(8, 12), range(30, 35))
    assert many.mean(0).abs().max() < 0.08  # 5 standard errors
    assert (many.var(0) - 1).abs().max() < 0.12
    assert (many**3).mean(0).abs().max() < 0.3
    assert ((many**4).mean(0) - 3).abs().max() < 0.6


def test_octaves_vary_over_twice_the_distance_each() -> None:
    noise = field(OCTAVES, height=1024, width=1024)
    steps = [(channel[1:] - channel[:-1]).square().mean().sqrt() for channel in noise]
    assert steps[0] == pytest.approx(2**0.5, rel=0.05)  # independent neighbours
    for finer, coarser in pairwise(steps[1:]):
        assert finer / coarser == pytest.approx(2, rel=0.2)


def test_channels_and_seeds_are_independent() -> None:
    noise = torch.cat([field(2 * OCTAVES, seed, 512, 512) for seed in (0, 1, LARGEST_SEED)]).flatten(1)
    others = torch.corrcoef(noise).fill_diagonal_(0)
    assert others.abs().max() < 0.3  # of the coarsest, of which few waves fit
    finest = others[::OCTAVES, ::OCTAVES]
    assert finest.abs().max() < 0.01


@given(st.integers(0, 70), st.integers(0, 70), st.integers(1, 40), st.integers(1, 40), st.integers(0, LARGEST_SEED))
def test_a_part_is_the_same_as_in_the_whole(row: int, column: int, height: int, width: int, seed: int) -> None:
    whole = smooth_noise(12, (seed,), range(110), range(110))
    rows, columns = range(row, row + height), range(column, column + width)
    part = smooth_noise(12, (seed,), rows, columns)
    assert torch.equal(part, whole[:, :, row : row + height, column : column + width])


def test_values_stay_what_they_are() -> None:
    """Exported models and banks trained with it rely on them: integers of a hash, to the last digit of a float."""
    noise = smooth_noise(7, (3,), range(2), range(3))
    expected = [[-2.476310, -0.243572, -0.527738], [-0.939226, -0.784510, -1.091462], [-0.500675, 0.345060, 0.771310]]
    assert torch.allclose(noise[0, [0, 1, 6], 1], torch.tensor(expected), atol=1e-5)


# ---------------------------------------------------------------------------------------------- in the network


def test_a_plain_picture_gets_structure_only_by_noise() -> None:
    def roughness(channels: int) -> float:
        output = np.asarray(with_styles(noise_channels=channels).stylize(PLAIN, "style0"), np.float32)
        blocks = output[16:-16, 16:-16].reshape(6, 8, 8, 8, 3).mean((1, 3))  # without what upsampling leaves
        return float(blocks.std((0, 1)).mean())

    assert roughness(0) < 0.5 < roughness(12)


def test_the_identity_has_no_noise() -> None:
    model = network(noise_channels=12)
    images = picture(1, 3, 40, 40)
    before = model.reconstruct(images)
    model.filters[0][0].weight.zero_()
    assert torch.equal(model.reconstruct(images), before)


def test_each_image_of_a_batch_has_the_noise_of_its_seed() -> None:
    model = network(styles=2, noise_channels=6)
    features = model.encode(picture(1, 3, 40, 40)).expand(3, -1, -1, -1)
    together = model.apply_filters(features, [0, 1, 0], [5, 6, 7])
    alone = [model.apply_filters(features[:1], [style], [seed]) for style, seed in ((0, 5), (1, 6), (0, 7))]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert not torch.allclose(together[:1], together[2:], atol=0.01)


@pytest.mark.parametrize("tile", [16, 33])
def test_tiles_and_the_whole_agree(tile: int) -> None:
    stylizer = with_styles(noise_channels=12)
    image = photograph(90, 71)
    recipe = stylizer.recipe({"style0": 0.6, "style1": 0.4}, masks={"style2": mask(90, 71)}, seed=9)
    whole = stylizer.encode_whole(image).pixels(recipe)
    tiled = TiledPicture(stylizer.model, stylizer.recipes, image, tile, stylizer.device).pixels(recipe)
    assert (whole - tiled).abs().max() < SAME


def test_mixtures_are_linear_with_noise_too() -> None:
    stylizer = with_styles(noise_channels=6)
    encoded = stylizer.encode_whole(photograph(64, 48))
    assert np.array_equal(
        np.asarray(encoded.stylize({"style0": 1.0, "style1": 0.0})), np.asarray(encoded.stylize("style0"))
    )


def test_the_noise_of_one_picture_is_kept_and_stays_what_it_is() -> None:
    asked = (12, 7, range(3, 20), range(5, 9), torch.device("cpu"))
    with torch.inference_mode():
        first = noise_of_one(*asked, torch.float32)
    assert noise_of_one(*asked, torch.float32) is first
    assert not first.is_inference()  # training may need it next
    assert torch.equal(first, smooth_noise(12, [7], range(3, 20), range(5, 9)))
    assert noise_of_one(*asked, torch.bfloat16).dtype == torch.bfloat16
    large = (12, 7, range(700), range(700), torch.device("cpu"), torch.bfloat16)
    assert noise_of_one(*large) is not noise_of_one(*large)


def test_frames_share_the_noise_and_seeds_change_it() -> None:
    stylizer = with_styles(noise_channels=12)
    still, again, other = (
        np.asarray(FilmStylizer(stylizer, stylizer.recipe("style1", seed=seed)).one(PLAIN), np.float32)
        for seed in (4, 4, 5)
    )
    assert np.array_equal(still, again)
    assert np.abs(still - other).mean() > 1


def test_a_picture_is_the_same_whatever_was_asked_before() -> None:
    stylizer = with_styles(noise_channels=12)
    encoded = stylizer.encode(PLAIN)
    first = encoded.picture(stylizer.recipe("style0", seed=1))
    encoded.picture(stylizer.recipe("style0", seed=2))
    assert encoded.picture(stylizer.recipe("style0", seed=1)).tobytes() == first.tobytes()


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with refused(ConfigError, "between 0 and 4294967295", str(seed)):
        with_styles().stylize(PLAIN, "style0", seed=seed)


@pytest.mark.parametrize("ahead", [False, True])
def test_the_noise_of_many_steps_at_once_is_that_of_each(
    ahead: bool,
    photos: Path,
    style_images: Path,
    random_vgg_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(noise_ahead, "runs_ahead", lambda device: ahead)
    monkeypatch.setattr(noise_ahead, "LONGEST", 3)
    settings = ("bank.noise_channels=7", "train.batch_size=4", "train.accumulate=2", "train.identity_pretrain_steps=0")
    run = trainer(photos, style_images, random_vgg_weights, tmp_path / "run", *settings).run
    noise = NoiseAhead(run)
    for step in (0, 1, 3, 4, 6, 7, 15):  # stylizing ones: every third is the other branch's
        run.step = step
        number = run.schedule.stylizing_steps_before(run.step)
        for places in run.pieces():
            run.places = places
            expected = smooth_noise(7, run.noise_of(number)[places.start : places.stop], range(6), range(5))
            found = noise.of_step((6, 5))
            assert found is not None
            assert torch.equal(found, expected)
