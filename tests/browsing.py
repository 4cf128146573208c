"""A browser for tests of the page: what a person does with files, mouse and keys."""

from __future__ import annotations

import base64
import http.server
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import noise, smooth
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra 'page-test' (playwright)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60_000  # milliseconds, on a busy machine
playwright.expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """A browser without a window."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    sandbox = [] if not hasattr(os, "geteuid") or os.geteuid() else ["--no-sandbox"]  # root has none
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_at(browser: Any, url: str, width: int = 1280, height: int = 800, **options: Any) -> Iterator[Any]:
    """A page that must not raise errors of its own."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(PATIENCE)
    page, raised = context.new_page(), list[str]()
    page.on("pageerror", lambda error: raised.append(str(error)))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert not raised


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """An ASGI application at an address of this machine."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:  # else a test that fails would never end
        server.should_exit = True
        thread.join()


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def static_files(folder: Path) -> Iterator[str]:
    """A folder as any web space gives it out."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def write_shore(path: Path) -> Path:
    """A photograph of 300x200: a gradient with grain."""
    grain = np.asarray(noise(300, 200)).astype(float)
    mixed = 0.8 * np.asarray(smooth(300, 200)) + 0.2 * grain
    Image.fromarray(mixed.astype(np.uint8)).save(path)
    return path


def drop(page: Any, file: Path, kind: str = "image/png", onto: str = "body") -> None:
    """Drops a file onto the page, or an element of it."""
    data = base64.b64encode(file.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([data, name, type]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
            return transfer;
        }""",
        [data, file.name, kind],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(onto, event, {"dataTransfer": transfer})


def rest(page: Any, count: int = 1) -> None:
    """Returns once so many whole pictures have been painted, and nothing is being done."""
    page.locator(f"body[data-rendered='{count}']").wait_for(state="attached")
    page.locator("#pulse").wait_for(state="hidden")


def open_photo(page: Any, file: Path) -> None:
    """Drops a photograph and waits for its first picture."""
    drop(page, file)
    rest(page)


def painted(page: Any) -> int:
    """How many whole pictures have been painted."""
    return int(page.locator("body").get_attribute("data-rendered") or 0)


def choose(page: Any, style: str) -> None:
    """Clicks a style in the strip."""
    page.locator("#styles .style-pick", has_text=style).click()


def stroke(page: Any, *places: tuple[float, float]) -> None:
    """Moves the pressed mouse over the picture, from place to place (shares of its width and height)."""
    box = page.locator("#sheet").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=6)
    page.mouse.up()


def downloaded(page: Any, button: Any, folder: Path) -> Path:
    """Presses a button and keeps the file that it gives."""
    with page.expect_download() as waiting:
        button.click()
    target = folder / str(waiting.value.suggested_filename)
    waiting.value.save_as(target)
    return target


def apart(one: np.ndarray, other: np.ndarray) -> tuple[float, int]:
    """Mean and largest difference of two pictures, in levels of 255."""
    assert one.shape == other.shape
    difference = np.abs(one.astype(int) - other.astype(int))
    return float(difference.mean()), int(difference.max())
