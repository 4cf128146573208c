"""Weights converted all at once for a step: what autocast does one by one, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from stylebank.config import Architecture, BankConfig, ModelConfig
from stylebank.device import autocast, place
from stylebank.network import lowered as module
from stylebank.network.layers import ReflectConv2d, several_convolutions
from stylebank.network.lowered import lowered
from stylebank.network.model import StyleBank

CPU = torch.device("cpu")
STYLES = (2, 0, 2)
FORMS = {
    "pixel": Architecture(model=ModelConfig(channels=(8, 8, 16), norm="pixel", residual_blocks=1)),
    "noise": Architecture(
        model=ModelConfig(channels=(8, 8, 16), norm="pixel", residual_blocks=0), bank=BankConfig(noise_channels=2)
    ),
    "paper": Architecture(
        model=ModelConfig(channels=(8, 8, 16), norm="instance", upsample="transposed", residual_blocks=0),
        bank=BankConfig(post_norm=True),
    ),
    "deep": Architecture(
        model=ModelConfig(channels=(8, 8, 16), norm="none", residual_blocks=0), bank=BankConfig(depth=2, width=8)
    ),
}


def bank(form: str) -> StyleBank:
    torch.manual_seed(0)
    made = place(StyleBank(FORMS[form], ["a", "b", "c"]), CPU)
    for parameter in made.parameters():  # norms that start at 0 hide what is before them
        parameter.data.add_(0.1 * torch.rand_like(parameter))
    return made


@contextmanager
def converted(network: StyleBank, at_once: bool, dtype: torch.dtype = torch.bfloat16) -> Iterator[None]:
    modules = [network.encoder, network.decoder, *(network.filters[i] for i in STYLES)] if at_once else []
    with autocast(CPU, dtype), lowered(modules, dtype):
        yield


def passed(network: StyleBank, at_once: bool, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    """The outputs, and the gradient of every parameter that has one."""
    network.zero_grad(set_to_none=True)
    images = torch.rand(3, 3, 20, 16, generator=torch.Generator().manual_seed(1))
    with converted(network, at_once, dtype):
        outputs = network.stylize(images, STYLES)
    outputs.float().square().mean().backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"outputs": outputs.detach(), **gradients}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_outputs_and_gradients_are_those_of_autocast(form: str, dtype: torch.dtype) -> None:
    network = bank(form)
    before = dict(network.named_parameters())
    expected, found = (passed(network, at_once, dtype) for at_once in (False, True))
    assert found.keys() == expected.keys()
    assert {name.split(".")[1] for name in found if name.startswith("filters")} == {"0", "2"}
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
        assert found[name].dtype == value.dtype, name
    after = dict(network.named_parameters())
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize("trained", ["filters", "decoder"])
def test_what_does_not_train_gets_no_gradient(trained: str) -> None:
    network = bank("pixel").requires_grad_(False)
    getattr(network, trained).requires_grad_(True)
    expected, found = (passed(network, at_once) for at_once in (False, True))
    assert found.keys() == expected.keys()
    assert all(name == "outputs" or name.startswith(trained) for name in found)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_error_leaves_the_weights_as_they_were() -> None:
    network = bank("pixel")
    with pytest.raises(RuntimeError, match="channels"), converted(network, at_once=True):
        network.encode(torch.rand(1, 4, 16, 16))
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    assert all(isinstance(parameter, nn.Parameter) for parameter in network.parameters())
    assert len(list(network.parameters())) == len(list(bank("pixel").parameters()))


def test_the_last_layer_stays_where_it_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    network = bank("pixel")
    for ahead in (False, True):
        monkeypatch.setattr(module, "runs_ahead", lambda device, ahead=ahead: ahead)
        with converted(network, at_once=True):
            kinds = {layer.weight.dtype for layer in network.decoder.layers[-1:].modules() if hasattr(layer, "exact")}
        assert kinds == {torch.float32 if ahead else torch.bfloat16}


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolutions_of_a_batch_are_those_of_each_layer(size: int) -> None:
    """One product or one after the other; gradients lie in memory as the kernels do, so that nothing copies them."""
    torch.manual_seed(0)
    layers = [ReflectConv2d(6, 5, size).to(memory_format=torch.channels_last) for _ in range(3)]
    x = torch.randn(3, 6, 9, 7).to(memory_format=torch.channels_last).requires_grad_()
    parameters = list(chain.from_iterable(layer.parameters() for layer in layers))
    whole = torch.cat([layer(x[i : i + 1]) for i, layer in enumerate(layers)])
    weights = torch.randn(whole.shape)
    expected = torch.autograd.grad((whole * weights).sum(), [x, *parameters])
    for at_once in (False, True):
        out = several_convolutions(x, [each.weight for each in layers], [each.bias for each in layers], at_once)
        torch.testing.assert_close(out, whole, rtol=1e-5, atol=1e-5)
        found = torch.autograd.grad((out * weights).sum(), [x, *parameters])
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        for gradient, parameter in zip(found[1:], parameters, strict=True):
            if size > 1:
                assert gradient.stride() == parameter.stride()
