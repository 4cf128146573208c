"""Pictures side by side with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

CAPTION = 22  # height in pixels
SIZES = (14, 12, 10)
"""Of letters, in pixels; smaller ones are hard to read."""
GAP = 6
HEADING = 40
COLUMNS = 5  # of stacked sheets


@dataclass(frozen=True)
class Section:
    """Rows of pictures with a heading above and captions over their columns."""

    heading: str
    rows: Sequence[Sequence[Image.Image]]
    captions: Sequence[str]


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]], captions: Sequence[str], cell: tuple[int, int] = (288, 216)
) -> Image.Image:
    """One picture of rows of pictures, each fitted into a cell of (width, height) pixels, under column captions."""
    width, height = cell
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (GAP + columns * (width + GAP), CAPTION + GAP + len(rows) * (height + GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(captions):
        text, font = _fitted(caption.replace("_", " "), width)
        draw.text((GAP + column * (width + GAP), GAP // 2), text, fill="black", font=font)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            place = (GAP + x * (width + GAP), CAPTION + GAP + y * (height + GAP))
            sheet.paste(ImageOps.fit(picture.convert("RGB"), cell, Image.Resampling.LANCZOS), place)
    return sheet


def _fitted(text: str, width: int) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """A caption that is no wider than its column: in smaller letters, then cut short."""
    for size in SIZES:
        font = ImageFont.load_default(size=size)
        if font.getlength(text) <= width:
            return text, font
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..." if text else "", font


def folded_sheet(
    rows: Sequence[Sequence[Image.Image]],
    captions: Sequence[str],
    columns: int,
    cell: tuple[int, int] = (288, 216),
) -> Image.Image:
    """A contact sheet of at most `columns` columns: the others come below, with their captions."""
    starts = range(0, max(len(row) for row in rows), columns)
    parts = [contact_sheet([row[i : i + columns] for row in rows], captions[i : i + columns], cell) for i in starts]
    sheet = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


def stacked_sheet(sections: Sequence[Section], columns: int = COLUMNS) -> Image.Image:
    """Contact sheets one below the other, each under its heading, folded to at most `columns` columns."""
    parts = [folded_sheet(section.rows, section.captions, columns) for section in sections]
    width = max(part.width for part in parts)
    sheet = Image.new("RGB", (width, sum(HEADING + part.height for part in parts)), "white")
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(size=20), 0
    for section, part in zip(sections, parts, strict=True):
        draw.line((0, top, width, top), fill=(200, 200, 200))
        draw.text((GAP, top + HEADING - GAP), section.heading.replace("_", " "), fill="black", font=font, anchor="ls")
        sheet.paste(part, (0, top + HEADING))
        top += HEADING + part.height
    return sheet
