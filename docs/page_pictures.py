"""Pictures of the page for docs/page.md and the README, of scikit-image's photographs: python docs/page_pictures.py.

Needs the extras `serve` and `page-test`, and Chromium. With the names of some of them it takes these alone:
`python docs/page_pictures.py page.gif`.
"""

from __future__ import annotations

import io
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from page_film import VIEW, story
from PIL import Image
from playwright.sync_api import sync_playwright

from stylebank.images.samples import sample_photograph
from stylebank.serve.app import make_app
from stylebank.serve.service import Service
from stylebank.serve.settings import ServeSettings

TARGET = Path(__file__).parent / "images"
PATIENCE = 600_000  # milliseconds


def main() -> None:
    """Starts a server, does what a person would, and takes the pictures."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        app = make_app(Service(ServeSettings(keep=Path(folder) / "kept")))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        for name in ("coffee", "chelsea"):
            sample_photograph(name).save(Path(folder) / f"{name}.png")
        with sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--force-device-scale-factor=1"]
            )
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            wanted = sys.argv[1:] or list(PICTURES)
            for name in wanted:
                photo, take = PICTURES[name]
                take(browser, address, Path(folder) / photo)
            browser.close()
        server.should_exit = True
        thread.join()


def mixture(browser: Any, address: str, photo: Path) -> None:
    """Two styles mixed, before and after."""
    page = opened(browser, address, photo, viewport={"width": 1180, "height": 740})
    page.locator(".style-pick", has_text="The Great Wave").click()
    page.get_by_role("button", name="Add The Scream").click()
    page.get_by_role("slider", name="Share of The Scream").fill("0.3")
    settle(page)
    page.locator("#compare").click()
    for _ in range(4):
        page.get_by_role("slider", name="Before and after").press("ArrowLeft")
    page.locator("h1").click()  # nothing has the focus any more
    save(page, "page.jpg", 84)


def brush(browser: Any, address: str, photo: Path) -> None:
    """A mask being painted, on a phone and in the dark."""
    page = opened(
        browser,
        address,
        photo,
        viewport={"width": 390, "height": 780},
        device_scale_factor=1.5,
        color_scheme="dark",
        has_touch=True,
        is_mobile=True,
    )
    page.locator(".style-pick", has_text="Composition VIII").tap()
    page.get_by_role("tab", name="Brush").tap()
    page.locator(".style-pick", has_text="The Starry Night").tap()
    page.get_by_role("slider", name="Size").fill("0.75")
    box = page.locator("#sheet").bounding_box()
    page.mouse.move(box["x"] + 0.02 * box["width"], box["y"] + 0.95 * box["height"])
    page.mouse.down()
    for x, y in ((0.05, 0.1), (0.2, 0.02), (0.08, 0.6), (0.5, 0.02), (0.9, 0.02), (0.97, 0.5), (0.9, 0.95)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=12)
    page.mouse.up()
    settle(page)
    save(page, "page_brush.jpg", 84)


def film(browser: Any, address: str, photo: Path) -> None:
    """A photograph dropped, styles mixed, one painted, before and after."""
    page = browser.new_context(viewport=VIEW, color_scheme="light").new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.get_by_text("Ready.", exact=True).wait_for()
    story(page, photo, settle).save(TARGET / "page.gif")


def opened(browser: Any, address: str, photo: Path, **options: Any) -> Any:
    """A page with a photograph in all styles."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.set_input_files("#file", photo)
    page.locator("#styles img").nth(13).wait_for()
    settle(page)
    return page


def settle(page: Any) -> None:
    """Waits until the whole picture is there."""
    page.wait_for_timeout(800)
    page.locator("#pulse").wait_for(state="hidden")


def save(page: Any, name: str, quality: int) -> None:
    """Keeps what is on the screen as a JPEG."""
    page.wait_for_timeout(500)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(TARGET / name, quality=quality, optimize=True)


PICTURES: dict[str, tuple[str, Callable[[Any, str, Path], None]]] = {
    "page.jpg": ("coffee.png", mixture),
    "page_brush.jpg": ("chelsea.png", brush),
    "page.gif": ("chelsea.png", film),
}
"""File -> the photograph, and what takes it."""


if __name__ == "__main__":
    main()
