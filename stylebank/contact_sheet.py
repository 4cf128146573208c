"""Pictures side by side with captions."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

CAPTION = 22  # height in pixels
GAP = 6


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]], captions: Sequence[str], cell: tuple[int, int] = (288, 216)
) -> Image.Image:
    """One picture of rows of pictures, each fitted into a cell of (width, height) pixels, under column captions."""
    width, height = cell
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (GAP + columns * (width + GAP), CAPTION + GAP + len(rows) * (height + GAP)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for column, caption in enumerate(captions):
        draw.text((GAP + column * (width + GAP), GAP // 2), caption.replace("_", " "), fill="black", font=font)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            place = (GAP + x * (width + GAP), CAPTION + GAP + y * (height + GAP))
            sheet.paste(ImageOps.fit(picture.convert("RGB"), cell, Image.Resampling.LANCZOS), place)
    return sheet
