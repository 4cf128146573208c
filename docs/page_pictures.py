"""Screenshots of the page for docs/page.md, of scikit-image's photographs: python docs/page_pictures.py.

Needs the extras `serve` and `page-test`, and Chromium.
"""

from __future__ import annotations

import io
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from stylebank.images.samples import sample_photograph
from stylebank.serve.app import make_app
from stylebank.serve.settings import ServeSettings

TARGET = Path(__file__).parent / "images"
PATIENCE = 600_000  # milliseconds


def main() -> None:
    """Starts a server, does what a person would, and takes the pictures."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        app = make_app(ServeSettings(keep=Path(folder) / "kept"))
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
            mixture(browser, address, Path(folder) / "coffee.png")
            brush(browser, address, Path(folder) / "chelsea.png")
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
    page.locator("#frame").focus()
    page.mouse.move(5, 5)
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
    box = page.locator("#sheet").bounding_box()
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.15 * box["height"])
    page.mouse.down()
    for x, y in ((0.9, 0.12), (0.95, 0.4), (0.85, 0.75), (0.1, 0.3)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=12)
    save(page, "page_brush.jpg", 84)
    page.mouse.up()


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


if __name__ == "__main__":
    main()
