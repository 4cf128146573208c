"""The paper's own forms: a norm behind every filter, transposed convolutions, the long side of paintings, lambda."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import refused
from PIL import Image
from test_model import network, picture
from test_tiling import SAME, difference, mask, photograph, with_styles
from tiny import CHANNELS, config, paint, trainer
from torch import Tensor, nn

from stylebank.bank.io import load_bank
from stylebank.config import Architecture, BankConfig, ModelConfig
from stylebank.config_files import load_config
from stylebank.device import autocast
from stylebank.errors import ConfigError
from stylebank.evaluation.targets import load_styles
from stylebank.export.graphs import PictureGraph
from stylebank.export.layers import scaled_decoder
from stylebank.images import resize_side, to_tensor
from stylebank.losses.functional import gram
from stylebank.losses.objective import style_grams
from stylebank.losses.vgg import load_loss_network
from stylebank.network.fused import optimize_for_inference
from stylebank.network.layers import TransposedConv2d
from stylebank.network.model import StyleBank
from stylebank.styles import find_styles

PAPER = {"norm": "instance", "normalize_features": False, "upsample": "transposed", "post_norm": True}


def test_the_paper_s_configuration_builds_its_network() -> None:
    model = StyleBank(load_config(Path("paper")).architecture, ["one"])
    assert [type(layer).__name__ for layer in model.filters[0]] == ["ReflectConv2d", "InstanceNorm", "ReLU"]
    assert model.filters[0][0].bias is None
    strides = [layer.stride for layer in model.decoder.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert strides == [(2, 2), (2, 2)]
    data = load_config(Path("paper")).data
    assert (data.style_size, data.style_side) == (600, "long")


def test_old_banks_are_read_as_they_were() -> None:
    """Their records know nothing of these keys."""
    old = Architecture.model_validate({"model": {"norm": "pixel"}, "bank": {"depth": 1}})
    assert (old.model.upsample, old.bank.post_norm, old.bank.linear) == ("nearest", False, True)


def test_filters_with_a_norm_are_not_linear() -> None:
    assert not BankConfig(post_norm=True).linear
    assert not BankConfig(depth=2).linear


# ------------------------------------------------------------------------------------- transposed convolutions


def test_a_transposed_convolution_doubles_the_size_and_has_no_dark_edge() -> None:
    layer = TransposedConv2d(4, 5, 3, bias=False)
    out = layer(torch.ones(1, 4, 6, 7)).detach()
    assert out.shape == (1, 5, 12, 14)
    for rows, columns in ((0, 0), (0, 1), (1, 0), (1, 1)):  # each phase has one value, up to the outermost pixels
        phase = out[:, :, rows::2, columns::2]
        torch.testing.assert_close(phase, phase[:, :, :1, :1].expand_as(phase))


def test_it_starts_with_outputs_as_large_as_its_inputs() -> None:
    torch.manual_seed(0)
    block = StyleBank(Architecture(model=ModelConfig(norm="none", upsample="transposed"))).decoder.layers[0]
    x = torch.randn(2, 128, 12, 12).relu()
    out = block(x).detach()
    assert 0.5 < float(out.square().mean() / x.square().mean()) < 2


def test_the_margin_knows_of_it() -> None:
    """What lies `margin` pixels away from a stretch of whole strides changes nothing in it."""
    model = network(upsample="transposed", norm="pixel", normalize_features=False).double()
    margin, stride = model.margin, model.stride
    start = margin + 2 * stride
    image = picture(1, 3, 20, start + stride + margin + 2 * stride).double()
    changed = image.clone()
    changed[..., : start - margin] = 1 - changed[..., : start - margin]
    changed[..., start + stride + margin :] = 0
    outputs = [model.stylize(each, [0])[..., start : start + stride] for each in (image, changed)]
    assert torch.equal(*outputs)


# -------------------------------------------------------------------------------------------------- inference


@pytest.mark.parametrize("form", [PAPER, {"upsample": "transposed"}, {"post_norm": True, "noise_channels": 3}])
def test_the_network_for_inference_makes_the_same_pictures(form: dict[str, object]) -> None:
    model = network(styles=2, residual_blocks=1, **form)
    for images in (picture(2, 3, 33, 42), picture(2, 3, 16, 17)):
        fast = optimize_for_inference(model, torch.float32)
        for found, expected in (
            (fast.stylize(images, [1, 0]), model.stylize(images, [1, 0])),
            (fast.reconstruct(images), model.reconstruct(images)),
        ):
            assert (found - expected).abs().max() < 1e-4 * expected.std()
    low, exact = optimize_for_inference(model, torch.bfloat16).stylize(images, [1, 0]), model.stylize(images, [1, 0])
    with autocast(images.device, torch.bfloat16):
        plain = model.stylize(images, [1, 0]).float()
    assert (low - exact).abs().mean() < 2 * (plain - exact).abs().mean() + 1e-3 * exact.std()


@pytest.mark.parametrize("base", ["style0", {"style0": 0.3, "style2": 0.7}, {"style0": 0.3, "identity": 0.7}])
def test_tiles_make_the_same_picture(base: dict[str, float] | str) -> None:
    """Mixtures have statistics of their own, and so has each region."""
    with_ = with_styles(**PAPER)
    recipe = with_.recipe(base, alpha=0.8, masks={"style1": mask(33, 70)})
    assert difference(with_, photograph(75, 61), recipe, 24).max() < SAME


def test_a_mixture_sums_kernels_and_is_normalized_then() -> None:
    """The paper's equation 7, with the norm and the ReLU of its filters."""
    with_ = with_styles(**PAPER)
    source = to_tensor(photograph(50, 41))[None]
    mixed = with_.stylize(source, {"style0": 1, "style2": 3})
    model = network(styles=3, **PAPER)
    model.load_state_dict(with_.bank.model.state_dict())
    states = [model.filters[i].state_dict() for i in (0, 2)]
    model.filters[1].load_state_dict({key: 0.25 * value + 0.75 * states[1][key] for key, value in states[0].items()})
    torch.testing.assert_close(mixed, model.stylize(source, [1]).clamp(0, 1), atol=1e-4, rtol=0)
    outputs = [with_.stylize(source, name) for name in ("style0", "style2")]
    assert (mixed - (0.25 * outputs[0] + 0.75 * outputs[1])).abs().max() > 0.01


def test_weights_that_cancel_are_refused() -> None:
    with_ = with_styles(**PAPER)
    with refused(ConfigError, "sum to 0", "style0 1, style2 -1", "bank.post_norm"):
        with_.stylize(photograph(30, 30), {"style0": 1, "style2": -1}, raw_weights=True)
    linear = with_styles()
    linear.stylize(photograph(30, 30), {"style0": 1, "style2": -1}, raw_weights=True)


@pytest.mark.parametrize("norm", ["pixel", "instance", "none"])
def test_a_scaled_decoder_makes_the_same_of_scaled_features(norm: str) -> None:
    torch.manual_seed(0)
    form = ModelConfig(channels=CHANNELS, norm=norm, upsample="transposed")  # type: ignore[arg-type]
    model = StyleBank(Architecture(model=form)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    features = torch.randn(1, CHANNELS[2], 6, 7) * 100
    with torch.no_grad():
        expected, found = model.decoder(features), scaled_decoder(model.decoder, 1 / 64)(features / 64)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("scale", [1.0, 2.0**-6])
def test_an_exported_graph_makes_the_same_pictures(scale: float) -> None:
    model, images = network(residual_blocks=1, **PAPER), picture(1, 3, 33, 42)
    found = PictureGraph(model, "style0", torch.float32, scale)(images)
    torch.testing.assert_close(found, model.stylize(images, [0]).clamp(0, 1), atol=1e-4, rtol=0)


def test_an_export_has_no_filters_as_inputs() -> None:
    """A kernel and a bias are not all of such a filter."""
    pytest.importorskip("onnxscript")
    from stylebank.export.models import Form

    made = {post: Form(network(post_norm=post), torch.float32, 1.0, None).wiring() for post in (False, True)}
    assert {"apply", "regions"} <= set(made[False])
    assert set(made[True]) == {"encoder", "decoder"}


# --------------------------------------------------------------------------------------------------- paintings


def test_paintings_are_seen_at_the_side_that_is_asked_for(tmp_path: Path, random_vgg_weights: Path) -> None:
    (source,) = find_styles([paint(tmp_path / "paintings", "calm", size=(60, 40))])
    network_, layers = load_loss_network("vgg19", ["relu2_2"], weights=random_vgg_weights), ("relu2_2",)

    def by_hand(size: tuple[int, int]) -> Tensor:
        with Image.open(source.files[0]) as image:
            scaled = to_tensor(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))[None]
        return gram(network_(scaled)["relu2_2"])

    for side, size in (("short", (45, 30)), ("long", (30, 20))):
        found = style_grams(network_, [source], layers, 30, side)["relu2_2"]  # type: ignore[arg-type]
        torch.testing.assert_close(found, by_hand(size))
    with Image.open(source.files[0]) as image:
        assert [resize_side(image, 30, side).size for side in ("short", "long")] == [(45, 30), (30, 20)]  # type: ignore[arg-type]


def test_measures_see_paintings_as_the_training_did(tmp_path: Path, random_vgg_weights: Path) -> None:
    sources = find_styles([paint(tmp_path / "paintings", "calm", size=(60, 40))])
    settings = config("data.style_side=long", "data.style_size=36").style_settings()
    configs = {"calm": load_config(None, base=settings)}
    (style,) = load_styles(sources, configs, random_vgg_weights, torch.device("cpu"))
    assert style.tiled((24, 36)).shape == (1, 3, 24, 36)
    assert (style.size, style.side) == (36, "long")
    (asked,) = load_styles(sources, configs, random_vgg_weights, torch.device("cpu"), size=40)
    assert (asked.size, asked.side) == (40, "short")  # as the option says


# ----------------------------------------------------------------------------------------------------- training


@pytest.fixture
def run_of(photos: Path, tmp_path: Path, random_vgg_weights: Path) -> Callable[..., list[float]]:
    """The lengths of every step over the auto-encoder, by step."""

    def _lengths(name: str, *overrides: str) -> list[float]:
        styles = paint(tmp_path / "styles", "calm", "storm")
        fixed = ("data.held_out=0", "train.lr_schedule=constant", "train.warmup_steps=0", "train.steps=5")
        training = trainer(photos, styles, random_vgg_weights, tmp_path / name, *fixed, *overrides)
        before: list[Tensor] = []
        lengths: list[float] = []

        def update_begins(*_: object) -> None:
            before[:] = [p.detach().clone() for p in training.run.shared]

        def update_ends(*_: object) -> None:
            pairs = zip(training.run.shared, before, strict=True)
            lengths.append(torch.stack([(now - old).norm() for now, old in pairs]).norm().item())

        training.hooks.update_begins = update_begins  # type: ignore[method-assign]
        training.hooks.update_ends = update_ends  # type: ignore[method-assign]
        assert training.fit()
        return lengths

    return _lengths


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_lambda_counts_with_an_optimizer_of_its_own(run_of: Callable[..., list[float]], optimizer: str) -> None:
    """Steps 0 and 1 train the auto-encoder alone, step 4 is the first identity step that is weighted."""
    one, four = (
        run_of(f"{optimizer}{weight}", f"train.optimizer={optimizer}", f"train.identity_weight={weight}")
        for weight in (1, 4)
    )
    assert four[:4] == pytest.approx(one[:4])
    assert four[4] == pytest.approx(4 * one[4], rel=0.05)


def test_a_bank_of_the_paper_s_form_is_trained_and_read(photos: Path, tmp_path: Path, random_vgg_weights: Path) -> None:
    styles = paint(tmp_path / "styles", "calm", "storm")
    form = ("model.norm=instance", "model.normalize_features=false", "model.upsample=transposed", "bank.post_norm=true")
    training = trainer(photos, styles, random_vgg_weights, tmp_path / "run", *form, "data.style_side=long")
    assert training.fit()
    bank = load_bank(tmp_path / "run" / "bank")
    assert bank.manifest.architecture.bank.post_norm
    assert bank.manifest.architecture.model.upsample == "transposed"
    assert bank.records["calm"].settings["data"]["style_side"] == "long"
