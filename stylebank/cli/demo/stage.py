"""What the parts of the demonstration share: a bank, sample photographs, and a folder to write to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from PIL import Image

from stylebank.images import resize_short_side, save_picture
from stylebank.images.samples import sample_photograph, write_photographs
from stylebank.inference.stylizer import Stylizer

SHOWN = ("coffee", "chelsea", "astronaut")


class Interrupted(Exception):
    """A part was stopped by a signal, after saving what it had; the text says how to go on."""


@dataclass
class Stage:
    """Where the demonstration takes place."""

    bank: Path
    out: Path
    size: int
    """Short side in pixels that photographs are scaled to."""
    made: dict[str, str] = field(default_factory=dict)
    """What there is to look at in the end, and where."""

    @cached_property
    def stylizer(self) -> Stylizer:
        """The bank, with the new style once there is one; see `take`."""
        return Stylizer.load(self.bank)

    def take(self, bank: Path) -> None:
        """The parts that follow show another bank."""
        self.bank = bank
        self.__dict__.pop("stylizer", None)

    @cached_property
    def content(self) -> Path:
        """A folder of sample photographs, written when it is first asked for."""
        folder = self.out / "photographs"
        write_photographs(folder)
        self.made["sample photographs"] = str(folder)
        return folder

    def photograph(self, name: str) -> Image.Image:
        """A sample photograph at the demonstration's size."""
        return resize_short_side(sample_photograph(name), self.size)

    def style(self, *wanted: str, but: str = "") -> str:
        """The first of these that the bank has, else its first style other than `but`."""
        there = [name for name in (*wanted, *self.stylizer.styles) if name in self.stylizer.styles and name != but]
        return there[0] if there else self.stylizer.styles[0]

    def keep(self, picture: Image.Image, *place: str) -> Image.Image:
        """Writes a picture below the demonstration's folder, over one of before, and returns it."""
        save_picture(picture, self.out.joinpath(*place), overwrite=True)
        return picture
