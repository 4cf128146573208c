"""How many operations a training step hands to PyTorch: on a GPU, each takes the program time to tell."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_a_step_as_on_a_gpu_has_few_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import dispatched  # type: ignore[import-not-found, unused-ignore]

    found = dispatched.count(BENCHMARKS.parent / "configs" / "default.yaml", styles=14, batch_size=8, as_gpu=True)
    assert {piece for piece, _ in found} == set(dispatched.PIECES)
    assert found.total() <= 626  # docs/gpu.md
    assert sum(number for (_, name), number in found.items() if name == "aten._local_scalar_dense") == 0
    assert sum(number for (_, name), number in found.items() if "_pad2d" in name) <= 1  # of the photographs themselves
