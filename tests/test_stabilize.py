"""Stabilized films: calmer where nothing moves, untouched where something does, the same however batches are cut."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from conftest import refused
from moving import noisy, pan, passing_square, texture
from tiny import write_bank
from torch import Tensor

from stylebank.errors import ConfigError, MissingExtraError
from stylebank.evaluation.flicker import FRAME_BY_FRAME, flicker_table, frames_of, measure_flicker
from stylebank.evaluation.metrics import CONTENT_LAYER, STYLE_LAYERS, StyleMetrics
from stylebank.films.camera_shift import NOWHERE, camera_shift, shifted
from stylebank.films.methods import METHODS, StabilizeMethod
from stylebank.films.scene_cuts import is_cut
from stylebank.films.stabilize import WARM_UP, Stabilizer
from stylebank.inference.stylizer import Stylizer
from stylebank.inference.tiling import TiledPicture
from stylebank.losses.vgg import load_loss_network
from stylebank.video import open_reader

STYLES = ("calm", "storm")
both = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    bank = write_bank(tmp_path_factory.mktemp("stabilize") / "bank", *STYLES)
    return Stylizer.load(bank, "cpu", "float32")


def stylized(steady: Stabilizer, film: list[Tensor], sizes: list[int] | None = None, style: str = "storm") -> Tensor:
    """A film through a stabilizer in batches of the given sizes (one by one if not said): (frames, 3, H, W)."""
    frames, outputs = torch.cat(film), []
    for batch in frames.split(sizes or [1] * len(film)):
        outputs.append(steady.settle(batch, steady.encode(batch).decode(style)))
    return torch.cat(outputs)


def settled(steady: Stabilizer, film: list[Tensor], outputs: list[Tensor] | None = None) -> list[Tensor]:
    """Outputs through `settle` alone; the film's own frames if none are given."""
    results = []
    for frame, output in zip(film, outputs or film, strict=True):
        steady.encode(frame)
        results.append(steady.settle(frame, output))
    return results


def flicker(film: Tensor) -> float:
    """Mean squared difference between neighbours in the second half of a film (frames, 3, H, W)."""
    half = film[len(film) // 2 :]
    return float((half[1:] - half[:-1]).square().mean())


# ----------------------------------------------------------------------------------------------------- camera


@pytest.mark.parametrize("shift", [(3.0, 0.0), (0.0, -2.0), (-5.0, 4.0), (200.0, 0.0)])
def test_whole_pixels_are_moved_exactly(shift: tuple[float, float]) -> None:
    picture = torch.rand(2, 4, 20, 30)
    rows = (torch.arange(20) + int(shift[1])).clamp(0, 19)
    columns = (torch.arange(30) + int(shift[0])).clamp(0, 29)
    assert torch.equal(shifted(picture, shift), picture[:, :, rows][..., columns])


def test_parts_of_pixels_are_moved_as_the_texture_goes_on() -> None:
    moved = shifted(texture(48, 64), (1.3, -0.6))
    expected = texture(48, 64, (1.3, -0.6))
    torch.testing.assert_close(moved[..., 4:-4, 4:-4], expected[..., 4:-4, 4:-4], atol=5e-3, rtol=0)


@pytest.mark.parametrize("step", [(0.07, 0.0), (0.4, -0.3), (3.0, 2.0), (-11.0, 5.5)])
def test_the_cameras_motion_is_found(step: tuple[float, float]) -> None:
    before, now = noisy(pan(2, step, 90, 160), 0.01)
    assert math.dist(camera_shift(now, before), step) < 0.05


def test_what_moves_on_its_own_is_not_taken_for_the_camera() -> None:
    before, now = pan(2, (0.5, 0.25), 90, 160)
    before[..., 20:70, 20:70], now[..., 20:70, 28:78] = 0.9, 0.9
    assert math.dist(camera_shift(now, before), (0.5, 0.25)) < 0.15  # the square moved by 8


def test_where_there_is_nothing_to_see_the_camera_stands_still() -> None:
    blank = torch.full((1, 3, 45, 80), 0.5)
    assert camera_shift(blank, blank) == NOWHERE
    assert camera_shift(blank, blank + 0.1) == NOWHERE
    x, y = camera_shift(texture(45, 80, seed=1), texture(45, 80, seed=2))
    assert abs(x) < 20
    assert abs(y) < 12


# ------------------------------------------------------------------------------------------------- scene cuts


@pytest.mark.parametrize("other", [1, 2, 3])
def test_another_picture_is_a_cut(other: int) -> None:
    tint = torch.tensor([[0.3, 1.0, 0.9], [1.0, 0.2, 0.4], [0.5, 0.5, 0.1]])[other - 1, :, None, None]
    assert is_cut(texture(45, 80), texture(45, 80, seed=other) * tint)


def test_motion_noise_and_a_change_of_light_are_no_cuts() -> None:
    frame = texture(45, 80)
    assert not is_cut(frame, frame)
    assert not is_cut(frame, texture(45, 80, (30.0, 12.0)))
    assert not is_cut(*noisy([frame, frame], 0.05))
    assert not is_cut(frame, frame * 0.9)
    square = frame.clone()
    square[..., 10:30, 10:30] = 1
    assert not is_cut(frame, square)


# ------------------------------------------------------------------------------------------------- stabilizer


@both
@pytest.mark.parametrize("sizes", [[8], [3, 5], [1, 6, 1]])
def test_batches_may_be_cut_anywhere(stylizer: Stylizer, method: StabilizeMethod, sizes: list[int]) -> None:
    film = noisy(pan(5, (1.5, -0.5)) + [texture(64, 96, seed=4) * 0.3] * 3, 0.02)
    one_by_one = stylized(Stabilizer(stylizer, method), film)
    torch.testing.assert_close(stylized(Stabilizer(stylizer, method), film, sizes), one_by_one, atol=2e-4, rtol=0)


@both
@pytest.mark.parametrize("step", [(0.0, 0.0), (1.25, 0.5)])
def test_noise_flickers_less(stylizer: Stylizer, method: StabilizeMethod, step: tuple[float, float]) -> None:
    film = pan(12, step)
    trembling = noisy(film, 0.03)
    calm = settled(Stabilizer(stylizer, method), film, trembling)
    error = [float((out - clean)[..., 8:-8, 8:-8].square().mean()) for out, clean in zip(calm, film, strict=True)]
    raw = [float((out - clean)[..., 8:-8, 8:-8].square().mean()) for out, clean in zip(trembling, film, strict=True)]
    assert sum(error[6:]) < 0.75 * sum(raw[6:])


@both
def test_a_still_film_is_calmer_in_style(stylizer: Stylizer, method: StabilizeMethod) -> None:
    film = noisy([texture(64, 96)] * 16, 0.02)
    plain = torch.cat([stylizer.stylize(frame, "storm") for frame in film])
    assert flicker(stylized(Stabilizer(stylizer, method), film)) < 0.25 * flicker(plain)


@both
def test_a_film_without_noise_or_motion_stays_as_it_is(stylizer: Stylizer, method: StabilizeMethod) -> None:
    film = [texture(64, 96)] * 4
    plain = torch.cat([stylizer.stylize(frame, "storm") for frame in film])
    torch.testing.assert_close(stylized(Stabilizer(stylizer, method), film), plain, atol=1e-3, rtol=0)


@both
def test_what_moves_leaves_no_trail(stylizer: Stylizer, method: StabilizeMethod) -> None:
    film = passing_square(9)
    results = settled(Stabilizer(stylizer, method), film)
    worst = max(float((out - frame).abs().amax()) for out, frame in zip(results, film, strict=True))
    # Mixed at full share, the square would leave 0.4 of its brightness behind.
    trail = max(
        float((out - frame)[..., :].abs().mean(1).quantile(0.99)) for out, frame in zip(results, film, strict=True)
    )
    assert trail < 0.02
    assert worst < 0.2


@both
def test_nothing_is_carried_across_a_cut(stylizer: Stylizer, method: StabilizeMethod) -> None:
    first, second = [texture(64, 96)] * 4, noisy([texture(64, 96, seed=3) * 0.3] * 4, 0.02)
    whole = stylized(Stabilizer(stylizer, method), first + second)
    torch.testing.assert_close(whole[4:], stylized(Stabilizer(stylizer, method), second), atol=0, rtol=0)


@both
def test_reset_and_frames_of_another_size_begin_anew(stylizer: Stylizer, method: StabilizeMethod) -> None:
    film = noisy([texture(64, 96)] * 3, 0.02)
    fresh = stylized(Stabilizer(stylizer, method), film)
    used = Stabilizer(stylizer, method)
    stylized(used, noisy([texture(64, 96)] * 3, 0.02, seed=1))
    assert not torch.equal(stylized(used, film), fresh)
    used.reset()
    assert torch.equal(stylized(used, film), fresh)
    stylized(used, [texture(32, 48)] * 2)
    assert torch.equal(stylized(used, film), fresh)


@both
@pytest.mark.parametrize("size", [(16, 16), (37, 50), (61, 83)])
def test_any_size_will_do(stylizer: Stylizer, method: StabilizeMethod, size: tuple[int, int]) -> None:
    film = noisy([texture(*size, at=(0.7 * i, 0.0)) for i in range(4)], 0.01)
    output = stylized(Stabilizer(stylizer, method), film)
    assert output.shape == (4, 3, *size)
    assert bool(((output >= 0) & (output <= 1)).all())


def test_what_the_cameras_shift_does_not_fit_is_hardly_blurred(stylizer: Stylizer) -> None:
    film = [texture(64, 128, at=(1.2 * i, 0.0)) for i in range(10)]
    for i, frame in enumerate(film):
        frame[..., 64:] = texture(64, 128, at=(-1.2 * i, 0.0))[..., 64:]  # one half goes one way, one the other
    changed = torch.cat(settled(Stabilizer(stylizer, "blend"), film))[5:] - torch.cat(film[5:])
    assert max(float(half.abs().mean()) for half in changed.split(64, 3)) < 0.006


def test_after_the_warm_up_the_beginning_is_forgotten(stylizer: Stylizer) -> None:
    film = noisy(pan(WARM_UP + 24, (0.5, 0.25)), 0.02)
    whole = stylized(Stabilizer(stylizer, "blend"), film)
    later = stylized(Stabilizer(stylizer, "blend"), film[-WARM_UP - 4 :])
    assert float((whole[-4:] - later[-4:]).abs().max()) < 3 / 255
    assert float((whole[-4:] - later[-4:]).abs().mean()) < 0.3 / 255


def test_styles_of_one_encoding_do_not_mix(stylizer: Stylizer) -> None:
    film = noisy(pan(4, (1.0, 0.0)), 0.02)
    alone = {style: stylized(Stabilizer(stylizer, "blend"), film, style=style) for style in STYLES}
    steady, together = Stabilizer(stylizer, "blend"), dict[str, list[Tensor]]((style, []) for style in STYLES)
    for frame in film:
        encoded = steady.encode(frame)
        for style in STYLES:
            together[style].append(steady.settle(frame, encoded.decode(style), style))
    for style in STYLES:
        assert torch.equal(torch.cat(together[style]), alone[style])


@both
def test_frames_in_tiles_are_settled(stylizer: Stylizer, method: StabilizeMethod) -> None:
    film, steady = noisy([texture(64, 96)] * 12, 0.02), Stabilizer(stylizer, method)
    plain, calm = [], []
    for frame in film:
        encoded = steady.encode(frame, tile=32)
        assert isinstance(encoded, TiledPicture)
        plain.append(encoded.decode("storm"))
        calm.append(steady.settle(frame, plain[-1]))
    assert flicker(torch.cat(calm)) < 0.5 * flicker(torch.cat(plain))


def test_outputs_must_be_those_of_the_frames(stylizer: Stylizer) -> None:
    steady, frame = Stabilizer(stylizer, "blend"), texture(32, 32)
    with pytest.raises(ValueError, match="0 are due"):
        steady.settle(frame, frame)
    steady.encode(torch.cat([frame, frame]))
    with pytest.raises(ValueError, match="2 are due"):
        steady.settle(frame, frame)


def test_only_flow_needs_opencv(stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    film = noisy(pan(3, (1.0, 0.0)), 0.02)
    assert stylized(Stabilizer(stylizer, "blend"), film).shape == (3, 3, 64, 96)
    with refused(MissingExtraError, "stylebank[flow]"):
        Stabilizer(stylizer, "flow")


# ---------------------------------------------------------------------------------------------------- measure


@pytest.fixture(scope="module")
def style_metrics(random_vgg_weights: Path) -> StyleMetrics:
    return StyleMetrics(load_loss_network("vgg19", [*STYLE_LAYERS, CONTENT_LAYER], weights=random_vgg_weights))


def test_flicker_is_measured_in_every_style_and_by_every_method(
    stylizer: Stylizer, style_metrics: StyleMetrics
) -> None:
    film = noisy([texture(64, 96)] * 9, 0.03)
    paintings = {style: style_metrics.grams(texture(64, 64, seed=i)) for i, style in enumerate(STYLES)}
    result = measure_flicker(stylizer, iter(film), paintings, style_metrics)
    assert result["frames"] == 9
    assert result["size"] == [96, 64]
    assert list(result["styles"]) == list(STYLES)
    for rows in result["styles"].values():
        assert list(rows) == [FRAME_BY_FRAME, *METHODS]
        plain = rows[FRAME_BY_FRAME]
        assert plain["error_lower"] == plain["gap_lost"] == 0
        for name in METHODS:
            row = rows[name]
            assert 0.3 < row["error_lower"] < 1
            assert row["error_lower"] == pytest.approx(1 - row["warping_error"] / plain["warping_error"])
            assert row["still_error"] < 0.5 * plain["still_error"]
            assert row["milliseconds"] > 0
    table = flicker_table(result)
    assert "9 frames at 96x64" in table
    assert table.count("\n| ") == 2 + 3 * (len(STYLES) + 1)
    assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1


def test_too_short_a_film_is_refused(stylizer: Stylizer, style_metrics: StyleMetrics) -> None:
    paintings = {"calm": style_metrics.grams(texture(64, 64))}
    with refused(ConfigError, "frames"):
        measure_flicker(stylizer, [texture(64, 96)], paintings, style_metrics)
    with refused(ConfigError, "frames", "3"):
        measure_flicker(stylizer, [texture(64, 96)] * 3, paintings, style_metrics)


def test_frames_come_out_of_a_folder_at_the_size_asked_for(photos: Path) -> None:
    frames = list(frames_of(open_reader(photos), 40))
    assert len(frames) == 8
    assert {tuple(frame.shape) for frame in frames} == {(1, 3, 40, 48)}
    assert next(frames_of(open_reader(photos))).shape == (1, 3, 80, 96)
    assert all(0 <= float(frame.min()) <= float(frame.max()) <= 1 for frame in frames)
