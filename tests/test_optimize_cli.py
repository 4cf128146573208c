"""`stylebank optimize` from the command line, on random weights."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_vgg
from PIL import Image
from tiny import fail, paint, pixels, run, succeed

import stylebank.optimize.run as command
from stylebank.cli import main
from stylebank.errors import MissingExtraError
from stylebank.optimize import LBFGS, Adam, Descent, Optimized, Painting, Preset, optimize_image

SIZE = (48, 40)
SMALL = ("--content-layers", "relu2_1", "--style-layers", "relu1_1", "relu2_1")  # what the random weights have


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vgg(tmp_path_factory.mktemp("optimize") / "vgg19.safetensors", "vgg19", "relu2_1")


@pytest.fixture
def arguments(weights: Path, tmp_path: Path) -> Callable[..., list[object]]:
    """arguments(output, options...) -> a command of few iterations on a photograph and the painting `waves`."""
    content = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    paint(tmp_path / "paintings", "waves", "sand")

    def _arguments(output: Path, *options: object) -> list[object]:
        given = {"--preset": "neural-style", "--iterations": 3, "--style": tmp_path / "paintings" / "waves.png"}
        defaults = [part for name, value in given.items() if name not in options for part in (name, value)]
        common = ["--content", content, "--output", output, "--loss-weights", weights]
        layers = [] if "--style-layers" in options else SMALL
        return ["optimize", *defaults, *common, *layers, "--device", "cpu", *options]

    return _arguments


@pytest.mark.parametrize("preset", ["gatys", "neural-style", "normalized"])
def test_every_preset_writes_a_picture(
    preset: str, arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.png"
    printed = succeed(capsys, *arguments(out, "--preset", preset))
    assert preset in printed
    assert str(out) in printed
    assert pixels(out).shape == (SIZE[1], SIZE[0], 3)
    assert [file.name for file in out.parent.iterdir()] == ["out.png"]  # checkpoints only when asked for


def test_checkpoints_lie_beside_the_output(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.jpg"
    succeed(capsys, *arguments(out, "--iterations", 5, "--checkpoint-every", 2))
    assert sorted(file.name for file in out.parent.iterdir()) == ["out-0002.jpg", "out-0004.jpg", "out.jpg"]


def test_the_size_is_that_of_the_short_side(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    succeed(capsys, *arguments(out, "--size", 20))
    assert pixels(out).shape == (20, 24, 3)


def test_alpha_is_kept(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, photo = tmp_path / "out.png", tmp_path / "photos" / "photo.png"
    image = Image.open(photo).convert("RGBA")
    image.putalpha(77)
    image.save(photo)
    succeed(capsys, *arguments(out))
    assert (pixels(out)[..., 3] == 77).all()


def test_colours_can_be_kept_with_or_without_naming_how(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photos" / "photo.png"
    Image.open(photo).convert("L").save(photo)
    for name, options in {"plain": ("--preserve-colors",), "named": ("--preserve-colors", "luma")}.items():
        succeed(capsys, *arguments(tmp_path / f"{name}.png", *options))
        assert np.ptp(pixels(tmp_path / f"{name}.png").astype(int), axis=2).max() <= 2


def test_a_plot_shows_the_losses(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    plot = tmp_path / "plots" / "losses.svg"
    succeed(capsys, *arguments(tmp_path / "out.png", "--progress-plot", plot))
    text = plot.read_text(encoding="utf-8")
    assert text.count("<path") > 10
    for name in ("content", "style", "tv", "iteration"):
        assert f"<!-- {name} -->" in text


def test_without_matplotlib_the_extra_is_named(
    arguments: Callable[..., list[object]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError):
        command.check_plot(tmp_path / "losses.png")
    fail(capsys, *arguments(tmp_path / "out.png", "--progress-plot", tmp_path / "p.png"), mentions=["stylebank[plot]"])
    assert not (tmp_path / "out.png").exists()


class Handed(BaseException):
    """What the command would have optimised with."""

    def __init__(self, paintings: list[Painting], preset: Preset, options: dict[str, Any]) -> None:
        self.paintings, self.preset, self.options = paintings, preset, options


@pytest.fixture
def handed(
    arguments: Callable[..., list[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Handed]:
    """handed(options...) -> what the options mean, without doing it."""

    def _optimize(content: Image.Image, paintings: list[Painting], preset: Preset, **options: Any) -> Optimized:
        raise Handed(paintings, preset, options)

    monkeypatch.setattr(command, "optimize_image", _optimize)

    def _handed(*options: object) -> Handed:
        with pytest.raises(Handed) as caught:
            main([str(argument) for argument in arguments(tmp_path / "out.png", *options)])
        return caught.value

    return _handed


def test_paintings_have_weights_and_scales(handed: Callable[..., Handed], tmp_path: Path) -> None:
    sand = tmp_path / "paintings" / "sand.png"
    found = handed("--style", f"{sand}:3", f"{sand}:0.5:2", f"{sand}::0.25", sand).paintings
    assert [(painting.weight, painting.scale) for painting in found] == [(3, 1), (0.5, 2), (1, 0.25), (1, 1)]


@pytest.mark.skipif(os.name == "nt", reason="file names have no colons there")
def test_a_file_with_colons_in_its_name_is_taken_as_it_is(handed: Callable[..., Handed], tmp_path: Path) -> None:
    sand = tmp_path / "paintings" / "sand.png"
    odd = sand.rename(sand.with_name("sand.png:3"))
    assert [painting.weight for painting in handed("--style", odd).paintings] == [1]


def test_masks_find_their_painting_by_name_or_number(handed: Callable[..., Handed], tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (10, 10), 255).save(mask)
    waves, sand = tmp_path / "paintings" / "waves.png", tmp_path / "paintings" / "sand.png"
    found = handed("--style", waves, sand, sand, "--mask", f"waves={mask}", f"1={mask}", f"1={mask}").paintings
    assert [len(painting.masks) for painting in found] == [1, 2, 0]


def test_options_change_the_preset(handed: Callable[..., Handed]) -> None:
    preset = handed(
        "--pooling", "average", "--content-weight", 2, "--style-weight", 3, "--tv-weight", 4, "--lr", 5,
        "--beta1", 0.5, "--style-layer-weight-exp", 2, "--initial", Path("data/samples/styles/swirls.jpg").resolve(),
    ).preset  # fmt: skip
    assert (preset.pooling, preset.content_weight, preset.style_weight, preset.tv_weight) == ("average", 2, 3, 4)
    assert preset.settings == Adam(5.0, beta1=0.5)
    assert dict(preset.style_layers) == pytest.approx({"relu1_1": 1 / 3, "relu2_1": 2 / 3})
    assert preset.start.share == 0  # an initial picture, and no noise asked for
    assert handed("--noise", 0.4).preset.start.share == 0.4
    assert handed("--optimizer", "lbfgs").preset.settings == LBFGS()
    assert handed("--preset", "normalized", "--lr", 3).preset.settings == Descent(3.0)
    assert handed("--preset", "gatys").preset.settings == Adam(2.0)
    assert handed("--preset", "gatys", "--seed", 9, "--scales", 2).options["seed"] == 9


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (("--style", "nowhere.png"), ["nowhere.png"]),
        (("--style", "waves.png:x"), ["'x'", "FILE:WEIGHT:SCALE"]),
        (("--mask", "waves"), ["NAME=FILE"]),
        (("--mask", "sea=mask.png"), ["sea", "0 or waves"]),
        (("--mask", "waves=nowhere.png"), ["nowhere.png"]),
        (("--iterations", 0), ["0 iterations"]),
        (("--scales", 9), ["9 scales", "48x40"]),
        (("--lr", -1), ["--lr"]),
        (("--beta1", 1), ["--beta1"]),
        (("--optimizer", "lbfgs", "--beta2", 0.9), ["--beta2", "Adam"]),
        (("--noise", 2), ["noise", "between 0 and 1"]),
        (("--content-weight", 0, "--style-weight", 0, "--tv-weight", 0), ["all 0"]),
        (("--style-weight", "nan"), ["nan"]),
        (("--preset", "gatys", "--content-weight-blend", 0.5), ["neural-style", "gatys"]),
        (("--style-layers", "relu1_1", "relu9_9"), ["relu9_9", "relu1_1"]),
        (("--style-layers", "relu2_2"), ["conv2_2", "vgg19"]),
        (("--device", "abacus"), ["abacus"]),
        (("--progress-plot", "losses.txt"), ["losses.txt", ".svg"]),
    ],
)
def test_wrong_options_get_one_sentence(
    options: tuple[object, ...],
    mentions: list[str],
    arguments: Callable[..., list[object]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--progress-plot" in options:
        pytest.importorskip("matplotlib")
    fail(capsys, *arguments(tmp_path / "out.png", *options), mentions=mentions)
    assert not list(tmp_path.glob("out*"))


def test_what_is_refused_shows_no_bar(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (("--style", "nowhere.png"), ("--initial", "nowhere.png"), ("--scales", 9)):
        assert run(*arguments(tmp_path / "out.png", *options)) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("Error: ")


@pytest.mark.parametrize("taken", ["out.png", "out-0002.png", "losses.png"])
def test_files_that_exist_are_not_replaced_unasked(
    taken: str, arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / taken).write_bytes(b"mine")
    options = ("--checkpoint-every", 2, "--progress-plot", tmp_path / "losses.png")
    fail(capsys, *arguments(tmp_path / "out.png", *options), mentions=[taken, "--overwrite"])
    assert sorted(file.name for file in tmp_path.glob("*.png")) == [taken]
    assert (tmp_path / taken).read_bytes() == b"mine"
    succeed(capsys, *arguments(tmp_path / "out.png", *options, "--overwrite"))
    assert (tmp_path / taken).read_bytes() != b"mine"


def test_interruption_writes_the_picture_reached(
    arguments: Callable[..., list[object]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def _interrupted(*given: Any, callback: Callable[..., None], **options: Any) -> Optimized:
        def follow(step: Any) -> None:
            callback(step)
            if step.iteration == 2:
                signal.raise_signal(signal.SIGTERM)

        return optimize_image(*given, callback=follow, **options)

    monkeypatch.setattr(command, "optimize_image", _interrupted)
    printed = succeed(capsys, *arguments(tmp_path / "out.png", "--iterations", 100))
    assert "iteration 2 of 100" in printed
    assert pixels(tmp_path / "out.png").shape == (SIZE[1], SIZE[0], 3)


def test_a_loss_that_runs_away_is_told_and_the_best_picture_written(
    arguments: Callable[..., list[object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    fail(capsys, *arguments(out, "--lr", 1e30), mentions=["finite", out, "--lr"])
    assert pixels(out).shape == (SIZE[1], SIZE[0], 3)


def test_runs_are_repeatable(arguments: Callable[..., list[object]], tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(*arguments(tmp_path / f"{name}.png", "--preset", "gatys", "--seed", 4)) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
