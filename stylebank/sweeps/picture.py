"""A study as a picture: a row per run with a photograph, its reconstruction, and every style."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from stylebank.evaluation.held_out import MEASURE_SIDE
from stylebank.images import load_picture, resize_short_side, save_picture
from stylebank.images.contact_sheet import contact_sheet
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import IDENTITY
from stylebank.sweeps.grid import short_names, show_value
from stylebank.sweeps.names import PICTURE
from stylebank.sweeps.record import Study

CELL = (240, 180)  # width and height in pixels
MOST_ROWS = 100  # a JPEG has at most 65,535 lines, and nobody looks at that many
MOST_STYLES = 8


def draw_grid(study: Study, device: str, photograph: Path | None = None) -> Path | None:
    """Writes `grid.jpg` of the runs that are done (the first hundred) and returns its path; None if there are none.

    Args:
        photograph: the same one in all rows, else the first that each run held out (which depends on the seed).

    Raises:
        StyleBankError: the photograph or a bank cannot be read, or the grid cannot be written.
    """
    entries = study.finished()[:MOST_ROWS]
    if not entries:
        return None
    short = short_names(study.keys)
    rows, captions = [], [""]
    for entry in entries:
        folder = study.run_folder(entry.name)
        stylizer = Stylizer.load(folder.bank, device)
        file = photograph or Path(folder.last_report()["held_out"][0])
        image = resize_short_side(load_picture(file, draft_short_side=MEASURE_SIDE).rgb, MEASURE_SIDE)
        encoded = stylizer.encode(image)
        names = [IDENTITY, *stylizer.styles[:MOST_STYLES]]
        label = _label([f"{short[key]}: {show_value(value)}" for key, value in entry.values.items()])
        rows.append([label, image, *(encoded.stylize(name) for name in names)])
        captions = max(captions, ["", "photograph", "reconstruction", *names[1:]], key=len)
    path = study.folder / PICTURE
    save_picture(contact_sheet(rows, captions, CELL), path, overwrite=True, quality=90)
    return path


def _label(lines: Sequence[str]) -> Image.Image:
    """A cell of text."""
    label = Image.new("RGB", CELL, "white")
    font = ImageFont.load_default(size=15)
    ImageDraw.Draw(label).multiline_text((4, 8), "\n".join(lines), fill="black", font=font, spacing=6)
    return label
