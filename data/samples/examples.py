"""Makes every file that the commands of README and docs speak of: photo.jpg, film.mp4, moving.gif, masks, paintings.

    python data/samples/examples.py --out .

A file or folder that is there already stays. The photographs are scikit-image's; the film is a camera that goes over
one of them, its masks are white where that one has sky.
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stylebank.images import save_picture
from stylebank.images.samples import sample_photograph
from stylebank.shipped import PAINTINGS
from stylebank.video import open_reader, open_writer

FRAMES, RATE = 24, 12  # two seconds
SIZE = (320, 240)
PHOTOS = ("astronaut", "chelsea", "coffee", "motorcycle", "rocket")


def main() -> None:
    """Makes what is missing and says what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data/examples"), metavar="DIR", help="folder for them")
    out = parser.parse_args().out
    made = make_examples(out)
    print(f"Made {', '.join(made) or 'nothing: all of it is there'}, in {out}.")


def make_examples(out: Path) -> list[str]:
    """Makes the files that are missing in a folder and returns their names."""
    out.mkdir(parents=True, exist_ok=True)
    missing = [name for name in EXAMPLES if not (out / name).exists()]
    for name in missing:
        with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=out) as place:
            unfinished = Path(place) / name
            EXAMPLES[name](unfinished)
            unfinished.rename(out / name)
    return missing


def _photograph() -> Image.Image:
    return sample_photograph("rocket")


def _sky() -> Image.Image:
    """White where the photograph has sky: where it is much bluer than red."""
    pixels = np.asarray(_photograph(), dtype=np.int16)
    blue = Image.fromarray(((pixels[..., 2] - pixels[..., 0] > 18) * 255).astype(np.uint8))
    return blue.filter(ImageFilter.MedianFilter(9)).filter(ImageFilter.GaussianBlur(1))


def _face() -> Image.Image:
    """White over the face of the portrait."""
    mask = Image.new("L", sample_photograph("astronaut").size, 0)
    ImageDraw.Draw(mask).ellipse((165, 30, 285, 210), fill=255)
    return mask


def _seen(picture: Image.Image, number: int) -> Image.Image:
    """What the camera sees of a picture in frame `number`: it goes from left to right, up and down."""
    share = number / (FRAMES - 1)
    width, height = 0.62 * picture.width, 0.62 * picture.width * SIZE[1] / SIZE[0]
    left, top = (picture.width - width) * share, (picture.height - height) * (0.5 - 0.5 * math.cos(math.tau * share))
    return picture.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def _frames(picture: Image.Image) -> Callable[[Path], None]:
    """Writes the camera's frames of a picture as a folder of PNG."""

    def write(folder: Path) -> None:
        for number in range(FRAMES):
            save_picture(_seen(picture, number), folder / f"{number:04}.png")

    return write


def _film(picture: Image.Image) -> Callable[[Path], None]:
    """Writes the camera's frames of a picture as a film or an animation."""

    def write(file: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            _frames(picture)(Path(place) / "frames")
            reader = open_reader(Path(place) / "frames", fps=RATE)
            with open_writer(file, reader) as writer:
                for frame in reader:
                    writer.write(frame)

    return write


def _copies(*sources: str | Image.Image) -> Callable[[Path], None]:
    """Writes a folder of pictures: sample paintings by their names, and others."""

    def write(folder: Path) -> None:
        for number, source in enumerate(sources, 1):
            picture = Image.open(PAINTINGS / f"{source}.jpg") if isinstance(source, str) else source
            save_picture(picture, folder / f"{number}.jpg")

    return write


def _clips(folder: Path) -> None:
    _film(_photograph())(folder / "launch.mp4")
    save_picture(sample_photograph("coffee"), folder / "coffee.png")


EXAMPLES: dict[str, Callable[[Path], object]] = {
    "photo.jpg": lambda file: save_picture(_photograph(), file),
    "sky.png": lambda file: save_picture(_sky(), file),
    "sea.png": lambda file: save_picture(Image.eval(_sky(), lambda share: 255 - share), file),
    "portrait.jpg": lambda file: save_picture(sample_photograph("astronaut"), file),
    "face.png": lambda file: save_picture(_face(), file),
    "photos": _copies(*(sample_photograph(name) for name in PHOTOS)),
    "film.mp4": _film(_photograph()),
    "clips": _clips,
    "moving.gif": _film(_photograph()),
    "sky.mp4": _film(_sky()),
    "sky_masks": _frames(_sky()),
    "painting.jpg": lambda file: shutil.copyfile(PAINTINGS / "mosaic.jpg", file),
    "paintings": lambda folder: _copies("swirls", "petals")(folder / "monet"),
}
"""Name -> what makes the file or folder."""


if __name__ == "__main__":
    main()
