"""The moving picture of the page in the README: what a person does, without the waiting.

Called by page_pictures.py. Every frame is a screenshot; only the pointer is drawn, as a browser without a window shows
none, and so is the photograph while it is dragged in. The line at the bottom is empty: the times in it are of the
machine that takes the pictures.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

VIEW = {"width": 960, "height": 600}
SIZE = (640, 400)
COLORS = 96
_POINTER = """() => {
    document.getElementById("status").style.visibility = "hidden";
    const pointer = document.createElement("div");
    pointer.id = "pointer";
    pointer.setAttribute("popover", "manual");
    pointer.style.cssText = "position:fixed;inset:auto;margin:0;border:0;padding:0;background:none;overflow:visible;pointer-events:none";
    const photo = new Image();
    photo.style.cssText = "display:none;position:absolute;left:-90px;top:-60px;width:180px;border-radius:4px;opacity:.85";
    const arrow = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    arrow.setAttribute("viewBox", "0 0 24 24");
    arrow.style.cssText = "position:absolute;width:30px;height:30px;left:-4px;top:-3px";
    arrow.innerHTML = '<path d="M4 2v17l4.5-4 3 7 3-1.300-3-6.700h6z" fill="#fff" stroke="#000" stroke-width="1.300"/>';
    pointer.append(photo, arrow);
    document.body.append(pointer);
    pointer.showPopover();
}"""  # noqa: E501
_MOVE = """([x, y]) => {
    Object.assign(document.getElementById("pointer").style, { left: `${x}px`, top: `${y}px` });
}"""
_DRAG = """(source) => {
    const photo = document.querySelector("#pointer img");
    photo.style.display = source ? "block" : "none";
    document.getElementById("veil").hidden = !source;
    if (source) photo.src = source;
    return photo.decode?.().catch(() => {});
}"""


class Film:
    """Frames of a page, with the pointer where it is.

    Args:
        page: opened, with no photograph yet.
    """

    def __init__(self, page: Any) -> None:
        self.page, self.at = page, (480.0, 330.0)
        self.frames: list[tuple[Image.Image, int]] = []
        page.evaluate(_POINTER)
        self.move(*self.at)

    def take(self, milliseconds: int) -> None:
        """Takes a frame that is shown for so long."""
        shot = Image.open(io.BytesIO(self.page.screenshot(animations="disabled"))).convert("RGB")
        self.frames.append((shot.resize(SIZE, Image.Resampling.LANCZOS), milliseconds))

    def move(self, x: float, y: float) -> None:
        """Moves mouse and pointer."""
        self.page.mouse.move(x, y)
        self.page.evaluate(_MOVE, [x, y])
        self.at = (x, y)

    def go(self, x: float, y: float, frames: int = 2, milliseconds: int = 110) -> None:
        """Moves there in a few frames."""
        (from_x, from_y), steps = self.at, range(1, frames + 1)
        for step in steps:
            share = step / frames
            self.move(from_x + share * (x - from_x), from_y + share * (y - from_y))
            self.take(milliseconds)

    def over(self, locator: Any, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """A place of an element on the screen, as shares of its size."""
        box = locator.bounding_box()
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def click(self, locator: Any) -> None:
        """Goes to an element and presses it; of the strip, once it is in sight."""
        locator.scroll_into_view_if_needed()
        self.go(*self.over(locator))
        self.page.mouse.down()
        self.page.mouse.up()

    def drag(self, source: str | None) -> None:
        """Shows a photograph under the pointer, or no more."""
        self.page.evaluate(_DRAG, source)

    def save(self, file: Path) -> None:
        """Writes it as a GIF without an end, with one palette for all frames: what stands still costs nothing."""
        few = self.frames[:: max(1, len(self.frames) // 12)]
        wide, high = SIZE
        sheet = Image.new("RGB", (wide, high * len(few)))
        for number, (frame, _) in enumerate(few):
            sheet.paste(frame, (0, high * number))
        palette = sheet.quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        made = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame, _ in self.frames]
        durations = [milliseconds for _, milliseconds in self.frames]
        made[0].save(file, save_all=True, append_images=made[1:], duration=durations, loop=0, optimize=True)


def story(page: Any, photo: Path, settle: Any) -> Film:
    """Drop, choose, mix, paint, compare.

    Args:
        settle: waits until the page has painted all it has to.
    """
    film = Film(page)
    film.take(500)
    _drop(film, photo, settle)
    film.click(page.locator(".style-pick", has_text="The Great Wave"))
    settle(page)
    film.take(700)
    film.click(page.get_by_role("button", name="Add The Scream"))
    settle(page)
    film.take(400)
    _mix(film, settle)
    _paint(film, settle)
    _compare(film)
    return film


def _drop(film: Film, photo: Path, settle: Any) -> None:
    data = base64.b64encode(photo.read_bytes()).decode()
    film.move(930, 20)
    film.drag(f"data:image/png;base64,{data}")
    film.go(420, 250, frames=4)
    film.drag(None)
    film.page.set_input_files("#file", photo)
    film.page.locator("#styles img").nth(3).wait_for()
    film.take(250)
    film.page.locator("#styles img").nth(13).wait_for()
    settle(film.page)
    film.take(500)


def _mix(film: Film, settle: Any) -> None:
    slider = film.page.get_by_role("slider", name="Share of The Scream")
    film.go(*film.over(slider, 0.5))
    film.page.mouse.down()
    for share in (0.4, 0.28, 0.16, 0.3, 0.5, 0.7, 0.84):
        film.move(*film.over(slider, share))
        settle(film.page)
        film.take(150)
    film.page.mouse.up()
    settle(film.page)
    film.take(600)


def _paint(film: Film, settle: Any) -> None:
    page = film.page
    film.click(page.get_by_role("tab", name="Brush"))
    film.click(page.locator(".style-pick", has_text="The Starry Night"))
    page.get_by_role("slider", name="Size").fill("0.7")
    sheet = page.locator("#sheet")
    places = [
        (0.06, 0.92),
        (0.05, 0.45),
        (0.12, 0.1),
        (0.4, 0.04),
        (0.75, 0.05),
        (0.95, 0.2),
        (0.96, 0.6),
        (0.95, 0.92),
    ]
    film.go(*film.over(sheet, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        film.go(*film.over(sheet, *place), frames=2, milliseconds=80)
    page.mouse.up()
    settle(page)
    film.take(900)


def _compare(film: Film) -> None:
    page = film.page
    film.click(page.locator("#compare"))
    divider, sheet = page.locator("#divider"), page.locator("#sheet")
    film.go(*film.over(divider))
    page.mouse.down()
    for across in (0.62, 0.75, 0.86, 0.7, 0.5, 0.3, 0.14, 0.3, 0.42):
        film.move(*film.over(sheet, across))
        film.take(120)
    page.mouse.up()
    film.take(1000)
