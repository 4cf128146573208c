"""The evaluation's parts: what a forward pass is worth, fidelity, the measures, and the optimisation's courses."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from tiny import config, paint
from torch import Tensor

from stylebank.errors import MissingExtraError
from stylebank.evaluation import lbfgs_baseline
from stylebank.evaluation.clock import Clock
from stylebank.evaluation.equivalent_iterations import (
    EquivalentIterations,
    by_objective,
    by_style,
    content_ratio,
    first_reached,
    summary,
    summary_of_ratios,
)
from stylebank.evaluation.evaluation import Design
from stylebank.evaluation.fidelity import Fidelity
from stylebank.evaluation.held_out import photograph
from stylebank.evaluation.lbfgs_baseline import BaselineSettings, Course, CoursePoint
from stylebank.evaluation.measures import PhotoMetrics
from stylebank.evaluation.targets import Style, load_styles
from stylebank.styles import find_styles

CPU = torch.device("cpu")


def objectives(*values: float) -> Course:
    """A course with a point every ten iterations, each of two seconds."""
    return [CoursePoint(10 * i, 10 * i, 20.0 * i, {"objective": value}) for i, value in enumerate(values)]


def gaps(*pairs: tuple[float, float]) -> Course:
    rows = [{"style_gap_closed": gap, "content_distance": content} for gap, content in pairs]
    return [CoursePoint(10 * i, 10 * i, 20.0 * i, row) for i, row in enumerate(rows)]


# -------------------------------------------------------------------------------------- equivalent iterations


def test_an_output_equals_the_iterations_to_its_objective() -> None:
    course = objectives(8, 4, 3, 2.5)
    assert first_reached(course, by_objective({"objective": 4})) == EquivalentIterations(10, 20, 30)
    assert first_reached(course, by_objective({"objective": 3.75})) == EquivalentIterations(12.5, 25, 30)
    assert first_reached(course, by_objective({"objective": 2.5})).iterations == pytest.approx(30)


def test_worse_than_the_photograph_equals_none_and_better_than_the_course_is_beyond_it() -> None:
    assert first_reached(objectives(8, 4), by_objective({"objective": 9})) == EquivalentIterations(0, 0, 10)
    assert first_reached(objectives(8, 4), by_objective({"objective": 3})) == EquivalentIterations(
        math.inf, math.inf, 10
    )


def test_style_counts_only_while_no_more_content_is_lost() -> None:
    output = by_style({"style_gap_closed": 0.5, "content_distance": 0.4})
    assert first_reached(gaps((0, 0), (1, 0.2)), output).iterations == pytest.approx(5)
    later = gaps((0, 0), (0.6, 0.8), (0.7, 0.2))  # enough style at once, little enough lost only afterwards
    assert first_reached(later, output).iterations == pytest.approx(10 + 10 * 0.4 / 0.6)
    assert first_reached(gaps((0, 0), (0.6, 0.8), (0.9, 0.5)), output).iterations == math.inf
    window = gaps((0.2, 0), (0.8, 0.8))  # both hold from and until the middle of one segment
    assert first_reached(window, output).iterations == pytest.approx(5)


@given(
    st.lists(st.floats(0.01, 100), min_size=2, max_size=8),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_a_better_output_equals_more_iterations(values: list[float], one: float, other: float) -> None:
    course = objectives(*values)
    low, high = sorted([one, other])
    assert (
        first_reached(course, by_objective({"objective": low})).iterations
        >= first_reached(course, by_objective({"objective": high})).iterations
    )


def test_a_summary_says_how_many_were_beyond_the_course() -> None:
    reached = [
        EquivalentIterations(4, 1, 50),
        EquivalentIterations(math.inf, math.inf, 50),
        EquivalentIterations(9, 2, 500),
    ]
    assert summary(reached) == {
        "pairs": 3,
        "median": 9,
        "lowest": 4,
        "highest": math.inf,
        "seconds": 2,
        "reached": 2,
        "limit": 50,
    }
    assert summary(reached[1:2] * 3)["median"] == math.inf


def test_content_is_compared_where_the_course_first_has_as_much_style() -> None:
    course = gaps((0, 0), (0.4, 0.2), (0.8, 0.6), (0.9, 0.1))
    assert content_ratio(course, {"style_gap_closed": 0.6, "content_distance": 0.6}) == pytest.approx(0.6 / 0.4)
    assert content_ratio(course, {"style_gap_closed": 0.8, "content_distance": 0.3}) == pytest.approx(0.5)
    assert content_ratio(course, {"style_gap_closed": 0.95, "content_distance": 0.3}) is None  # it never has
    assert content_ratio(course, {"style_gap_closed": -0.1, "content_distance": 0.3}) is None  # nothing is lost yet


@given(st.floats(0.01, 0.99))
def test_a_picture_of_the_course_itself_has_a_content_ratio_of_one(share: float) -> None:
    course = gaps((0, 0), (0.5, 0.3), (0.7, 0.5))
    there = {"style_gap_closed": 0.5 + 0.2 * share, "content_distance": 0.3 + 0.2 * share}
    assert content_ratio(course, there) == pytest.approx(1)


def test_a_summary_of_ratios_says_how_many_could_be_compared() -> None:
    expected = {"pairs": 3, "compared": 2, "median": 1.25, "lowest": 1, "highest": 1.5}
    assert summary_of_ratios([1.5, None, 1]) == expected
    assert summary_of_ratios([None]) == {"pairs": 1, "compared": 0, "median": None, "lowest": None, "highest": None}


# --------------------------------------------------------------------------------------------------- fidelity


def noisy(picture: Tensor, amount: float) -> Tensor:
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    return (picture + amount * noise).clamp(0, 1)


def scene(size: int) -> Tensor:
    x = torch.linspace(0, 1, size)
    waves = 0.5 + 0.5 * torch.sin(30 * x[None] + 9 * x[:, None])
    return torch.stack([waves, x[None] * x[:, None], x[:, None].expand(size, size)])[None]


def test_fidelity_is_one_for_the_photograph_and_falls_with_noise() -> None:
    fidelity, photo = Fidelity(CPU), scene(176)
    same = fidelity(photo, photo)
    assert set(same) == {"ssim", "ms_ssim", "vif"}
    assert all(value == pytest.approx(1, abs=1e-3) for value in same.values())
    rows = [fidelity(noisy(photo, amount), photo) for amount in (0.02, 0.1, 0.3)]
    for name in same:
        values = [row[name] for row in rows]
        assert 1 > values[0] > values[1] > values[2] >= 0


def test_vif_takes_pixels_at_the_scale_its_noise_is_meant_for() -> None:
    """With pixels of 0 to 1 its noise variance of 2 would drown every picture, and the value fall towards 0.5 or so."""
    photo = scene(96)
    assert Fidelity(CPU)(noisy(photo, 0.01), photo)["vif"] > 0.5
    assert Fidelity(CPU)(photo * 0.5 + 0.25, photo)["vif"] > 0.5  # contrast is not information


def test_small_pictures_have_fewer_measures() -> None:
    fidelity = Fidelity(CPU)
    assert set(fidelity(scene(64), scene(64))) == {"ssim", "vif"}
    assert set(fidelity(scene(32), scene(32))) == {"ssim"}


def test_lpips_is_left_out_where_its_network_is_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchmetrics.image.lpip as lpip

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert "--lpips fetches it" in Fidelity(CPU).note

    def offline(**_: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", offline)
    fidelity = Fidelity(CPU, lpips=True)
    assert "no route" in fidelity.note
    assert "lpips" not in fidelity(scene(64), scene(64))


def test_lpips_is_a_column_where_it_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchmetrics.image.lpip as lpip

    class Distance:
        def __init__(self, net_type: str, normalize: bool) -> None:
            assert (net_type, normalize) == ("alex", True)  # pictures in [0, 1], not [-1, 1]

        def to(self, device: torch.device) -> Distance:
            return self

        def __call__(self, output: Tensor, photo: Tensor) -> Tensor:
            return (output - photo).abs().mean()

    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", Distance)
    assert Fidelity(CPU, lpips=True)(scene(64) * 0, scene(64))["lpips"] == pytest.approx(float(scene(64).mean()))


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with refused(MissingExtraError, "stylebank[evaluate]"):
        Fidelity(CPU)


# --------------------------------------------------------------------------------------------------- measures


@pytest.fixture
def styles(tmp_path: Path, random_vgg_weights: Path) -> list[Style]:
    sources = find_styles([paint(tmp_path / "paintings", "calm", "storm")])
    return load_styles(sources, dict.fromkeys(["calm", "storm"], config()), random_vgg_weights, CPU)


def photo_metrics_of(photos: Path, styles: Sequence[Style], name: str = "disc") -> PhotoMetrics:
    file = photos / f"{name}.jpg"
    return PhotoMetrics(photograph(file, CPU, 48), file, styles, Fidelity(CPU))


def test_the_photograph_and_the_painting_are_the_ends_of_the_scale(photos: Path, styles: list[Style]) -> None:
    photo_metrics, (calm, storm) = photo_metrics_of(photos, styles), styles
    unchanged = photo_metrics.measure(photo_metrics.photo, calm)
    assert unchanged["style_gap_closed"] == pytest.approx(0, abs=1e-5)
    assert unchanged["content_distance"] == pytest.approx(0, abs=1e-5)
    assert unchanged["ssim"] == pytest.approx(1, abs=1e-4)
    painting = photo_metrics.measure(calm.tiled((48, 58)), calm)
    assert painting["style_gap_closed"] > 0.6
    assert painting["style_accuracy"] == 1
    assert photo_metrics.measure(calm.tiled((48, 58)), storm)["style_accuracy"] == 0


def test_the_objective_is_the_training_objective(photos: Path, styles: list[Style]) -> None:
    photo_metrics, style = photo_metrics_of(photos, styles), styles[0]
    output = noisy(photo_metrics.photo, 0.2)
    objective = style.objective
    terms = objective.stylizing_terms(photo_metrics.photo, output, [0], objective.content_of(photo_metrics.photo))
    row, weights = photo_metrics.without_fidelity(output, style), config().loss
    parts = [weights.content_weight * terms["content"], weights.style_weight * terms["style"]]
    expected = sum(parts, start=weights.tv_weight * terms["tv"])
    assert row["objective"] == pytest.approx(expected.item(), rel=1e-5)
    assert row["total_variation"] == pytest.approx(terms["tv"].item(), rel=1e-5)
    assert photo_metrics.without_fidelity(output * 3 - 1, style) == photo_metrics.without_fidelity(
        (output * 3 - 1).clamp(0, 1), style
    )


def test_padding_belongs_to_the_objective_and_not_to_the_measures(
    photos: Path, tmp_path: Path, random_vgg_weights: Path
) -> None:
    """What the loss network saw beyond pictures in training decides the objective; measures of all banks compare."""
    (source,) = find_styles([paint(tmp_path / "paintings", "calm")])
    rows = {}
    for padding in ("zeros", "replicate"):
        configs = {"calm": config(f"loss.padding={padding}")}
        (style,) = load_styles([source], configs, random_vgg_weights, CPU)
        photo_metrics = photo_metrics_of(photos, [style])
        rows[padding] = photo_metrics.without_fidelity(noisy(photo_metrics.photo, 0.2), style)
    objectives = [row.pop("objective") for row in rows.values()]
    assert objectives[0] != pytest.approx(objectives[1], rel=1e-3)
    assert rows["zeros"] == rows["replicate"]


def test_a_painting_is_tiled_over_any_size(styles: list[Style]) -> None:
    tiled = styles[0].tiled((100, 90))  # the painting is 32 by 38 at the size the style is seen at
    assert tiled.shape == (1, 3, 100, 90)
    assert torch.equal(tiled[:, :, :68, :52], tiled[:, :, 32:, 38:])
    assert styles[0].tiled((20, 20)).shape == (1, 3, 20, 20)


# ----------------------------------------------------------------------------------------------- optimisation


def settings(*table: int, iterations: int | None = None) -> BaselineSettings:
    return BaselineSettings(table, iterations or table[-1], torch.float32, Clock(CPU))


def test_a_course_goes_down(photos: Path, styles: list[Style], tmp_path: Path) -> None:
    photo_metrics, calls = photo_metrics_of(photos, styles), []
    folder = tmp_path / "courses"
    course = lbfgs_baseline.course(folder, photo_metrics, styles[0], settings(4, 12), lambda: calls.append(1))
    assert [point.iteration for point in course] == [0, 1, 2, 3, 4, 6, 8, 11, 12]
    assert len(calls) == 12
    values = [point.measures["objective"] for point in course]
    assert values[-1] < 0.7 * values[0]
    assert values == sorted(values, reverse=True)
    seconds = [point.seconds for point in course]
    assert seconds == sorted(seconds)
    assert [point.iteration for point in course if "ssim" in point.measures] == [0, 4, 12]
    assert sorted(file.name.rsplit("-", 1)[1] for file in folder.rglob("*.png")) == ["12.png", "4.png"]


def test_knowing_the_photograph_changes_nothing(photos: Path, styles: list[Style]) -> None:
    photo_metrics, style = photo_metrics_of(photos, styles), styles[0]
    results = []
    quick = lbfgs_baseline._objective(photo_metrics, style, torch.float32)
    objective, photo = style.objective, photo_metrics.photo
    for function in (quick, lambda x: objective.stylizing_terms(photo, x, [0], objective.content_of(photo))):
        output = noisy(photo_metrics.photo, 0.2).requires_grad_()  # within [0, 1]
        total = style.objective.total(dict(function(output)))
        total.backward()
        results.append((total.detach(), output.grad))
    for one, other in zip(*results, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


def test_a_course_is_computed_once(
    photos: Path, styles: list[Style], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo_metrics = photo_metrics_of(photos, styles)
    first = lbfgs_baseline.course(tmp_path, photo_metrics, styles[0], settings(2, 4))
    lengths = []
    minimize = lbfgs_baseline.minimize

    def counted(image: Tensor, objective: object, settings: object, iterations: int, **rest: object) -> object:
        lengths.append(iterations)
        return minimize(image, objective, settings, iterations, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(lbfgs_baseline, "minimize", counted)
    again = photo_metrics_of(photos, styles)
    assert lbfgs_baseline.course(tmp_path, again, styles[0], settings(2, 4)) == first
    assert lbfgs_baseline.course(tmp_path, again, styles[0], settings(2)) == first  # it goes further than asked
    assert not lengths
    lbfgs_baseline.course(tmp_path, again, styles[0], settings(2, 6))  # it does not go far enough
    lbfgs_baseline.course(tmp_path, again, styles[1], settings(2, 4))
    lbfgs_baseline.course(tmp_path, photo_metrics_of(photos, styles, "waves"), styles[0], settings(2, 4))
    heavier = config("loss.content_weight=9").loss
    other = replace(styles[0], objective=replace(styles[0].objective, config=heavier))
    lbfgs_baseline.course(tmp_path, photo_metrics_of(photos, [other, styles[1]]), other, settings(2, 4))
    assert lengths == [6, 4, 4, 4]


def test_a_course_with_older_names_of_measures_is_read(
    photos: Path, styles: list[Style], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo_metrics = photo_metrics_of(photos, styles)
    first = lbfgs_baseline.course(tmp_path, photo_metrics, styles[0], settings(2))
    (file,) = tmp_path.rglob("*.json")
    text = file.read_text()
    assert "style_accuracy" in text
    file.write_text(text.replace("style_accuracy", "told_apart"))
    monkeypatch.setattr(lbfgs_baseline, "minimize", None)  # nothing is computed again
    assert lbfgs_baseline.course(tmp_path, photo_metrics, styles[0], settings(2)) == first


def test_a_damaged_file_is_no_course(photos: Path, styles: list[Style], tmp_path: Path) -> None:
    photo_metrics = photo_metrics_of(photos, styles)
    first = lbfgs_baseline.course(tmp_path, photo_metrics, styles[0], settings(2))
    (file,) = tmp_path.rglob("*.json")
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"[]", b'{"points": [{"iteration": 2}]}', b""):
        file.write_bytes(damaged)
        again = lbfgs_baseline.course(tmp_path, photo_metrics, styles[0], settings(2))
        assert [point.measures for point in again] == [point.measures for point in first]


def test_a_picture_that_no_longer_moves_keeps_its_measures(
    photos: Path, styles: list[Style], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimize = lbfgs_baseline.minimize

    def cut_short(image: Tensor, objective: object, settings: object, iterations: int, **rest: object) -> object:
        return minimize(image, objective, settings, 3, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(lbfgs_baseline, "minimize", cut_short)
    folder = tmp_path / "courses"
    course = lbfgs_baseline.course(folder, photo_metrics_of(photos, styles), styles[0], settings(2, 8))
    assert len(list(folder.rglob("*-8.png"))) == 1
    assert [point.iteration for point in course] == [0, 1, 2, 3, 4, 6, 8]
    assert course[-1].seconds == course[3].seconds
    assert course[-1].measures["objective"] == pytest.approx(course[3].measures["objective"], rel=1e-5)


@pytest.mark.parametrize(("count", "photographs", "each"), [(1, 8, 4), (2, 4, 4), (None, 3, 3), (9, 3, 3)])
def test_photographs_are_dealt_round_the_styles(
    styles: list[Style], count: int | None, photographs: int, each: int
) -> None:
    design = Design({256: None}, (50,), pairs_per_photograph=count)
    dealt = [style.name for i in range(photographs) for style in design.styles_of(i, styles)]
    assert {name: dealt.count(name) for name in ("calm", "storm")} == {"calm": each, "storm": each}
    assert not replace(design, table=()).styles_of(0, styles)
