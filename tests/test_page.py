"""The page in a real browser: what a person does with it, and that what it gives is what the command line makes."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import smooth
from PIL import Image
from tiny import succeed

pytest.importorskip("fastapi", reason="needs the extra 'serve'")
from browsing import (
    choose,
    chromium,
    downloaded,
    drop,
    open_photo,
    page_at,
    painted,
    playwright,
    rest,
    serving,
    stroke,
    write_shore,
)
from films import make_film
from serving import settings_in

from stylebank.serve.app import make_app
from stylebank.serve.service import Service

EXACT = ("--precision", "float32", "--device", "cpu")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serving(make_app(Service(settings_in(folder)))) as address:
        yield address


@pytest.fixture(scope="module")
def photo(folder: Path) -> Path:
    return write_shore(folder / "shore.png")


def test_choose_mix_and_download(
    browser: Any, address: str, folder: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with page_at(browser, address) as page:
        open_photo(page, photo)
        playwright.expect(page.locator("#styles img")).to_have_count(2)
        choose(page, "Storm")
        rest(page, 2)
        page.get_by_role("button", name="Add Calm to the mixture").click()
        rest(page, 3)
        sent = list[dict[str, Any]]()
        page.on("request", lambda request: request.url.endswith("/render") and sent.append(request.post_data_json))
        slider = page.get_by_role("slider", name="Share of Calm").bounding_box()
        page.mouse.move(slider["x"] + slider["width"] / 2, slider["y"] + slider["height"] / 2)
        page.mouse.down()
        page.mouse.move(slider["x"] + 0.8 * slider["width"], slider["y"] + slider["height"] / 2, steps=20)
        page.mouse.up()
        rest(page, painted(page) + 1)
        assert sum(body["draft"] for body in sent) >= 2  # it followed the mouse
        assert any(body["side"] is None for body in sent)
        page.get_by_role("tab", name="Share").click()
        playwright.expect(page.locator("code")).to_contain_text("calm:0.8")
        command = shlex.split(page.locator("code").inner_text())
        made = downloaded(page, page.locator("#download"), tmp_path)
    words = [str(photo) if word == photo.name else word for word in command[2:]]
    words[words.index("--output") + 1] = str(tmp_path / "command.png")
    succeed(capsys, "stylize", *words, *EXACT)
    assert made.read_bytes() == (tmp_path / "command.png").read_bytes()


def test_paint_a_mask(
    browser: Any, address: str, folder: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with page_at(browser, address) as page:
        open_photo(page, photo)
        page.get_by_role("tab", name="Brush").click()
        choose(page, "Storm")
        stroke(page, (0.2, 0.3), (0.8, 0.3))
        stroke(page, (0.5, 0.8), (0.6, 0.8))
        page.keyboard.press("Control+z")  # the second one
        rest(page, painted(page))
        mask = downloaded(page, page.get_by_role("button", name="Save the mask"), tmp_path)
        made = downloaded(page, page.locator("#download"), tmp_path)
        page.get_by_role("button", name="Redo").click()
        page.get_by_role("button", name="Invert").click()
        other = downloaded(page, page.get_by_role("button", name="Save the mask"), tmp_path / "inverted")
    shares = np.asarray(Image.open(mask).convert("L"))
    assert shares.shape == (200, 300)
    assert shares[60, 150] == 255
    assert shares[160, 165] == 0
    assert np.asarray(Image.open(other).convert("L"))[160, 165] == 0  # painted again, and turned round
    look = ("--style", "calm", "--mask", f"storm={mask}", "--bank", folder / "tiny")
    succeed(capsys, "stylize", *look, "--input", photo, "--output", tmp_path / "command.png", *EXACT)
    assert made.read_bytes() == (tmp_path / "command.png").read_bytes()


def test_regions_and_recipes(browser: Any, address: str, photo: Path, tmp_path: Path) -> None:
    with page_at(browser, address) as page:
        open_photo(page, photo)
        page.get_by_role("tab", name="Brush").click()
        choose(page, "Storm")
        page.get_by_role("button", name="Find regions").click()
        page.get_by_role("button", name="Region 1").click()
        page.get_by_role("radio", name="The photograph").check()
        page.get_by_role("tab", name="Look").click()
        page.get_by_label("Short side in pixels").fill("64")
        page.get_by_label("Short side in pixels").press("Enter")
        page.get_by_role("tab", name="Share").click()
        recipe = downloaded(page, page.get_by_role("button", name="Download the recipe"), tmp_path)
        saved = json.loads(recipe.read_text())
        assert (saved["style"], saved["size"]) == ("original", 64)
        assert saved["masks"] == [{"style": "storm", "strength": 1, "mask": "shore.storm.mask.png"}]
        page.reload()
        open_photo(page, photo)
        (tmp_path / "other.json").write_text(json.dumps({"style": "storm", "strength": 0.5, "colors": "luma"}))
        drop(page, tmp_path / "other.json", "application/json")
        playwright.expect(page.get_by_role("slider", name="Strength").first).to_have_value("0.5")


def test_a_wrong_file_gets_one_sentence(browser: Any, address: str, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:100])
    with page_at(browser, address) as page:
        drop(page, tmp_path / "broken.jpg", "image/jpeg")
        playwright.expect(page.get_by_role("alert")).to_contain_text("broken.jpg")
        open_photo(page, photo)  # and all is well again
        playwright.expect(page.get_by_role("alert")).to_be_hidden()


def test_two_tabs_have_a_picture_each(browser: Any, address: str, photo: Path, tmp_path: Path) -> None:
    smooth(120, 90).save(tmp_path / "other.png")
    with page_at(browser, address) as one:
        other = one.context.new_page()
        other.goto(address)
        drop(one, photo)
        drop(other, tmp_path / "other.png")
        for page, size in ((one, (300, 200)), (other, (120, 90))):
            rest(page)
            assert Image.open(downloaded(page, page.locator("#download"), tmp_path)).size == size


def test_a_server_that_was_started_anew_gets_what_it_lost(
    browser: Any, folder: Path, photo: Path, tmp_path: Path
) -> None:
    def server(port: int = 0) -> Any:
        return serving(make_app(Service(settings_in(folder, keep=tmp_path / "kept"))), port)

    with contextlib.ExitStack() as later:
        with server() as address:
            page = later.enter_context(page_at(browser, address))
            open_photo(page, photo)
            page.get_by_role("tab", name="Brush").click()
            choose(page, "Storm")
            stroke(page, (0.2, 0.3), (0.8, 0.3))
            rest(page, painted(page) + 1)
            before = downloaded(page, page.locator("#download"), tmp_path / "before")
        page.locator("#download").click()
        playwright.expect(page.get_by_role("alert")).to_contain_text("is 'stylebank serve' still running?")
        with server(int(address.rstrip("/").rpartition(":")[2])):
            after = downloaded(page, page.locator("#download"), tmp_path / "after")
    assert after.read_bytes() == before.read_bytes()


def test_by_keyboard(browser: Any, address: str, photo: Path) -> None:
    with page_at(browser, address) as page:
        open_photo(page, photo)
        page.locator("#styles .style-pick").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        playwright.expect(page.locator("#styles .style-pick").nth(1)).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("b")
        divider = page.get_by_role("slider", name="Before and after")
        divider.press("ArrowRight")
        playwright.expect(divider).to_have_attribute("aria-valuenow", "55")
        page.locator("#frame").press("1")
        playwright.expect(page.locator("#zoom-value")).to_have_text("100%")
        page.get_by_role("tab", name="Mix").press("ArrowRight")
        playwright.expect(page.get_by_role("tab", name="Brush")).to_be_focused()
        nameless = (
            "(all) => all.filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).length"
        )
        assert page.locator("button, input, select").evaluate_all(nameless) == 0


def test_on_a_phone(browser: Any, address: str, photo: Path) -> None:
    with page_at(browser, address, 360, 740, has_touch=True, is_mobile=True, color_scheme="dark") as page:
        open_photo(page, photo)
        for name in ("Brush", "Look", "Share", "Mix"):
            page.get_by_role("tab", name=name).tap()
            assert page.evaluate("document.scrollingElement.scrollWidth") <= 360
            for box in page.locator("button:visible").evaluate_all(
                "(all) => all.filter((one) => !one.closest('#styles')).map((one) => one.getBoundingClientRect().right)"
            ):
                assert box <= 360
        page.get_by_role("button", name="Add Storm to the mixture").tap()
        playwright.expect(page.get_by_role("slider", name="Share of Storm")).to_be_visible()


def test_a_film(browser: Any, address: str, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4")
    with page_at(browser, address) as page:
        drop(page, tmp_path / "film.mp4", "video/mp4")
        page.get_by_role("slider", name="Frame of the film").wait_for()
        page.get_by_role("button", name="Stylize the film").click()
        link = page.get_by_role("link", name="Download")
        link.wait_for()
        assert downloaded(page, link, tmp_path / "made").stat().st_size > 500
