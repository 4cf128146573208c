"""What the demonstration shows, part by part, and the sheet of all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stylebank.cli.demo.film import film
from stylebank.cli.demo.new_style import new_style
from stylebank.cli.demo.pictures import every_style, mixtures, regions
from stylebank.cli.demo.stage import Interrupted, Stage
from stylebank.images import save_picture
from stylebank.images.contact_sheet import Section, stacked_sheet

SHEET = "contact_sheet.png"


@dataclass(frozen=True)
class Part:
    """One thing to show: what it is, about how many seconds it takes on two processor cores, and what does it."""

    what: str
    seconds: int
    show: Callable[[Stage], Section]


LEARNING = Part("a painting learned as a new style, in a copy of the bank", 60, new_style)
PARTS = (
    Part("sample photographs in every style", 10, every_style),
    LEARNING,
    Part("two styles mixed", 2, mixtures),
    Part("two styles in one picture, by a mask", 2, regions),
    Part("a few seconds of a moving picture", 10, film),
)


def show_all(bank: Path, out: Path, short_side: int, *, quick: bool) -> int:
    """Shows every part and a sheet of all, and says where everything is.

    Args:
        out: folder for everything.
        short_side: of the pictures, in pixels.
        quick: leave out the new style.

    Returns:
        The exit code: 130 if the training was interrupted.

    Raises:
        StyleBankError: the bank cannot be read, or something not be written.
    """
    parts = [part for part in PARTS if not (quick and part is LEARNING)]
    stage = Stage(bank, out, short_side)
    _announce(parts, quick)
    try:
        sections = [_show(part, number, len(parts), stage) for number, part in enumerate(parts, 1)]
    except Interrupted as stopped:
        print(stopped)
        return 130
    sheet = out / SHEET
    save_picture(stacked_sheet(sections), sheet, overwrite=True)
    print(f"\nAll of it on one sheet: {sheet}")
    for what, where in stage.made.items():
        print(f"  {what:<28} {where}")
    return 0


def _announce(parts: list[Part], quick: bool) -> None:
    total = sum(part.seconds for part in parts)
    shorter = "" if quick else f"; --quick leaves out the new style, {LEARNING.seconds} of them"
    print(f"This takes about {total} seconds on two processor cores{shorter}:")
    for number, part in enumerate(parts, 1):
        print(f"  {number}. {part.what:<58} {part.seconds:>3} s")


def _show(part: Part, number: int, of: int, stage: Stage) -> Section:
    print(f"\n{number}/{of} {part.what[0].upper()}{part.what[1:]} ...", flush=True)
    began = time.monotonic()
    section = part.show(stage)
    print(f"    done in {time.monotonic() - began:.1f} s")
    return section
