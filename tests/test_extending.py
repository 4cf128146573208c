"""A loss term and a form of filter from outside the package, as docs/extending.md has them: trained, saved, mixed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import refused
from test_docs import ROOT, fenced
from tiny import paint, trainer

from stylebank.bank.io import load_bank
from stylebank.errors import ConfigError
from stylebank.images import load_picture, to_tensor
from stylebank.inference.mixing import mix
from stylebank.inference.stylizer import Stylizer
from stylebank.losses import terms
from stylebank.network import model


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's module, registered for one test."""
    module = ModuleType("my_parts")
    monkeypatch.setitem(sys.modules, "my_parts", module)
    exec(compile("\n".join(fenced(ROOT / "docs" / "extending.md", "python")), "my_parts.py", "exec"), module.__dict__)
    monkeypatch.setattr(terms, "STYLIZING", list(terms.STYLIZING))
    monkeypatch.setattr(model, "FORMS", dict(model.FORMS))
    module.register(edges=50.0)
    return module


@pytest.fixture
def bank(parts: ModuleType, photos: Path, tmp_path: Path, random_vgg_weights: Path) -> Path:
    """Trained with both for a few steps."""
    styles = paint(tmp_path / "styles", "calm", "storm")
    settings = ("bank.form=separable", "data.held_out=0", "train.steps=5")
    training = trainer(photos, styles, random_vgg_weights, tmp_path / "run", *settings)
    assert training.fit()
    assert training.run.losses["loss/edges"] > 0
    assert {"edges/calm", "edges/storm"} <= set(training.run.losses)
    return tmp_path / "run" / "bank"


def test_a_bank_of_another_form_is_trained_saved_and_mixed(
    parts: ModuleType, bank: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(isinstance(each, parts.Separable) for each in load_bank(bank).model.filters)
    stylizer = Stylizer.load(bank, "cpu", "float32")
    photograph = load_picture(photos / "waves.jpg").rgb
    assert stylizer.stylize(photograph, "calm").tobytes() != stylizer.stylize(photograph, "storm").tobytes()

    features = stylizer.model.encode(to_tensor(photograph)[None])
    inputs = stylizer.model.filter_input(features)
    calm, storm = (each(inputs) for each in stylizer.model.filters)
    weights = {"calm": 0.7, "storm": 0.3}
    mixture = mix(stylizer.model, features, inputs, weights)
    torch.testing.assert_close(mixture, 0.7 * calm + 0.3 * storm, rtol=1e-4, atol=1e-5)
    halved = mix(stylizer.model, features, inputs, {"calm": 0.25, "storm": 0.25, "identity": 0.5})
    assert halved.isfinite().all()

    picture = stylizer.stylize(photograph, weights)
    monkeypatch.delattr(parts.Separable, "mixed")  # then outputs are summed
    torch.testing.assert_close(mix(stylizer.model, features, inputs, weights), mixture, rtol=1e-4, atol=1e-5)
    assert picture.size == photograph.size


def test_a_form_that_is_not_known_here_is_refused_in_a_sentence(
    parts: ModuleType, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "FORMS", {"convolution": model.StyleFilter})
    with refused(ConfigError, "'separable'", "convolution"):
        load_bank(bank)
