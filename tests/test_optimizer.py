"""The optimizers: orthogonal steps for kernels, Adam's for the rest, and states that can be taken up again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from stylebank.training import stacked_muon
from stylebank.training.optimizer import KernelMuon, Optimizer, adam, load_state, make_optimizer
from stylebank.training.stacked_muon import StackedMuon, stacks

LR = 0.01


def network(seed: int = 0) -> nn.Sequential:
    """Colours to channels, a kernel, a norm's scale: one parameter of every kind."""
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 12, 3), nn.GroupNorm(1, 12))
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def give_gradients(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        # In the parameter's own order in memory, as autograd leaves it.
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))


def copies(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_steps_of_kernels_are_orthogonal_and_as_long_as_adams() -> None:
    """However unlike the gradient's directions are in strength."""
    module = network()
    kernel, before = module[1].weight, copies(module)[2]
    directions = torch.linalg.qr(torch.randn(72, 12))[0].T * torch.logspace(0, -2, 12)[:, None]
    kernel.grad = directions.view(12, 3, 3, 8).permute(0, 3, 1, 2)
    KernelMuon(list(module.parameters()), LR).step()
    step = (kernel.detach() - before).flatten(1)
    strengths = torch.linalg.svdvals(step)
    assert strengths.max() < 3 * strengths.min()  # of the gradient: 100 times
    assert step.square().mean().sqrt().item() == pytest.approx(0.2 * LR, rel=0.3)
    assert ((step * kernel.grad.flatten(1)).sum()) < 0  # downhill


def test_the_rest_steps_as_with_adam() -> None:
    mixed, plain = network(), network()
    ours, theirs = KernelMuon(list(mixed.parameters()), LR), torch.optim.Adam(plain.parameters(), LR)
    for step in range(3):
        for module in (mixed, plain):
            give_gradients(module, step)
        ours.step()
        theirs.step()
    for (name, a), b in zip(mixed.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6) == (name != "1.weight")


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_what_has_no_gradient_stays(kind: str) -> None:
    """Filters of styles that are not in a batch: no momentum moves them."""
    module = network()
    optimizer = make_optimizer(kind, list(module.parameters()), LR)  # type: ignore[arg-type]
    give_gradients(module, 0)
    optimizer.step()
    before = copies(module)
    for parameter in module.parameters():
        parameter.grad = None
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(copies(module), before, strict=True))


def run(module: nn.Module, optimizer: Optimizer, steps: range) -> list[Tensor]:
    for step in steps:
        give_gradients(module, step)
        optimizer.step()
    return copies(module)


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_a_state_goes_on_bit_by_bit(kind: str) -> None:
    whole = network()
    expected = run(whole, make_optimizer(kind, list(whole.parameters()), LR), range(5))  # type: ignore[arg-type]
    first = network()
    optimizer = make_optimizer(kind, list(first.parameters()), LR)  # type: ignore[arg-type]
    run(first, optimizer, range(2))
    second = network(seed=1)
    second.load_state_dict(first.state_dict())
    again = make_optimizer(kind, list(second.parameters()), LR)  # type: ignore[arg-type]
    load_state(again, optimizer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(run(second, again, range(2, 5)), expected, strict=True))


def test_the_learning_rate_is_that_of_every_group() -> None:
    module = network()
    optimizer = KernelMuon(list(module.parameters()), LR)
    before = copies(module)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    assert all(torch.equal(a, b) for a, b in zip(run(module, optimizer, range(2)), before, strict=True))


def test_states_of_another_optimizer_are_refused() -> None:
    parameters = list(network().parameters())
    muon, plain = KernelMuon(parameters, LR), adam(parameters, LR)
    for optimizer, other in ((muon, plain), (plain, muon)):
        with pytest.raises(ValueError, match=r"another train\.optimizer"):
            load_state(optimizer, other.state_dict())


@pytest.mark.parametrize("chosen", [[0], [2]])
def test_parameters_of_one_kind_only(chosen: list[int]) -> None:
    module = network()
    parameters = list(module.parameters())
    before = copies(module)
    run(module, KernelMuon([parameters[i] for i in chosen], LR), range(1))
    for i, (a, b) in enumerate(zip(copies(module), before, strict=True)):
        assert torch.equal(a, b) == (i not in chosen)


SHAPES = [[(16, 144)], [(48, 16)], [(32, 288), (32, 288), (24, 216), (128, 32), (32, 288)]]


def in_turns(shapes: list[tuple[int, int]], exactly: bool) -> None:
    """Steps of torch's Muon and ours, some matrices without a gradient in some; each takes up the other's state."""
    start = [torch.randn(shape, generator=torch.Generator().manual_seed(i)) for i, shape in enumerate(shapes)]
    matrices = [[nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2)]
    optimizers = [
        kind(own, LR, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        for kind, own in zip((torch.optim.Muon, StackedMuon), matrices, strict=True)
    ]
    generator = torch.Generator().manual_seed(9)
    for step in range(4):
        before = [matrix.detach().clone() for matrix in matrices[0]]
        for i, (one, other) in enumerate(zip(*matrices, strict=True)):
            gradient = torch.randn(one.shape, generator=generator)
            one.grad, other.grad = (None, None) if i and (i + step) % 3 == 0 else (gradient, gradient.clone())
        for optimizer in optimizers:
            optimizer.step()
        for one, other, old in zip(*matrices, before, strict=True):
            assert torch.equal(one, old) == torch.equal(other, old) == (one.grad is None)
            if exactly:
                assert torch.equal(one, other)
            else:  # bfloat16 has 8 bits of mantissa, and what it rounds away five iterations spread
                assert (one - other).norm() <= 0.05 * (one - old).norm()
            other.data.copy_(one)
        states = [optimizer.state_dict() for optimizer in optimizers]
        for optimizer, state in zip(optimizers, reversed(states), strict=True):
            optimizer.load_state_dict(state)


@pytest.mark.parametrize("shapes", SHAPES)
def test_stacked_matrices_make_the_steps_of_single_ones(
    shapes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked_muon, "has_fast_bfloat16", lambda device: True)
    in_turns(shapes, exactly=True)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_they_do_in_float32_and_with_zeros_around_them(
    shapes: list[tuple[int, int]], padded: bool, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked_muon, "has_fast_bfloat16", lambda device: fast)
    monkeypatch.setattr(stacked_muon, "runs_ahead", lambda device: padded)
    in_turns(shapes, exactly=False)


@pytest.mark.parametrize("shapes", SHAPES)
def test_zeros_around_a_matrix_change_nothing(shapes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """But the rounding of float32."""
    monkeypatch.setattr(stacked_muon, "has_fast_bfloat16", lambda device: False)
    moved = []
    for padded in (False, True):
        monkeypatch.setattr(stacked_muon, "runs_ahead", lambda device, padded=padded: padded)
        generator = torch.Generator().manual_seed(0)
        matrices = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        StackedMuon(matrices, LR, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
        moved.append([matrix.detach() for matrix in matrices])
    for one, other in zip(*moved, strict=True):
        assert one.norm() > 0
        assert (one - other).norm() <= 1e-4 * one.norm()


def test_matrices_share_a_stack_where_that_is_little_more_work() -> None:
    shapes = [(4, 8), (6, 6), (6, 8), (6, 8)]
    assert stacks(shapes, padded=False) == {(4, 8): [0], (6, 6): [1], (6, 8): [2, 3]}
    assert stacks(shapes, padded=True) == {(6, 8): [0, 1, 2, 3]}
    unlike = [(2, 8), (6, 2), (2, 8)]
    assert stacks(unlike, padded=True) == stacks(unlike, padded=False)
    assert stacks([], padded=True) == {}
