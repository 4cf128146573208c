"""Optical flow and what is measured with it: known motion, hidden places, and errors of known size."""

from __future__ import annotations

import sys

import pytest
import torch
from conftest import refused
from moving import noisy, pan, passing_square, texture

from stylebank.errors import ConfigError, MissingExtraError
from stylebank.evaluation.warping_error import WarpingError
from stylebank.films.optical_flow import optical_flow, visible, warp


@pytest.mark.parametrize("step", [(0.0, 0.0), (2.5, -1.25), (-6.0, 3.0)])
def test_flow_of_a_moving_camera(step: tuple[float, float]) -> None:
    before, now = pan(2, step)
    flow = optical_flow(now, before)
    assert flow.shape == (1, 2, 64, 96)
    inner = flow[0, :, 12:-12, 12:-12].flatten(1).median(1).values
    torch.testing.assert_close(inner, torch.tensor(step), atol=0.15, rtol=0)


def test_the_smallest_pictures_have_a_flow_too() -> None:
    assert optical_flow(texture(16, 16), texture(16, 16)).shape == (1, 2, 16, 16)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_warping_follows_the_flow(mode: str) -> None:
    before, now = pan(2, (3.0, 2.0))
    flow = torch.tensor([3.0, 2.0])[None, :, None, None].expand(1, 2, 64, 96)
    moved = warp(before, flow, mode)
    torch.testing.assert_close(moved[..., :60, :92], now[..., :60, :92], atol=1e-4, rtol=0)
    torch.testing.assert_close(warp(before, torch.zeros_like(flow), mode), before, atol=1e-4, rtol=0)


def test_features_are_warped_in_any_number() -> None:
    flow = torch.full((1, 2, 8, 8), 1.0)
    features = torch.rand(2, 5, 8, 8)
    torch.testing.assert_close(warp(features, flow, "bilinear")[..., :7, :7], features[..., 1:, 1:], atol=1e-5, rtol=0)


def test_what_a_square_uncovers_was_not_visible() -> None:
    before, now = passing_square(5)[3:5]
    seen = visible(optical_flow(now, before), optical_flow(before, now))[0, 0]
    assert seen.shape == (64, 128)
    uncovered = seen[22:42, 31:39].float().mean()  # under the square before, under the sky now
    assert uncovered < 0.35
    assert seen[:, 80:].float().mean() > 0.95


def test_what_comes_in_at_the_edge_was_not_visible() -> None:
    before, now = pan(2, (8.0, 0.0))
    seen = visible(optical_flow(now, before), optical_flow(before, now))[0, 0]
    assert not seen[:, -6:].any()
    assert seen[:, 8:-16].float().mean() > 0.95


def test_without_opencv_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with refused(MissingExtraError, "OpenCV", "pip install 'stylebank[flow]'"):
        optical_flow(texture(32, 32), texture(32, 32))


# ---------------------------------------------------------------------------------------------- warping error


def error_of(film: list[torch.Tensor], outputs: list[torch.Tensor]) -> float:
    error = WarpingError[str]()
    for frame, output in zip(film, outputs, strict=True):
        error.add(frame, {"film": output})
    return error.means()["film"]


def test_outputs_that_move_with_the_film_have_next_to_no_error() -> None:
    film = pan(4, (2.0, 1.0))
    steady = [1 - frame for frame in film]
    standing = [1 - film[0]] * 4  # does not flicker on the screen, but slides over what it shows
    assert error_of(film, steady) < 1e-4
    assert error_of(film, standing) > 20 * error_of(film, steady)


def test_the_error_of_noise_is_twice_its_variance() -> None:
    film = [texture(64, 96)] * 6
    outputs = noisy([torch.full((1, 3, 64, 96), 0.5)] * 6, 0.1)
    assert error_of(film, outputs) == pytest.approx(2 * 0.1**2, rel=0.1)


def test_films_are_measured_side_by_side() -> None:
    film = [texture(64, 96)] * 3
    error = WarpingError[int]()
    for index, frame in enumerate(film):
        error.add(frame, {1: frame, 2: frame * (1 - 0.1 * index)})
    means = error.means()
    assert means[1] == pytest.approx(0, abs=1e-9)
    assert means[2] > 1e-4
    assert len(error.shares) == 2
    assert min(error.shares) > 0.95


def test_hidden_places_do_not_count() -> None:
    film = passing_square(4)
    hidden = []
    for before, now in zip(film[:1] + film[:-1], film, strict=True):
        seen = visible(optical_flow(now, before), optical_flow(before, now))
        hidden.append(torch.where(seen, now, torch.rand_like(now)))
    assert (hidden[3] - film[3]).abs().mean() > 0.001
    last = WarpingError[str]()
    for frame, plain, changed in zip(film[2:], film[2:], [film[2], hidden[3]], strict=True):
        last.add(frame, {"plain": plain, "changed": changed})
    means = last.means()
    assert means["changed"] == pytest.approx(means["plain"], rel=1e-5)


def test_nothing_is_measured_across_a_cut() -> None:
    day, night = texture(64, 96), texture(64, 96, seed=5) * 0.2
    error = WarpingError[str]()
    for frame in (day, day, night, night):
        error.add(frame, {"film": frame})
    assert len(error.shares) == 2
    assert error.means()["film"] == pytest.approx(0, abs=1e-9)


def test_one_frame_is_no_film() -> None:
    error = WarpingError[str]()
    error.add(texture(32, 32), {"film": texture(32, 32)})
    with refused(ConfigError, "two frames"):
        error.means()
