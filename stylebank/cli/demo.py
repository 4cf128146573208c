"""Stylize a sample photograph with every style of the shipped bank."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from PIL import Image

from stylebank.images import resize_short_side, save_picture
from stylebank.images.contact_sheet import folded_sheet
from stylebank.inference.stylizer import Stylizer
from stylebank.shipped import DEFAULT_BANK

PHOTOGRAPHS = ("coffee", "chelsea", "astronaut")  # in scikit-image's own package, under free licences
COLUMNS = 5  # of the contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("--bank", type=Path, default=DEFAULT_BANK, metavar="DIR", help="the bank to show")
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"), metavar="DIR", help="folder for the pictures")
    parser.add_argument("--size", type=int, default=384, metavar="N", help="short side in pixels")


def run(options: argparse.Namespace) -> int:
    """Writes every picture and one contact sheet, and says where."""
    demonstrate(options.bank, options.out, options.size)
    return 0


def demonstrate(bank: Path, out: Path, short_side: int) -> None:
    """Stylizes the sample photographs, scaled to a short side in pixels, in every style of a bank.

    Raises:
        StyleBankError: the bank cannot be read, or a picture not be written.
    """
    stylizer = Stylizer.load(bank)
    rows, started = [], time.monotonic()
    for name in PHOTOGRAPHS:
        photograph = resize_short_side(sample_photograph(name), short_side)
        encoded = stylizer.encode(photograph)
        pictures = {style: encoded.stylize(style) for style in stylizer.styles}
        for style, picture in pictures.items():
            save_picture(picture, out / style / f"{name}.png", overwrite=True)
        rows.append([photograph, *pictures.values()])
    sheet = out / "contact_sheet.png"
    save_picture(folded_sheet(rows, ["photograph", *stylizer.styles], COLUMNS), sheet, overwrite=True)
    count = len(PHOTOGRAPHS) * len(stylizer.styles)
    print(f"Stylized {count} pictures in {time.monotonic() - started:.1f} s on {stylizer.device}.")
    print(f"Pictures: {out}/STYLE/NAME.png\nContact sheet: {sheet}")


def sample_photograph(name: str) -> Image.Image:
    """A photograph that scikit-image ships."""
    from skimage import data

    return Image.fromarray(getattr(data, name)()).convert("RGB")
