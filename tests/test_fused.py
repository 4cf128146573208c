"""The network rebuilt for inference: the same pictures as the one it was made from, in either number format."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from test_model import NORMS, network, picture
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stylebank.config import Architecture, Norm
from stylebank.device import autocast
from stylebank.inference.blending import Recipe, Region, fuse, region_masks
from stylebank.network.chunked_norm import PiecewiseInstanceNorm, in_pieces
from stylebank.network.fused import Plain, optimize_for_inference
from stylebank.network.fused_layers import Mirror, QuadConv, UpsampledConv
from stylebank.network.layers import InstanceNorm, ReflectConv2d, ResidualBlock
from stylebank.network.model import MIN_SIDE, Decoder, Encoder, StyleBank

LEVEL = 1 / 255
ROUNDING = 5e-4  # of float32, in the order of sums that a processor has; relative to the spread, without norms as well


def difference(a: Tensor, b: Tensor) -> float:
    """The largest, relative to the spread of what is compared."""
    return float((a - b).abs().max() / b.std())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("piece_bytes", [1, 500, 2**40])
def test_same_pictures_in_float32(
    norm: Norm, normalize: bool, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stylebank.network.chunked_norm.PIECE_BYTES", piece_bytes)
    model = network(styles=2, norm=norm, normalize_features=normalize, depth=2, filter_norm=norm, residual_blocks=2)
    fast = optimize_for_inference(model, torch.float32)

    @given(st.integers(MIN_SIDE, 45), st.integers(MIN_SIDE, 45))
    def check(height: int, width: int) -> None:
        images = picture(2, 3, height, width)
        assert difference(fast.encode(images), model.encode(images)) < ROUNDING
        assert difference(fast.stylize(images, [1, 0]), model.stylize(images, [1, 0])) < ROUNDING
        assert difference(fast.reconstruct(images), model.reconstruct(images)) < ROUNDING

    check()


def shipped_size() -> StyleBank:
    """A network of the widths that are trained, at its starting weights: pictures neither black nor white."""
    torch.manual_seed(0)
    return StyleBank(Architecture(), ["a", "b"]).eval().requires_grad_(False)


def test_bfloat16_stays_within_a_level() -> None:
    model = shipped_size()
    images = F.interpolate(picture(1, 3, 12, 12), (96, 80), mode="bicubic").clamp(0, 1)
    fast = optimize_for_inference(model, torch.bfloat16)
    exact, out = model.stylize(images, [0]), fast.stylize(images, [0])
    assert fast.encode(images).dtype == torch.bfloat16
    assert out.dtype == torch.float32
    assert exact.std() > 10 * LEVEL
    assert (out - exact).abs().mean() < LEVEL


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("depth", [1, 2])
def test_fusion_works_with_it(dtype: torch.dtype, depth: int) -> None:
    model = network(styles=3, depth=depth, residual_blocks=depth - 1)
    fast = optimize_for_inference(model, dtype)
    mask = torch.linspace(0, 1, 40).expand(36, 40)
    regions = [Region({"style0": 0.4, "style1": 0.6}, mask), Region({"identity": 0.5, "style2": 0.5}, mask.flip(1))]
    recipe = Recipe({"style1": 1.0}, regions)
    images, masks = picture(1, 3, 36, 40), region_masks(recipe, (9, 10))
    outputs = []
    for each in (model, fast):
        features = each.encode(images)
        outputs.append(each.decode(fuse(each, features, each.normalize(features), recipe, masks), (36, 40)))
    exact, out = outputs
    assert (out - exact).abs().mean() / exact.std() < (1e-5 if dtype == torch.float32 else 0.05)


def test_the_original_is_left_as_it_was() -> None:
    model = network(styles=2)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    optimize_for_inference(model, torch.bfloat16)
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


def test_what_it_can_do_is_kept() -> None:
    model = network(styles=2).requires_grad_(True)
    model.identity_gain = 7.5
    fast = optimize_for_inference(model, torch.float32)
    assert (fast.names, fast.architecture, fast.identity_gain) == (model.names, model.architecture, 7.5)
    assert (fast.stride, fast.margin) == (model.stride, model.margin)
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    assert not fast.training


def operations(model: nn.Module, images: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        model(images)
    return counter.get_total_flops()


def test_there_is_less_to_do() -> None:
    """Folding takes away 5/9 of the two largest layers: a third of all, against which the margins are small."""
    model, images = shipped_size(), torch.zeros(1, 3, 256, 256)
    fast = optimize_for_inference(model, torch.float32)
    counts = []
    for each in (model, fast):
        each.forward = each.reconstruct  # type: ignore[method-assign]
        counts.append(operations(each, images))
    assert counts[1] < 0.75 * counts[0]


def test_tensors_stay_channels_last() -> None:
    fast, formats = optimize_for_inference(network(), torch.float32), []

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        formats.append(inputs[0].is_contiguous(memory_format=torch.channels_last))

    for module in fast.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(note)
    fast.stylize(picture(1, 3, 33, 42), [0])
    assert len(formats) == 3 + 1 + 3
    assert all(formats[:3] + formats[4:])  # the filter's input is padded by the convolution itself


# ------------------------------------------------------------------------------------- layers it does not know


class Bent(nn.Module):
    """A layer that no version of the network has."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 0.5).tanh()


class Gated(ResidualBlock):
    """A block of another kind, with a layer that takes one number format only."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, "pixel")
        self.gate = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x.mean((2, 3))).sigmoid()
        return x + gate[:, :, None, None] * self.layers(x)


class BentSequence(nn.Sequential):
    """Looks like a list of layers, and is none."""

    def forward(self, x: Tensor) -> Tensor:
        return Bent()(super().forward(x))


class BentEncoder(Encoder):
    """The same layers, used in another way."""

    def forward(self, images: Tensor) -> Tensor:
        return Bent()(super().forward(images))


class BentDecoder(Decoder):
    """The same layers, used in another way."""

    def forward(self, features: Tensor) -> Tensor:
        return Bent()(super().forward(features))


def _insert(layers: nn.Sequential, at: int) -> None:
    layers.insert(at, Bent())


STRANGE: dict[str, Callable[[StyleBank], object]] = {
    "a layer in the decoder": lambda model: _insert(model.decoder.layers, 3),
    "a layer in a decoder's block": lambda model: _insert(model.decoder.layers[1], 1),
    "a layer in the encoder": lambda model: _insert(model.encoder.layers, 2),
    "a layer in an encoder's block": lambda model: _insert(model.encoder.layers[2], 3),
    "another activation": lambda model: model.decoder.layers[3].__setitem__(-1, nn.LeakyReLU(0.3)),
    "another convolution": lambda model: model.decoder.layers.__setitem__(4, nn.Conv2d(6, 3, 9, padding=4)),
    "another kernel": lambda model: model.decoder.layers.__setitem__(4, ReflectConv2d(6, 3, 5)),
    "another normalization": lambda model: model.encoder.layers[1].__setitem__(1, nn.GroupNorm(2, 8)),
    "another block": lambda model: model.decoder.blocks.__setitem__(0, Gated(12)),
    "other blocks": lambda model: setattr(model.decoder, "blocks", BentSequence(*model.decoder.blocks)),
    "another filter": lambda model: model.filters.__setitem__(0, nn.Sequential(Gated(12), Bent())),
    "another normalization of the features": lambda model: setattr(model, "normalize", nn.GroupNorm(3, 12)),
    "another encoder": lambda model: setattr(model, "encoder", BentEncoder(model.architecture.model)),
    "another decoder": lambda model: setattr(model, "decoder", BentDecoder(model.architecture.model)),
}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_layers_it_does_not_know_stay_as_they_are(strange: str, norm: Norm) -> None:
    """The pictures are the plain network's, in either number format; from the strange network and from no other."""
    torch.manual_seed(0)
    ordinary = network(norm=norm, residual_blocks=2)
    model, images = copy.deepcopy(ordinary), F.interpolate(picture(1, 3, 5, 6), (33, 42), mode="bicubic").clamp(0, 1)
    stride, margin = model.stride, model.margin
    STRANGE[strange](model)
    model.requires_grad_(False)
    fast = optimize_for_inference(model, torch.float32)
    assert (fast.stride, fast.margin) == (stride, margin)
    for branch in ("stylize", "reconstruct"):
        styles = ([0],) if branch == "stylize" else ()
        expected, found = (getattr(each, branch)(images, *styles) for each in (model, fast))
        assert found.dtype == torch.float32
        assert difference(found, expected) < 1e-4
        if branch == "stylize":
            assert difference(found, ordinary.stylize(images, [0])) > 1e-2
    low = optimize_for_inference(model, torch.bfloat16)
    with autocast(images.device, torch.bfloat16):
        expected = model.stylize(images, [0]).float()
    features, found = low.encode(images), low.stylize(images, [0])
    assert (features.dtype, low.apply_filters(features, [0]).dtype) == (torch.bfloat16, torch.bfloat16)
    assert found.dtype == torch.float32
    exact = model.stylize(images, [0])
    assert (found - exact).abs().mean() < 2 * (expected - exact).abs().mean() + 1e-3 * exact.std()


def test_the_rest_is_rebuilt_around_a_layer_it_does_not_know() -> None:
    model = network(residual_blocks=2)
    STRANGE["another block"](model)
    fast = optimize_for_inference(model, torch.float32)
    kinds = [type(block).__name__ for block in fast.decoder.blocks]
    assert kinds == ["Convert", "Plain", "Residual"]
    assert any(isinstance(module, QuadConv) for module in fast.decoder.modules())
    assert not any(isinstance(module, Plain) for module in fast.encoder.modules())
    features = picture(1, 12, 8, 9)
    assert torch.equal(fast.decoder.blocks[1](features), model.decoder.blocks[0](features))


# --------------------------------------------------------------------------------------------- layer by layer


@given(st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_upsampled_convolution(height: int, width: int, bias: bool) -> None:
    conv = nn.Conv2d(5, 4, 3, bias=bias)
    x = torch.randn(2, 5, height, width)
    with torch.no_grad():
        large = F.interpolate(x, scale_factor=2.0, mode="nearest")
        expected = conv(F.pad(large, (1, 1, 1, 1), mode="reflect"))
        found = UpsampledConv(conv)(F.pad(x, (1, 1, 1, 1), mode="replicate"))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 30))
def test_normalization_in_pieces(dtype: torch.dtype, pictures: int, height: int, width: int) -> None:
    norm, x = InstanceNorm(5, affine=False), (3 * torch.randn(pictures, 5, height, width) + 7).to(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.network.chunked_norm.PIECE_BYTES", 1000)
        found = PiecewiseInstanceNorm(norm)(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found, norm(x), atol=1e-3 if dtype == torch.float32 else 0.02, rtol=0.01)


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 30), st.integers(1, 10_000))
def test_pieces_are_views_of_everything_once(pictures: int, height: int, width: int, piece_bytes: int) -> None:
    x, y = torch.zeros(pictures, 2, height, width), torch.zeros(pictures, 3, height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.network.chunked_norm.PIECE_BYTES", piece_bytes)
        for a, b in in_pieces(x, y):
            a.add_(1)
            b.add_(1)
            assert a.shape[2] == b.shape[2]
            assert a.shape[2] == 1 or a.numel() * 4 <= piece_bytes * torch.get_num_threads()
    assert torch.equal(x, torch.ones_like(x))
    assert torch.equal(y, torch.ones_like(y))


@pytest.mark.parametrize("size", [1, 3, 9])
@pytest.mark.parametrize("crop", [1, 2])
def test_four_pixels_at_a_time(size: int, crop: int) -> None:
    conv = nn.Conv2d(5, 3, size)
    x = torch.randn(2, 5, size + 11, size + 15)
    with torch.no_grad():
        expected = conv(x)[:, :, crop:-crop, crop:-crop]
        found = QuadConv(conv, crop)(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("mode", "repeat"), [("reflect", False), ("replicate", True)])
@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 0), (0, 2)])
def test_mirror_equals_padding(mode: str, repeat: bool, before: int, after: int) -> None:
    inside = torch.randn(1, 2, 6, 5)
    expected = F.pad(inside, (before, after, before, after), mode=mode)
    x = F.pad(inside, (before + 1 if before else 0, after + 1 if after else 0) * 2, value=9.0)
    Mirror(before + 1 if before else 0, after + 1 if after else 0, 2, repeat)(x)
    rows, columns = (slice(1 if before else 0, -1 if after else None) for _ in range(2))
    assert x[:, :, rows, columns].equal(expected)
