"""A painting becomes a style in the page: trained in the background, or at once, with a tiny bank in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import paint, with_predictor

pytest.importorskip("fastapi", reason="needs the extra 'serve'")
from browsing import (
    PATIENCE,
    chromium,
    downloaded,
    drop,
    open_photo,
    page_at,
    painted,
    playwright,
    rest,
    serving,
    write_shore,
)
from serving import settings_in

from stylebank.bank.records import read_style_records
from stylebank.losses.weights import WEIGHTS_VARIABLE
from stylebank.serve.app import make_app
from stylebank.serve.painting_job import PaintingJob
from stylebank.serve.service import Service
from stylebank.training.training_run import TrainingRun

LONG = 600  # steps: more than are waited for


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(autouse=True)
def loss_network(monkeypatch: pytest.MonkeyPatch, random_vgg_weights: Path) -> None:
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(random_vgg_weights))
    monkeypatch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)  # instead of 256: seconds less


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return paint(tmp_path / "paintings", "dawn") / "dawn.png"


def styles(page: Any) -> list[str]:
    """What is written under the thumbnails."""
    names: list[str] = page.locator("#styles .style-pick .name").all_inner_texts()
    return names


def test_a_painting_is_learnt_in_the_background(
    browser: Any, photos: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held at a step until the page has shown what it shows of a job at work."""
    ends, seen = PaintingJob.step_ends, list[bool]()

    def step_ends(self: PaintingJob, run: TrainingRun) -> None:
        ends(self, run)
        while run.step == 4 and not seen and not self.asked_to_stop():
            self.changes += 1
            time.sleep(0.1)

    monkeypatch.setattr(PaintingJob, "step_ends", step_ends)
    service = Service(settings_in(tmp_path, content=photos))
    with serving(make_app(service)) as address, page_at(browser, address) as page:
        open_photo(page, write_shore(tmp_path / "shore.png"))
        page.get_by_role("button", name="Add a painting").click()
        dialog = page.get_by_role("dialog", name="Add a painting")
        drop(page, painting)
        playwright.expect(dialog.get_by_role("img", name="The painting")).to_be_visible()
        playwright.expect(dialog.get_by_label("Name of the style")).to_have_value("dawn")
        playwright.expect(dialog.get_by_role("button", name="Paint like it now")).to_be_hidden()
        dialog.get_by_label("Steps of learning").fill("6")
        dialog.get_by_role("button", name="Learn this painting").click()
        job = dialog.locator(".job")
        playwright.expect(job).to_contain_text("Step 4 of 6.")
        playwright.expect(job).to_contain_text("style ")  # a loss
        assert 0.6 < float(job.get_by_role("progressbar").get_attribute("value")) < 0.7
        job.locator("img").wait_for()  # what it paints by now
        dialog.get_by_role("button", name="Close").click()
        playwright.expect(page.get_by_role("button", name="Add a painting")).to_contain_text("dawn 66%")
        page.locator(".style-pick").first.click()  # pictures are made meanwhile
        assert styles(page) == ["Calm", "Storm"]
        seen.append(True)
        page.locator(".style-pick", has_text="dawn").click(timeout=4 * PATIENCE)
        playwright.expect(page.locator("#styles img")).to_have_count(3)
        playwright.expect(page.get_by_role("button", name="Add a painting")).not_to_contain_text("%")
        rest(page, painted(page))
        made = downloaded(page, page.locator("#download"), tmp_path)
    assert made.name == "shore_dawn.png"
    assert np.asarray(Image.open(made)).shape == (200, 300, 3)
    assert list(read_style_records(tmp_path / "kept" / "banks" / "tiny")) == ["calm", "storm", "dawn"]


def test_what_is_being_learnt_is_seen_in_another_tab_and_stopped_there(
    browser: Any, photos: Path, painting: Path, tmp_path: Path
) -> None:
    with serving(make_app(Service(settings_in(tmp_path, content=photos)))) as address:
        with page_at(browser, address) as page:
            open_photo(page, write_shore(tmp_path / "shore.png"))
            page.get_by_role("button", name="Add a painting").click()
            drop(page, painting)
            page.get_by_label("Steps of learning").fill(str(LONG))
            page.get_by_role("button", name="Learn this painting").click()
            playwright.expect(page.locator(".job")).to_contain_text("Step ")
        with page_at(browser, address) as page:
            open_photo(page, tmp_path / "shore.png")
            page.get_by_role("button", name="Add a painting").click()
            page.get_by_role("button", name="Stop").click()
            playwright.expect(page.locator(".job")).to_contain_text("it can be gone on with")
            playwright.expect(page.get_by_role("button", name="Go on")).to_be_visible()


def test_a_bank_that_predicts_paints_like_it_at_once_and_learns_from_there(
    browser: Any, photos: Path, painting: Path, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, content=photos)
    with_predictor(settings.banks[0], tmp_path / "quick")
    service = Service(settings_in(tmp_path, content=photos, banks=(tmp_path / "quick",)))
    kept = tmp_path / "kept" / "banks" / "quick"
    with serving(make_app(service)) as address, page_at(browser, address) as page:
        open_photo(page, write_shore(tmp_path / "shore.png"))
        page.get_by_role("button", name="Add a painting").click()
        dialog = page.get_by_role("dialog", name="Add a painting")
        drop(page, painting)
        dialog.get_by_role("img", name="The photograph, painted like it").wait_for()
        playwright.expect(page.locator(".style-pick", has_text="dawn")).to_have_attribute("aria-pressed", "true")
        predicted = read_style_records(kept)["dawn"]
        assert predicted.predicted
        dialog.get_by_label("Steps of learning").fill("4")
        dialog.get_by_role("button", name="Learn this painting").click()
        done = "Done: 'dawn' is among the styles of quick"
        playwright.expect(dialog.locator(".job")).to_contain_text(done, timeout=4 * PATIENCE)
        dialog.get_by_role("button", name="Close").click()
        drop(page, painting, onto=".style-new")  # the same again gets a name of its own
        playwright.expect(dialog).to_be_visible()
        playwright.expect(page.locator(".style-pick", has_text="dawn 2")).to_be_attached()
        dialog.get_by_role("button", name="Close").click()
    learnt = read_style_records(kept)
    assert list(learnt) == ["calm", "storm", "dawn", "dawn_2"]
    assert not learnt["dawn"].predicted
    assert learnt["dawn"].sha256 != predicted.sha256
    assert learnt["dawn_2"].sha256 == predicted.sha256
