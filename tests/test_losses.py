"""The loss terms: against naive arithmetic, per image, differentiable, and free of the loss network's scale."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stylebank.losses.functional import content_loss, gram, identity_loss, style_distance, style_loss, total_variation

Double = torch.float64


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# ---------------------------------------------------------------------------------------------------- Grams


def test_gram_equals_a_naive_loop() -> None:
    features = noise(2, 3, 4, 5)
    expected = torch.zeros(2, 3, 3)
    for b in range(2):
        for i in range(3):
            for j in range(3):
                for y in range(4):
                    for x in range(5):
                        expected[b, i, j] += features[b, i, y, x] * features[b, j, y, x] / 20
    assert torch.allclose(gram(features), expected, atol=1e-6)


def test_gram_does_not_mix_the_images_of_a_batch() -> None:
    features = noise(3, 4, 5, 5)
    alone = torch.cat([gram(features[i : i + 1]) for i in range(3)])
    assert torch.allclose(gram(features), alone, atol=1e-6)
    changed = features.clone()
    changed[1] = 100
    assert torch.equal(gram(changed)[[0, 2]], gram(features)[[0, 2]])


def test_gram_does_not_depend_on_the_size_of_a_repeated_texture() -> None:
    tile = noise(1, 4, 6, 6)
    assert torch.allclose(gram(tile), gram(tile.repeat(1, 1, 3, 2)), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gram_of_half_precision_is_float32_and_finite(dtype: torch.dtype) -> None:
    features = noise(1, 4, 8, 8) * 1000  # squares are beyond float16
    result = gram(features.to(dtype))
    assert result.dtype == torch.float32
    assert torch.allclose(result, gram(features.to(dtype).float()))


def test_gradient_of_the_gram() -> None:
    features = noise(2, 3, 4, 5, dtype=Double).requires_grad_(True)
    assert torch.autograd.gradcheck(gram, features)


def test_gradient_of_the_gram_in_bfloat16_is_that_in_float32_rounded() -> None:
    features, weights = noise(2, 8, 16, 16).bfloat16(), noise(2, 8, 8, seed=1)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        source = features.to(dtype).requires_grad_(True)
        gradients.append(torch.autograd.grad((gram(source) * weights).sum(), source)[0].float())
    assert (gradients[1] - gradients[0]).norm() < 0.01 * gradients[0].norm()


@pytest.mark.parametrize("channels_last", [False, True])
def test_gram_does_not_depend_on_the_order_in_memory(channels_last: bool) -> None:
    features = noise(2, 8, 6, 5)
    order = torch.channels_last if channels_last else torch.contiguous_format
    expected = torch.einsum("bchw,bdhw->bcd", features, features) / 30
    assert torch.allclose(gram(features.contiguous(memory_format=order)), expected, atol=1e-6)


def test_gram_leaves_the_precision_of_other_products_alone() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    gram(noise(1, 4, 4, 4).bfloat16())
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_gram_stays_float32_under_autocast() -> None:
    features = noise(1, 16, 12, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = gram(features)
        distance = style_distance(result, gram(noise(1, 16, 12, 12, seed=1)))
    assert result.dtype == distance.dtype == torch.float32
    assert torch.equal(result, gram(features))  # no bit was lost on the way


# ------------------------------------------------------------------------------------- per image, no mixing


def terms(images: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Every term of a batch, of activations or pictures (B, 3, H, W)."""
    return {
        "style": style_loss({"a": images}, {"a": gram(targets)}),
        "content": content_loss({"a": images}, {"a": targets}, ["a"]),
        "tv": total_variation(images),
        "identity": identity_loss(images, targets),
    }


def test_every_term_is_per_image() -> None:
    images, targets = noise(3, 3, 8, 8), noise(3, 3, 8, 8, seed=1)
    for name, values in terms(images, targets).items():
        assert values.shape == (3,), name
        for i in range(3):
            alone = terms(images[i : i + 1], targets[i : i + 1])[name]
            assert torch.allclose(values[i : i + 1], alone, rtol=1e-5), name


def test_terms_are_zero_at_their_targets_and_only_there() -> None:
    images = noise(2, 3, 8, 8)
    at_target, elsewhere = terms(images, images), terms(images, noise(2, 3, 8, 8, seed=1))
    for name in ("style", "content", "identity"):
        assert at_target[name].max() < 1e-5, name
        assert elsewhere[name].min() > 0.01, name


def test_one_target_serves_a_whole_batch() -> None:
    grams, target = gram(noise(3, 4, 6, 6)), gram(noise(1, 4, 6, 6, seed=1))
    assert torch.equal(style_distance(grams, target), style_distance(grams, target.repeat(3, 1, 1)))


def test_layers_are_averaged() -> None:
    features = {"a": noise(2, 3, 8, 8), "b": noise(2, 5, 4, 4)}
    targets = {"a": noise(2, 3, 8, 8, seed=1), "b": noise(2, 5, 4, 4, seed=1)}
    grams = {name: gram(value) for name, value in targets.items()}
    each = [style_loss(features, {name: grams[name]}) for name in grams]
    assert torch.allclose(style_loss(features, grams), (each[0] + each[1]) / 2)
    each = [content_loss(features, targets, [name]) for name in targets]
    assert torch.allclose(content_loss(features, targets, ["a", "b"]), (each[0] + each[1]) / 2)


# ---------------------------------------------------------------------------------------------------- scale


@pytest.mark.parametrize("scale", [1e-3, 7.0, 500.0])
def test_style_and_content_do_not_depend_on_the_scale_of_activations(scale: float) -> None:
    images, targets = noise(2, 3, 8, 8), noise(2, 3, 8, 8, seed=1)
    before, after = terms(images, targets), terms(scale * images, scale * targets)
    for name in ("style", "content"):
        assert torch.allclose(before[name], after[name], rtol=1e-4), name


def test_relative_distances_have_their_analytic_values() -> None:
    features = noise(1, 3, 8, 8)
    assert content_loss({"a": 3 * features}, {"a": features}, ["a"]).item() == pytest.approx(4)
    assert style_distance(3 * gram(features), gram(features)).item() == pytest.approx(2)


# ------------------------------------------------------------------------------------- total variation, identity


def test_total_variation_of_a_flat_picture_is_zero() -> None:
    assert total_variation(torch.full((2, 3, 9, 7), 0.3)).tolist() == [0, 0]


@pytest.mark.parametrize("turned", [False, True])
def test_total_variation_of_stripes_is_analytic(turned: bool) -> None:
    """One-pixel stripes of contrast 0.5: every horizontal pair differs by 0.5, no vertical one; 0.25 for two pixels."""
    one = torch.tensor([0.2, 0.7]).repeat(8)[None, None, None].expand(1, 3, 10, 16)
    two = torch.tensor([0.2, 0.2, 0.7, 0.7]).repeat(4)[None, None, None, :-1].expand(1, 3, 10, 15)
    for image, expected in ((one, 0.5), (two, 0.25)):
        value = total_variation(image.transpose(2, 3) if turned else image)
        assert value.item() == pytest.approx(expected)


def test_identity_loss_is_the_mean_squared_error() -> None:
    image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert identity_loss(image, image + 0.1).item() == pytest.approx(0.01, rel=1e-4)


def test_half_precision_outputs_are_compared_in_float32() -> None:
    image = torch.full((1, 3, 4, 4), 0.5)
    value = identity_loss(image, (image + 1 / 256).bfloat16())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(1 / 256**2)


# ------------------------------------------------------------------------------------------------ gradients

TARGET = noise(2, 3, 5, 4, seed=1, dtype=Double)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: style_loss({"a": x}, {"a": gram(TARGET)}),
        lambda x: style_distance(x.flatten(2), TARGET.flatten(2)),
        lambda x: content_loss({"a": x}, {"a": TARGET}, ["a"]),
        total_variation,
        lambda x: identity_loss(TARGET, x),
        gram,
    ],
    ids=["style", "style_distance", "content", "tv", "identity", "gram"],
)
def test_gradients(loss: Callable[[Tensor], Tensor]) -> None:
    x = noise(2, 3, 5, 4, dtype=Double).requires_grad_()
    assert torch.autograd.gradcheck(loss, (x,))


def test_gradients_are_finite_at_the_target() -> None:
    """A square root has an endless slope at zero; the style distance must not."""
    x = noise(1, 3, 5, 5).requires_grad_()
    style_loss({"a": x}, {"a": gram(x.detach())}).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_black_targets_give_finite_terms() -> None:
    black = torch.zeros(1, 3, 8, 8)
    assert all(value.isfinite().all() for value in terms(noise(1, 3, 8, 8), black).values())
