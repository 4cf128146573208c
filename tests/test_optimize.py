"""The presets of `optimize`: their published formulas, activation scale, regions, starts, sizes, and what they do."""

from __future__ import annotations

import dataclasses
import itertools
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused, write_vgg
from PIL import Image
from torch import Tensor, nn

from stylebank.errors import ConfigError, ImageError, WeightsError
from stylebank.images import load_picture, resize_short_side
from stylebank.inference.blending import Recipe, Region
from stylebank.losses.vgg import LossNetwork, layer_names, load_loss_network
from stylebank.optimize import LBFGS, PRESETS, Adam, Descent, Optimized, Painting, Preset, Step, optimize_image
from stylebank.optimize.activations import reference_level, to_oxford_scale
from stylebank.optimize.objective import PictureObjective, painting_grams
from stylebank.optimize.paintings import pixels_of, recipe_of
from stylebank.optimize.presets import blended_content, equal_weights, growing_weights, with_network
from stylebank.optimize.scales import iterations_of, sizes_of

NAMES = tuple(PRESETS)
SIZE = (40, 32)  # (width, height)


@pytest.fixture(scope="module")
def vgg19(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random VGG-19 weights with all layers that a preset takes, unless told otherwise."""
    return write_vgg(tmp_path_factory.mktemp("optimize") / "vgg19.safetensors", "vgg19", "relu5_2")


def small(name: str, iterations: int = 1) -> Preset:
    """A preset on VGG-19's first two blocks: the same formulas in a fraction of the time."""
    preset = with_network(PRESETS[name], "vgg19")
    return dataclasses.replace(
        preset,
        content_layers=equal_weights(["relu2_1"], sum(preset.content_layers.values())),
        style_layers=equal_weights(["relu1_1", "relu1_2", "relu2_1"], sum(preset.style_layers.values())),
        iterations=iterations,
    )


def drawing(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def network_of(preset: Preset, weights: Path) -> LossNetwork:
    network = load_loss_network(preset.network, [*preset.content_layers, *preset.style_layers], preset.pooling, weights)
    to_oxford_scale(network)
    return network


def objective_of(preset: Preset, network: LossNetwork, paintings: Sequence[Painting]) -> PictureObjective:
    grams = {
        str(i): painting_grams(preset, network, pixels_of(painting.picture, SIZE, torch.device("cpu")))
        for i, painting in enumerate(paintings)
    }
    content = pixels_of(drawing(0), SIZE, torch.device("cpu"))
    return PictureObjective(preset, network, content, grams, recipe_of(paintings))


def values(terms: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in terms.items()}


# ----------------------------------------------------------------------------------------- published formulas


def activations(network: LossNetwork, picture: Tensor, white: float) -> dict[str, np.ndarray]:
    """Layer -> (N, M): channels by positions, in double precision."""
    with torch.no_grad():
        return {name: x[0].flatten(1).double().numpy() for name, x in network(picture / white).items()}


def published(
    name: str, x: Mapping[str, np.ndarray], p: Mapping[str, np.ndarray], a: Mapping[str, np.ndarray], y: np.ndarray
) -> tuple[dict[str, float], float]:
    """The terms and the total as the programs state them: picture x, photograph p, painting a, pixels y (3, H, W)."""
    content, styles = "relu2_1", ("relu1_1", "relu1_2", "relu2_1")
    n, m = x[content].shape
    squares = ((x[content] - p[content]) ** 2).sum()
    rows, columns = np.diff(y, axis=1), np.diff(y, axis=2)
    if name == "gatys":
        terms = {
            "content": squares / (2 * np.sqrt(n) * np.sqrt(m)),
            "style": sum(
                5 / 3 * ((x[k] @ x[k].T - a[k] @ a[k].T) ** 2).sum() / (4 * x[k].shape[0] ** 2 * x[k].shape[1] ** 2)
                for k in styles
            ),
        }
        return terms, terms["content"] + 500 * terms["style"]
    if name == "neural-style":
        terms = {
            "content": squares / (n * m),
            "style": sum(1 / 3 * ((x[k] @ x[k].T / x[k].size - a[k] @ a[k].T / a[k].size) ** 2).mean() for k in styles),
            "tv": (rows**2).mean() + (columns**2).mean(),
        }
        return terms, 5 * terms["content"] + 500 * terms["style"] + 100 * terms["tv"]
    terms = {
        "content": ((x[content] - p[content]) ** 2).mean(),
        "style": np.mean([((x[k] @ x[k].T - a[k] @ a[k].T) ** 2).mean() for k in styles]) / 255**4,
        "tv": np.abs(rows).mean() + np.abs(columns).mean(),
    }
    total = 1.5 * np.log(terms["content"]) + 10 * np.log(terms["style"]) + 0.3 * np.log(terms["tv"])
    return terms, total


@pytest.mark.parametrize("name", NAMES)
def test_the_terms_are_the_published_formula(name: str, vgg19: Path) -> None:
    preset = small(name)
    network = network_of(preset, vgg19)
    objective = objective_of(preset, network, [Painting(drawing(1))])
    p, a, x = (pixels_of(drawing(seed), SIZE, torch.device("cpu")) for seed in (0, 1, 2))
    seen = (activations(network, each, preset.white) for each in (x, p, a))
    terms, total = published(name, *seen, x[0].double().numpy())
    found = objective(x)
    assert values(found) == pytest.approx(terms, rel=1e-4)
    assert float(objective.total(found)) == pytest.approx(total, rel=1e-4)


def test_the_normalized_gradient_is_that_of_losses_divided_by_their_values(vgg19: Path) -> None:
    preset = small("normalized")
    objective = objective_of(preset, network_of(preset, vgg19), [Painting(drawing(1))])
    x = pixels_of(drawing(2), SIZE, torch.device("cpu")).requires_grad_()
    terms = objective(x)
    weights = {"content": 1.5, "style": 10.0, "tv": 0.3}
    scaled = [weights[name] * value / (value.detach() + 1e-10) for name, value in terms.items()]
    (stated,) = torch.autograd.grad(torch.stack(scaled).sum(), x, retain_graph=True)
    (ours,) = torch.autograd.grad(objective.total(terms), x)
    assert torch.allclose(ours, stated, rtol=1e-4, atol=1e-9)


def test_the_presets_are_those_of_the_programs() -> None:
    gatys, neural, normalized = (PRESETS[name] for name in NAMES)
    blocks = [f"relu{i}_1" for i in range(1, 6)]
    assert (gatys.network, gatys.pooling, gatys.iterations, gatys.settings) == ("vgg19", "average", 5000, Adam(lr=2.0))
    assert dict(gatys.content_layers) == {"relu4_2": 1}
    assert dict(gatys.style_layers) == dict.fromkeys(blocks, 1.0)
    assert (gatys.content_weight, gatys.style_weight, gatys.tv_weight) == (1, 500, 0)
    assert (neural.pooling, neural.iterations, neural.keep_best) == ("max", 1000, True)
    assert neural.settings == Adam(10.0, 0.9, 0.999, 1e-8)
    assert dict(neural.style_layers) == pytest.approx(dict.fromkeys(blocks, 0.2))
    assert (neural.content_weight, neural.style_weight, neural.tv_weight) == (5, 500, 100)
    assert (normalized.network, normalized.iterations, normalized.settings) == ("vgg16", 120, Descent(10.0))
    assert list(normalized.content_layers) == ["relu3_1"]
    assert list(normalized.style_layers) == [name for name in layer_names("vgg16") if name.startswith("relu")]
    assert len(normalized.style_layers) == 13
    assert (normalized.content_weight, normalized.style_weight, normalized.tv_weight) == (1.5, 10, 0.3)
    assert list(with_network(normalized, "vgg19").style_layers)[-1] == "relu5_1"


def test_the_content_weight_is_blended_between_two_layers() -> None:
    neural = PRESETS["neural-style"]
    assert blended_content(neural, 0.25).content_layers == {"relu4_2": 0.25, "relu5_2": 0.75}
    assert blended_content(neural, 1).content_layers == {"relu4_2": 1}  # and relu5_2 need not be in the file
    with refused(ConfigError, "neural-style", "gatys"):
        blended_content(PRESETS["gatys"], 0.5)
    with refused(ConfigError, "1.5"):
        blended_content(neural, 1.5)


def test_style_layers_weights_grow_and_keep_their_sum() -> None:
    weights = growing_weights(PRESETS["gatys"].style_layers, 2)
    assert sum(weights.values()) == pytest.approx(5)
    ordered = list(weights.values())
    assert [b / a for a, b in itertools.pairwise(ordered)] == pytest.approx([2] * 4)
    with refused(ConfigError, "-1"):
        growing_weights(weights, -1)


# ----------------------------------------------------------------------------------------------------- starts


@pytest.mark.parametrize("name", NAMES)
def test_the_start_is_the_programs(name: str) -> None:
    mean = torch.tensor([124.0, 116.0, 104.0])[:, None, None]
    photo = torch.full((1, 3, 64, 64), 200.0)
    start = PRESETS[name].start.picture(photo, mean, seed=3)
    if name == "gatys":
        noise = (start - mean - 0.3 * (photo - mean)) / 0.7
        assert -20 <= noise.min() < -19.5
        assert 19.5 < noise.max() <= 20
    elif name == "neural-style":
        assert abs(float((start - mean).std()) - 0.256) < 0.01
        assert abs(float((start - mean).mean())) < 0.01
    else:
        assert 128 <= start.min() < 128.01
        assert 128.99 < start.max() <= 129
    assert torch.equal(start, PRESETS[name].start.picture(photo, mean, seed=3))
    assert not torch.equal(start, PRESETS[name].start.picture(photo, mean, seed=4))


def test_without_noise_the_start_is_the_picture_itself() -> None:
    photo, mean = torch.rand(1, 3, 16, 16) * 255, torch.full((3, 1, 1), 110.0)
    for name in NAMES:
        start = dataclasses.replace(PRESETS[name].start, share=0.0)
        assert torch.allclose(start.picture(photo, mean, 0), photo, atol=1e-4)
    with refused(ConfigError, "1.5"):
        dataclasses.replace(PRESETS["gatys"].start, share=1.5).picture(photo, mean, 0)


# ------------------------------------------------------------------------------------------- activation scale


def rescaled(network: LossNetwork, factors: Sequence[float]) -> dict[str, Tensor]:
    """Weights of the same network whose convolutions give `factors` times as much."""
    state = {key: value.clone() for key, value in network.state_dict().items()}
    keys = [key.removesuffix("weight") for key in state if key.endswith("weight")]
    before = 1.0
    for key, factor in zip(keys, factors, strict=True):
        state[f"{key}weight"] *= factor / before
        state[f"{key}bias"] *= factor
        before = factor
    return state


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_does_the_same_with_every_vgg_file(name: str, vgg19: Path, tmp_path: Path) -> None:
    """The loss of every iteration is the same whatever the scale of the file's activations."""
    preset = small(name, iterations=3)
    network = load_loss_network("vgg19", list(preset.style_layers), preset.pooling, vgg19)
    torch.save(rescaled(network, [0.03, 250.0, 4.0]), tmp_path / "other.pth")
    histories = [
        optimize_image(drawing(0), [Painting(drawing(1))], preset, weights=file, device="cpu").history
        for file in (vgg19, tmp_path / "other.pth")
    ]
    assert [p.loss for p in histories[0]] == pytest.approx([p.loss for p in histories[1]], rel=1e-2)


def test_oxfords_scale_changes_only_the_scale(vgg19: Path) -> None:
    names = ["conv1_1", "relu1_1", "pool1", "conv2_2", "relu2_2", "relu3_1"]
    before = load_loss_network("vgg19", names, weights=vgg19)
    after = load_loss_network("vgg19", names, weights=vgg19)
    to_oxford_scale(after)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    raw, scaled = before(images), after(images)
    for name in names:
        factors = (scaled[name] / raw[name])[raw[name].abs() > 0.1]
        assert torch.allclose(factors, factors.median().expand_as(factors), rtol=1e-3), name
    again = {key: value.clone() for key, value in after.state_dict().items()}
    to_oxford_scale(after)
    assert all(torch.allclose(value, again[key], rtol=1e-4) for key, value in after.state_dict().items())


def test_unmeasured_layers_have_a_level_too() -> None:
    assert reference_level("relu5_3") == reference_level("relu5_4") == reference_level("relu5_2") > 0


def test_a_file_that_lacks_a_layer_is_refused_by_its_name(random_vgg_weights: Path) -> None:
    with refused(WeightsError, random_vgg_weights, "conv4_3", "vgg19"):
        optimize_image(drawing(0), [Painting(drawing(1))], "normalized", weights=random_vgg_weights, device="cpu")


# ---------------------------------------------------------------------------------------------------- regions


def half(left: float, right: float) -> Tensor:
    mask = torch.full((SIZE[1], SIZE[0]), left)
    mask[:, SIZE[0] // 2 :] = right
    return mask


def test_a_white_mask_is_no_mask(vgg19: Path) -> None:
    preset = small("neural-style")
    network = network_of(preset, vgg19)
    x = pixels_of(drawing(2), SIZE, torch.device("cpu"))
    plain = objective_of(preset, network, [Painting(drawing(1))])(x)
    masked = objective_of(preset, network, [Painting(drawing(1), masks=[half(1, 1)]), Painting(drawing(3))])(x)
    assert values(masked) == pytest.approx(values(plain), rel=1e-4)


def test_guided_grams_are_sums_over_the_region(vgg19: Path) -> None:
    """sum(m F F^T) / sum(m) against each painting's, by the region's share: in numpy."""
    preset = dataclasses.replace(small("gatys"), style_layers={"relu1_2": 2.0}, content_layers={"relu1_1": 1.0})
    network = network_of(preset, vgg19)
    mask = half(1.0, 0.25)
    paintings = [Painting(drawing(1), weight=3, masks=[mask]), Painting(drawing(3), weight=0.5)]
    x = pixels_of(drawing(2), SIZE, torch.device("cpu"))
    f = activations(network, x, 255)["relu1_2"]
    expected = 0.0
    for m, seed, weight in ((mask.flatten().numpy(), 1, 3.0), (1 - mask.flatten().numpy(), 3, 1.0)):
        a = activations(network, pixels_of(drawing(seed), SIZE, torch.device("cpu")), 255)["relu1_2"]
        error = (f * m) @ f.T / m.sum() - a @ a.T / a.shape[1]
        expected += 2.0 * weight * m.mean() * (error**2).sum() / (4 * f.shape[0] ** 2)
    found = objective_of(preset, network, paintings)(x)
    assert float(found["style"]) == pytest.approx(expected, rel=1e-4)


def test_a_regions_style_pulls_only_there(vgg19: Path) -> None:
    preset = dataclasses.replace(small("gatys"), content_weight=0.0)
    x = pixels_of(drawing(2), SIZE, torch.device("cpu")).requires_grad_()
    objective = objective_of(preset, network_of(preset, vgg19), [Painting(drawing(1), masks=[half(1, 0)])])
    objective.total(objective(x)).backward()
    assert x.grad is not None
    assert x.grad[..., : SIZE[0] // 2 - 12].abs().min(1)[0].median() > 0
    assert float(x.grad[..., SIZE[0] // 2 + 12 :].abs().max()) == 0


def test_paintings_share_by_weight() -> None:
    one, other = drawing(1), drawing(3)
    assert recipe_of([Painting(one, 3), Painting(other, 1)]).base == {"0": 0.75, "1": 0.25}
    mask = half(1, 0)
    recipe = recipe_of([Painting(one, 2, masks=[mask]), Painting(other, 5)])
    assert recipe.base == {"1": 1.0}
    assert [(region.weights, region.mask is mask) for region in recipe.regions] == [({"0": 2}, True)]
    for bad in ([], [Painting(one, -1)], [Painting(one, scale=0)], [Painting(one, float("nan"))], [Painting(one, 0)]):
        with refused(ConfigError):
            recipe_of(bad)


def test_a_black_mask_and_an_uncovered_place_ask_for_nothing(vgg19: Path) -> None:
    preset = small("gatys")
    network = network_of(preset, vgg19)
    x = pixels_of(drawing(2), SIZE, torch.device("cpu"))
    content = pixels_of(drawing(0), SIZE, torch.device("cpu"))
    grams = {"0": painting_grams(preset, network, x + 20)}
    objective = PictureObjective(preset, network, content, grams, Recipe({}, [Region({"0": 1.0}, half(0, 0))]))
    assert float(objective(x)["style"]) == 0


# ------------------------------------------------------------------------------------------------------ sizes


def test_large_pictures_go_from_coarse_to_fine() -> None:
    assert sizes_of((512, 700)) == [(512, 700)]
    assert sizes_of((1024, 1500)) == [(512, 750), (1024, 1500)]
    assert sizes_of((3001, 1100)) == [(750, 275), (1500, 550), (3001, 1100)]
    assert sizes_of((100, 200), 3) == [(25, 50), (50, 100), (100, 200)]
    assert iterations_of(100, 3) == [100, 50, 25]
    assert iterations_of(1, 3) == [1, 1, 1]
    for scales in (0, -1, 5):
        with refused(ConfigError, scales, "100x200"):
            sizes_of((100, 200), scales)
    with refused(ConfigError, "0 iterations"):
        iterations_of(0, 1)


def test_scales_are_gone_through_and_the_result_has_the_photographs_size(vgg19: Path) -> None:
    seen: list[Step] = []
    content = drawing(0, (70, 64))
    result = optimize_image(
        content, [Painting(drawing(1))], small("neural-style", 4), scales=2, weights=vgg19, device="cpu",
        callback=seen.append,
    )  # fmt: skip
    assert [step.size for step in seen] == [(35, 32)] * 4 + [(70, 64)] * 2
    assert [step.iteration for step in seen] == [1, 2, 3, 4, 5, 6]
    assert {step.iterations for step in seen} == {6}
    assert result.iterations == 6
    assert result.picture.size == (70, 64)
    assert all(step.picture().size == (70, 64) for step in seen)


def test_too_small_pictures_are_refused(vgg19: Path) -> None:
    with refused(ImageError, "40x12"):
        optimize_image(drawing(0, (40, 12)), [Painting(drawing(1))], small("gatys"), weights=vgg19, device="cpu")
    with refused(ImageError, "too small"):
        optimize_image(drawing(0), [Painting(drawing(1), scale=0.1)], small("gatys"), weights=vgg19, device="cpu")
    with refused(ConfigError, "gatis", *NAMES):
        optimize_image(drawing(0), [Painting(drawing(1))], "gatis", weights=vgg19, device="cpu")


def test_a_way_to_keep_colours_that_does_not_exist_is_refused_before_the_loss_network_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'lumen'; valid are none, luma, histogram"):
        optimize_image(drawing(0), [Painting(drawing(1))], "gatys", weights=tmp_path / "gone", colors="lumen")


# --------------------------------------------------------------------------------------------- the whole thing


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_lowers_its_own_objective(name: str, vgg19: Path) -> None:
    """With its own layers and optimizer, on random weights."""
    preset = dataclasses.replace(with_network(PRESETS[name], "vgg19"), iterations=15)
    result = optimize_image(drawing(0), [Painting(drawing(1))], preset, weights=vgg19, device="cpu")
    start, end = result.history[0], result.minima[-1].best_point
    assert result.ended == "finished"
    assert result.iterations == 15
    assert end.iteration > 5
    if name == "normalized":  # a sum of logarithms: 10 times the logarithm of a style loss that is a third or less
        assert end.loss < start.loss - 10 * np.log(3)
    else:
        assert end.loss < 0.5 * start.loss


@pytest.mark.parametrize("name", ["gatys", "neural-style"])
def test_lbfgs_does_it_too(name: str, vgg19: Path) -> None:
    preset = dataclasses.replace(small(name, 10), settings=LBFGS())
    result = optimize_image(drawing(0), [Painting(drawing(1))], preset, weights=vgg19, device="cpu")
    assert result.minima[-1].best_point.loss < 0.3 * result.history[0].loss


def test_the_same_seed_gives_the_same_picture(vgg19: Path) -> None:
    def picture(seed: int) -> bytes:
        content, paintings = drawing(0), [Painting(drawing(1))]
        return optimize_image(
            content, paintings, small("gatys", 4), seed=seed, weights=vgg19, device="cpu"
        ).picture.tobytes()

    assert picture(1) == picture(1)
    assert picture(1) != picture(2)


def test_an_initial_picture_is_stretched_to_size(vgg19: Path) -> None:
    preset = small("neural-style")
    preset = dataclasses.replace(
        preset, start=dataclasses.replace(preset.start, share=0.0), settings=Adam(lr=1e-6), keep_best=False
    )
    initial = drawing(4, (80, 64))
    result = optimize_image(
        drawing(0), [Painting(drawing(1))], preset, initial=initial, weights=vgg19, device="cpu"
    ).picture
    expected = np.asarray(initial.resize(SIZE, Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(np.asarray(result).astype(int) - expected).max() <= 1


def test_colours_can_be_the_photographs(vgg19: Path) -> None:
    gray = drawing(0).convert("L").convert("RGB")
    result = optimize_image(
        gray, [Painting(drawing(1))], small("gatys", 3), colors="luma", weights=vgg19, device="cpu"
    ).picture
    assert np.ptp(np.asarray(result).astype(int), axis=2).max() <= 2


@pytest.mark.parametrize("scales", [1, 2])
def test_interruption_keeps_the_picture_reached(scales: int, vgg19: Path) -> None:
    pictures: list[Image.Image] = []

    def interrupt(step: Step) -> None:
        pictures.append(step.picture())
        if step.iteration == 3:
            signal.raise_signal(signal.SIGINT)

    result = optimize_image(
        drawing(0), [Painting(drawing(1))], small("gatys", 50), scales=scales, weights=vgg19, device="cpu",
        callback=interrupt,
    )  # fmt: skip
    assert result.ended == "stopped"
    assert result.iterations == len(pictures) == 3
    assert result.picture.size == SIZE
    assert result.picture.tobytes() == pictures[-1].tobytes()


def test_a_thread_that_no_signal_reaches_can_be_ended(vgg19: Path) -> None:
    seen: list[Step] = []
    results: list[Optimized] = []

    def work() -> None:
        result = optimize_image(
            drawing(0), [Painting(drawing(1))], small("gatys", 50), scales=2, weights=vgg19, device="cpu",
            callback=seen.append, stop=lambda: len(seen) == 3,
        )  # fmt: skip
        results.append(result)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    (result,) = results
    assert (result.ended, result.iterations) == ("stopped", 3)
    assert result.picture.tobytes() == seen[-1].picture().tobytes()


def test_numbers_out_of_range_are_refused_before_anything_is_computed() -> None:
    with refused(ConfigError, "all 0"):
        dataclasses.replace(PRESETS["gatys"], content_weight=0.0, style_weight=0.0)
    with refused(ConfigError, "-1.0", "0 or more"):
        dataclasses.replace(PRESETS["gatys"], style_weight=-1.0)
    for make in (Adam, LBFGS, Descent):
        with refused(ConfigError, "--lr", "above 0"):
            make(0.0)
    with refused(ConfigError, "--beta2", "below 1"):
        Adam(beta2=1.0)


def test_a_loss_that_runs_away_leaves_the_best_picture(vgg19: Path) -> None:
    preset = dataclasses.replace(small("gatys", 20), settings=Adam(lr=1e30))
    result = optimize_image(drawing(0), [Painting(drawing(1))], preset, weights=vgg19, device="cpu")
    assert result.ended == "not finite"
    assert result.minima[-1].best_point.iteration == 0
    start = preset.start.picture(
        pixels_of(drawing(0), SIZE, torch.device("cpu")), LossNetwork("vgg19", ["relu1_1"]).mean * 255, 0
    )
    assert np.abs(np.asarray(result.picture) - start[0].permute(1, 2, 0).clamp(0, 255).numpy()).max() <= 0.51


# ----------------------------------------------------------------------------------------------- real weights


def test_oxfords_own_weights_stay_as_they_are() -> None:
    network = load_loss_network("vgg19", ["relu5_2"])
    before = [m.weight.clone() for m in network.features if isinstance(m, nn.Conv2d)]
    to_oxford_scale(network)
    after = [m.weight for m in network.features if isinstance(m, nn.Conv2d)]
    assert all(torch.allclose(a, b, rtol=1e-3) for a, b in zip(after, before, strict=True))


@pytest.mark.real_weights
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_lowers_its_own_objective_on_a_real_pair(name: str) -> None:
    from skimage import data

    photograph = resize_short_side(Image.fromarray(data.coffee()), 64)
    painting = load_picture(Path(__file__).parents[1] / "data/samples/styles/swirls.jpg").rgb
    preset = dataclasses.replace(with_network(PRESETS[name], "vgg19"), iterations=25)
    result = optimize_image(photograph, [Painting(painting)], preset, device="cpu")
    start, end = result.history[0], result.minima[-1].best_point
    if name == "normalized":
        assert end.loss < start.loss - 10 * np.log(3)
    else:
        assert end.loss < 0.5 * start.loss
        assert end.terms["content"] < start.terms["content"]
