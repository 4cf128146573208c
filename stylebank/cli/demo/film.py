"""The part that moves: a camera that goes over a photograph, and the film of it in a style."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from stylebank.bars import counter
from stylebank.cli.demo.stage import Stage
from stylebank.films.stylize import FilmStylizer
from stylebank.images import resize_short_side, save_picture
from stylebank.images.contact_sheet import Section
from stylebank.images.samples import sample_photograph
from stylebank.video import FrameReader, open_reader, open_writer

LARGEST = 240  # pixels, the short side
FRAMES, RATE = 48, 12  # four seconds
SHOWN = 5


def film(stage: Stage) -> Section:
    """Makes a short film, and the film in a style, kept still where it stands still."""
    style = stage.style("starry_night")
    folder = stage.out / "film"
    plain, styled = folder / "plain.mp4", folder / f"{style}.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    # What is interrupted here is not gone on with: it takes seconds, and leaves nothing.
    with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=folder) as place:
        unfinished = Path(place)
        _write_plain(unfinished / plain.name, unfinished / "frames", min(LARGEST, stage.size // 2 * 2))
        _write_styled(unfinished / plain.name, unfinished / styled.name, stage, style)
        for film_file in (plain, styled):
            (unfinished / film_file.name).replace(film_file)
    stage.made["the film"] = f"{plain} and {styled}"
    rows = [_some_frames(open_reader(path)) for path in (plain, styled)]
    captions = [f"{number / RATE:.1f} s" for number in _numbers()]
    return Section(f"A moving picture, and the same in {style}", rows, captions)


def _write_plain(path: Path, folder: Path, side: int) -> None:
    for number in range(FRAMES):
        save_picture(_view(number / FRAMES, side), folder / f"{number:03}.png")
    frames = open_reader(folder, fps=RATE)
    with open_writer(path, frames) as writer:
        for frame in frames:
            writer.write(frame)


def _write_styled(plain: Path, path: Path, stage: Stage, style: str) -> None:
    reader = open_reader(plain)
    stylist = FilmStylizer(stage.stylizer, stage.stylizer.recipe(style), stabilize="blend")
    with open_writer(path, reader) as writer, counter(FRAMES, unit="frame") as shown:
        stylist.run(reader, writer, shown.update)


def _view(share: float, side: int) -> Image.Image:
    """What the camera sees after a share of its way around the photograph, a little nearer in the middle of it.

    Args:
        side: height in pixels; the width is a third larger, and even.
    """
    photograph = resize_short_side(sample_photograph("coffee"), side * 5 // 4)
    size = (side * 2 // 3 * 2, side)
    scale = 1 - 0.2 * math.sin(math.pi * share) ** 2
    width, height = size[0] * scale, size[1] * scale
    left = (photograph.width - width) * (0.5 - 0.5 * math.cos(2 * math.pi * share))
    top = (photograph.height - height) * (0.5 + 0.3 * math.sin(2 * math.pi * share))
    return photograph.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def _numbers() -> list[int]:
    return [round(i * (FRAMES - 1) / (SHOWN - 1)) for i in range(SHOWN)]


def _some_frames(reader: FrameReader) -> list[Image.Image]:
    """As many frames as are shown, evenly spread."""
    wanted = _numbers()
    return [Image.fromarray(np.asarray(frame.rgb)) for number, frame in enumerate(reader) if number in wanted]
