"""The network: sizes, borders, stripes, what is linear, what is local, and what stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from stylebank.config import Architecture, BankConfig, ModelConfig, Norm
from stylebank.network.layers import InstanceNorm, NearestUpsample, PixelNorm, ReflectConv2d
from stylebank.network.model import MIN_SIDE, Decoder, StyleBank
from stylebank.styles import StyleSource
from stylebank.training.task import Task

NORMS: tuple[Norm, ...] = get_args(Norm)
REACH = 28  # pixels beyond which nothing in a picture can matter: the sum of all kernels' radii, in pixels


def architecture(**keys: object) -> Architecture:
    """A small one, changed by keys of both sections of the configuration; the filters' norm is `filter_norm`."""
    bank_keys = ("kernel_size", "depth", "width", "filter_norm", "noise_channels", "post_norm")
    of_bank = {key: keys.pop(key) for key in bank_keys if key in keys}
    if "filter_norm" in of_bank:
        of_bank["norm"] = of_bank.pop("filter_norm")
    model, bank = {"channels": (6, 8, 12)} | keys, {"width": 10} | of_bank
    return Architecture(model=ModelConfig.model_validate(model), bank=BankConfig.model_validate(bank))


def network(seed: int = 0, styles: int = 1, **keys: object) -> StyleBank:
    """A small network of which no weight is at its starting value: no bias is zero, no filter an identity."""
    torch.manual_seed(seed)
    model = StyleBank(architecture(**keys), [f"style{i}" for i in range(styles)])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def both_branches(model: StyleBank) -> dict[str, Callable[[Tensor], Tensor]]:
    return {"identity": model.reconstruct, "stylizing": lambda images: model.stylize(images, [0] * len(images))}


# ---------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_output_has_the_size_of_the_input(norm: Norm, depth: int) -> None:
    model = network(norm=norm, filter_norm=norm, depth=depth)

    @given(st.integers(MIN_SIDE, 49), st.integers(MIN_SIDE, 49))
    def check(height: int, width: int) -> None:
        for branch in both_branches(model).values():
            assert branch(torch.zeros(1, 3, height, width)).shape == (1, 3, height, width)

    check()


def test_smallest_picture_passes_the_largest_kernel() -> None:
    images = picture(1, 3, MIN_SIDE, MIN_SIDE)
    assert network(kernel_size=7).stylize(images, [0]).shape == images.shape


def test_features_are_a_quarter_of_the_size_rounded_up() -> None:
    assert network().encode(picture(2, 3, 33, 40)).shape == (2, 12, 9, 10)


@pytest.mark.parametrize(("kernel", "depth", "blocks"), [(1, 1, 0), (3, 1, 0), (3, 3, 2), (7, 2, 1)])
def test_a_network_knows_its_stride_and_how_far_it_sees(kernel: int, depth: int, blocks: int) -> None:
    """What lies `margin` pixels away from a stretch of whole strides changes nothing in it; what is nearer does."""
    keys = {"norm": "pixel", "normalize_features": False, "filter_norm": "pixel"}
    model = network(kernel_size=kernel, depth=depth, residual_blocks=blocks, **keys).double()
    stride, margin = model.stride, model.margin
    assert stride == 4
    assert margin % stride == 0
    start = margin + 2 * stride
    image = picture(1, 3, 20, start + stride + margin + 2 * stride).double()
    outputs = []
    for first in (start - margin, start - margin + stride):  # all that is needed, and four columns less
        changed = image.clone()
        changed[..., :first] = 1 - changed[..., :first]
        changed[..., start + stride + margin :] = 0
        difference = (model.stylize(changed, [0]) - model.stylize(image, [0])).abs()
        outputs.append(float(difference[..., start : start + stride].max()))
    assert outputs[0] == 0
    assert outputs[1] > 0


def test_the_margin_is_that_of_the_layers_and_costs_no_memory() -> None:
    assert [network(kernel_size=size).margin for size in (1, 3, 5, 7)] == [16, 20, 24, 28]
    assert network(residual_blocks=2).margin == network().margin + 4 * 4
    with torch.device("meta"):
        huge = StyleBank(architecture(channels=(2**16, 2**16, 2**16)), ["a"])
    assert huge.margin == network().margin


def test_the_first_filters_widen_the_margin() -> None:
    model = network(styles=0)
    before = model.margin
    model.add_filters(["a"])
    assert model.margin == network().margin > before


# ------------------------------------------------------------------------------- no checkerboard, no border


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("normalize", [True, False])
def test_flat_picture_stays_flat_up_to_the_border(norm: Norm, normalize: bool) -> None:
    model = network(norm=norm, normalize_features=normalize)
    flat = torch.tensor([0.2, 0.6, 0.9])[:, None, None].expand(1, 3, 45, 58)
    for branch in both_branches(model).values():
        out = branch(flat)
        assert (out - out[:, :, :1, :1]).abs().max() < 1e-4


def stripes(period: int, width: int, height: int) -> Tensor:
    """Vertical stripes (1, 3, height, width), their own mirror image about column 0."""
    x = torch.arange(width) % period
    bars = ((x - period // 2).abs() <= period // 4).float()
    return torch.stack([0.2 + 0.6 * bars, 0.7 - 0.3 * bars, 0.4 + 0.1 * bars])[None, :, None].repeat(1, 1, height, 1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("period", [8, 16])
@pytest.mark.parametrize("turned", [False, True])
def test_stripes_stay_stripes(norm: Norm, period: int, turned: bool) -> None:
    """Nothing varies along them, borders included; across them there is their own period and no other."""
    model = network(norm=norm)
    width = 4 * REACH + 2 * period
    image = stripes(period, width - width % period, 41)
    for branch in both_branches(model).values():
        out = branch(image.transpose(2, 3)).transpose(2, 3) if turned else branch(image)
        assert (out - out[:, :, :1]).abs().max() < 1e-4
        across = out[0, :, 0, REACH:-REACH]
        assert (across[:, period:] - across[:, :-period]).abs().max() < 1e-4
        assert across.std(1).max() > 1e-3  # the stripes are there at all


def test_zero_padding_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measure used above does find the border that zero padding leaves."""
    model = network()
    monkeypatch.setattr(ReflectConv2d, "forward", nn.Conv2d.forward)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "zeros"
    out = model.stylize(stripes(16, 128, 41), [0])
    assert (out - out[:, :, :1]).abs().max() > 0.05


def test_a_changed_corner_stays_local() -> None:
    """Without instance normalization nothing reaches further than the kernels do."""
    model = network(norm="pixel", normalize_features=False)
    image = picture(1, 3, 72, 76)
    changed = image.clone()
    changed[:, :, :4, :4] = 1 - changed[:, :, :4, :4]
    difference = (model.stylize(image, [0]) - model.stylize(changed, [0])).abs().amax((0, 1))
    assert difference[:4, :4].max() > 1e-4
    assert difference[REACH + 4 :].max() == 0
    assert difference[:, REACH + 4 :].max() == 0


# -------------------------------------------------------------------------------------------- normalization


@pytest.mark.parametrize("norm", ["pixel", "none"])
@given(height=st.integers(5, 10), width=st.integers(5, 10))
def test_beyond_its_edges_the_encoder_sees_the_picture_mirrored(norm: Norm, height: int, width: int) -> None:
    """What it makes of a picture's edges is what it makes of the same places inside a larger, mirrored picture."""
    model, images = network(norm=norm), picture(1, 3, 4 * height, 4 * width)
    larger = model.encode(nn.functional.pad(images, (16,) * 4, mode="reflect"))
    torch.testing.assert_close(model.encode(images), larger[:, :, 4:-4, 4:-4], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [InstanceNorm, PixelNorm, lambda n: InstanceNorm(n, affine=False)])
def test_gradients_of_normalization(make: Callable[[int], nn.Module]) -> None:
    torch.manual_seed(0)
    module = make(3).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))


def test_instance_norm_equals_torch() -> None:
    x = picture(2, 5, 9, 7) * 3 + 1
    assert torch.allclose(InstanceNorm(5)(x), nn.functional.instance_norm(x), atol=1e-5)


def test_pixel_norm_gives_unit_root_mean_square_everywhere() -> None:
    out = PixelNorm(6)(torch.randn(2, 6, 5, 5, generator=torch.Generator().manual_seed(0)) * 50)
    assert torch.allclose(out.square().mean(1), torch.ones(2, 5, 5), atol=1e-3)


def test_pixel_norm_is_local() -> None:
    norm = PixelNorm(6)
    x = picture(1, 6, 5, 5)
    changed = x.clone()
    changed[:, :, 2, 3] *= -40
    same = torch.ones(5, 5, dtype=torch.bool)
    same[2, 3] = False
    before, after = norm(x), norm(changed)
    assert torch.equal(before[..., same], after[..., same])
    assert not torch.allclose(before[..., 2, 3], after[..., 2, 3])


@pytest.mark.parametrize("make", [InstanceNorm, PixelNorm])
def test_half_precision_does_not_overflow(make: Callable[[int], nn.Module]) -> None:
    x = picture(1, 4, 6, 6) * 6e4  # squares are far beyond float16
    out = make(4)(x.half())
    assert out.dtype == torch.float16
    assert torch.allclose(out.float(), make(4)(x), atol=0.02)


def test_pixel_norm_in_bfloat16_is_that_in_float32_rounded() -> None:
    """Values and all gradients."""
    torch.manual_seed(0)
    norm, x, weights = PixelNorm(16), torch.randn(2, 16, 8, 8), torch.randn(2, 16, 8, 8)
    nn.init.normal_(norm.weight)
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        source = x.to(torch.bfloat16).to(dtype).requires_grad_(True)
        out = norm(source)
        gradients = torch.autograd.grad((out.float() * weights).sum(), (source, norm.weight, norm.bias))
        results.append([out.float(), *(gradient.float() for gradient in gradients)])
    for exact, rounded in zip(*results, strict=True):
        assert (exact - rounded).norm() < 0.01 * exact.norm()


# ------------------------------------------------------------------------------------- padding, upsampling


@pytest.mark.parametrize("module", [NearestUpsample(), ReflectConv2d(4, 4, 3)])
def test_autocast_converts_nothing_back(module: nn.Module) -> None:
    """What goes in as bfloat16 is saved for the gradient as that, not as float32."""
    saved: list[torch.dtype] = []

    def note(tensor: Tensor) -> Tensor:
        saved.append(tensor.dtype)
        return tensor

    x = torch.zeros(1, 4, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        assert module(x).dtype == torch.bfloat16
    assert set(saved) <= {torch.bfloat16}


# ------------------------------------------------------------------------------------------ residual blocks


@pytest.mark.parametrize("norm", NORMS)
def test_residual_blocks_start_as_the_identity(norm: Norm) -> None:
    torch.manual_seed(0)
    shallow = Decoder(ModelConfig(channels=(4, 6, 8), norm=norm))
    deep = Decoder(ModelConfig(channels=(4, 6, 8), norm=norm, residual_blocks=2))
    assert len(deep.blocks) == 2
    deep.layers.load_state_dict(shallow.layers.state_dict())
    features = picture(1, 8, 5, 6)
    assert torch.equal(deep(features), shallow(features))
    deep(features).square().sum().backward()
    for block in deep.blocks:  # and each of them learns from there
        assert any(p.grad is not None and bool(p.grad.any()) for p in block.parameters())


# -------------------------------------------------------------------------------------------------- filters


def test_summed_kernels_equal_summed_outputs() -> None:
    """The paper's linear fusion: a filter whose weights are a mix of filters gives the mix of their outputs."""
    model = network(styles=3).double()
    features = picture(1, 12, 9, 11).double()
    shares = torch.tensor([0.5, 0.8, -0.3], dtype=torch.float64)
    outputs = torch.stack([model.apply_filters(features, [i]) for i in range(3)])
    states = [module.state_dict() for module in model.filters]
    fused = network(styles=1).double()
    fused.filters[0].load_state_dict({k: sum(w * s[k] for w, s in zip(shares, states, strict=True)) for k in states[0]})
    assert torch.allclose(fused.apply_filters(features, [0]), torch.einsum("n,nbchw->bchw", shares, outputs))


@pytest.mark.parametrize("norm", NORMS)
def test_each_image_of_a_batch_gets_its_own_style(norm: Norm) -> None:
    model = network(styles=3, norm=norm, depth=2, filter_norm=norm)
    images, styles = picture(4, 3, 24, 21), [2, 0, 2, 1]
    together = model.stylize(images, styles)
    for i, style in enumerate(styles):
        assert torch.allclose(together[i : i + 1], model.stylize(images[i : i + 1], [style]), atol=1e-5)
    other = model.stylize(images[:1], [0])
    assert not torch.allclose(together[:1], other, atol=1e-2)


def test_a_batch_of_one_style_equals_one_by_one() -> None:
    model = network(styles=2)
    images = picture(3, 3, 20, 20)
    one_by_one = torch.cat([model.stylize(images[i : i + 1], [1]) for i in range(3)])
    assert torch.allclose(model.stylize(images, [1, 1, 1]), one_by_one, atol=1e-5)


def test_added_filters_leave_everything_else_as_it_was() -> None:
    model = network(styles=2)
    images = picture(1, 3, 20, 24)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    before = [model.stylize(images, [i]) for i in range(2)]
    model.add_filters(["new"])
    assert model.names == ["style0", "style1", "new"]
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())
    assert all(torch.equal(model.stylize(images, [i]), out) for i, out in enumerate(before))
    assert not torch.equal(model.stylize(images, [2]), before[0])


def test_frozen_weights_get_no_gradient_and_do_not_move() -> None:
    model = network(styles=2).requires_grad_(True)
    model.add_filters(["new"])
    task = Task(model, [StyleSource("new", ())], bank=Path("a task with a bank trains only what is new"))
    old = {key: value.clone() for key, value in model.state_dict().items() if not key.startswith("filters.2.")}
    trainable = task.freeze()
    assert {id(p) for p in trainable} == {id(p) for p in model.filters[2].parameters()}
    optimizer = torch.optim.Adam(trainable, lr=0.1, weight_decay=0.1)
    model.stylize(picture(2, 3, 16, 16), [2, 0]).square().mean().backward()
    frozen = [p for p in model.parameters() if not any(p is q for q in trainable)]
    assert all(p.grad is None for p in frozen)
    new = model.filters[2].state_dict()["0.weight"].clone()
    optimizer.step()
    assert all(torch.equal(model.state_dict()[key], value) for key, value in old.items())
    assert not torch.equal(model.filters[2].state_dict()["0.weight"], new)


def test_a_new_linear_filter_starts_as_a_faint_copy() -> None:
    """Its output follows its input channel by channel, so that the first pictures show the photograph."""
    torch.manual_seed(0)
    model = StyleBank(Architecture(model=ModelConfig(channels=(8, 16, 32))), ["a"]).eval()
    features = model.normalize(model.encode(picture(1, 3, 48, 48)))
    out = model.apply_filters(model.encode(picture(1, 3, 48, 48)), [0])
    pairs = torch.stack([features.detach().flatten(2)[0], out.detach().flatten(2)[0]], 1)
    alive = features.flatten(2)[0].std(1) > 0.1
    correlations = torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs[alive]])
    assert alive.sum() > 16
    assert correlations.median() > 0.8
