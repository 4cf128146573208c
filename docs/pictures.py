"""Draws the documentation's pictures anew with the shipped bank, from scikit-image's photographs.

python docs/pictures.py              # all of them
python docs/pictures.py instant      # some
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stylebank.evaluation.cards import disk_cards, plain_cards
from stylebank.films.camera_shift import shifted
from stylebank.films.stabilize import Stabilizer
from stylebank.images import load_picture, resize_short_side, save_picture, to_image, to_tensor
from stylebank.images.contact_sheet import contact_sheet, folded_sheet
from stylebank.images.samples import sample_photograph
from stylebank.inference.blending import Recipe, Region, blend
from stylebank.inference.choices import Stroke
from stylebank.inference.colors import preserve_colors
from stylebank.inference.masks import feather
from stylebank.inference.stylizer import Stylizer
from stylebank.regions import (
    PALETTE,
    find_regions,
    parse_assignment,
    parse_method,
    regions_from_labels,
    upsample_labels,
)
from stylebank.shipped import PAINTINGS

IMAGES = Path(__file__).parent / "images"
SIZES = (512, 1024, 2048, 4096)
PHOTOGRAPHS = ("coffee", "chelsea", "astronaut")
CARD_STYLES = ("starry_night", "great_wave", "composition_viii", "the_scream", "rotterdam_woodcut")


def main() -> None:
    """Writes every picture that is asked for and says which."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"among {', '.join(DRAWINGS)}; else all")
    if unknown := set(names := parser.parse_args().names or list(DRAWINGS)) - set(DRAWINGS):
        parser.error(f"no drawing is called {', '.join(sorted(unknown))}")
    stylizer = Stylizer.load()
    for name in names:
        save_picture(DRAWINGS[name](stylizer), IMAGES / f"{name}.jpg", overwrite=True, quality=85)
        print(IMAGES / f"{name}.jpg")


def sheet(stylizer: Stylizer) -> Image.Image:
    """Three photographs in every style."""
    rows = []
    for name in PHOTOGRAPHS:
        photograph = resize_short_side(sample_photograph(name), 384)
        encoded = stylizer.encode(photograph)
        rows.append([photograph, *(encoded.stylize(style) for style in stylizer.styles)])
    return folded_sheet(rows, ["photograph", *stylizer.styles], 5)


def gallery(name: str) -> Callable[[Stylizer], Image.Image]:
    """One photograph, what the auto-encoder makes of it, and every style, larger."""

    def draw(stylizer: Stylizer) -> Image.Image:
        photograph = resize_short_side(sample_photograph(name), 512)
        encoded = stylizer.encode(photograph)
        names = ["identity", *stylizer.styles]
        return folded_sheet([[photograph, *map(encoded.stylize, names)]], ["photograph", *names], 4, (400, 300))

    return draw


def sizes(stroke: Stroke) -> Callable[[Stylizer], Image.Image]:
    """The same part of a photograph, stylized at different sizes of the whole."""

    def draw(stylizer: Stylizer) -> Image.Image:
        rows = []
        for style in ("starry_night", "mondrian_composition_vii", "composition_vii", "udnie"):
            row = []
            for size in SIZES:
                photograph = resize_short_side(sample_photograph("astronaut"), size)
                picture = stylizer.stylize(photograph, style, stroke=stroke)
                row.append(picture.crop((size // 5, 0, size * 4 // 5, size * 9 // 20)))
            rows.append(row)
        return contact_sheet(rows, [f"short side {size}" for size in SIZES], (384, 288))

    return draw


def mixture(stylizer: Stylizer) -> Image.Image:
    """From one style to another."""
    encoded = stylizer.encode(resize_short_side(sample_photograph("coffee"), 300))
    weights = [(1 - share, share) for share in (0, 0.25, 0.5, 0.75, 1)]
    row = [encoded.stylize({"great_wave": one, "the_scream": other}) for one, other in weights]
    return contact_sheet([row], [f"{one:g} : {other:g}" for one, other in weights], (270, 180))


def strength(stylizer: Stylizer) -> Image.Image:
    """Two styles, from the reconstruction to their full strength."""
    encoded = stylizer.encode(resize_short_side(sample_photograph("coffee"), 300))
    shares = (0, 0.2, 0.4, 0.6, 0.8, 1)
    rows = [
        [encoded.stylize(blend({style: 1.0}, alpha)) for alpha in shares]
        for style in ("the_scream", "mondrian_composition_vii")
    ]
    return contact_sheet(rows, [f"{alpha:g}" for alpha in shares], (240, 160))


def painted_regions(stylizer: Stylizer) -> Image.Image:
    """Two styles by a mask with a soft edge, and one style beside the photograph itself."""
    photograph = resize_short_side(sample_photograph("coffee"), 300)
    mask = torch.zeros(photograph.height, photograph.width)
    mask[:, : photograph.width // 2] = 1
    mask = feather(mask, 24)
    inside = stylizer.stylize(photograph, Recipe({"the_scream": 1.0}, [Region({"starry_night": 1.0}, mask)]))
    beside = Recipe({"identity": 1.0}, [Region({"great_wave": 1.0}, mask)], keep_original=True)
    row = [photograph, to_image(mask.expand(3, -1, -1)), inside, stylizer.stylize(photograph, beside)]
    captions = ["photograph", "mask", "starry night in it, the scream outside", "great wave in it, original outside"]
    return contact_sheet([row], captions, (330, 220))


def found_regions(stylizer: Stylizer) -> Image.Image:
    """Regions found by k-means and by SLIC, and styles given to them."""
    rows = []
    for name, method, assigned in (
        ("astronaut", "kmeans:4", "0=starry_night,1=identity,2=the_scream:0.6,3=great_wave"),
        ("coffee", "slic:12", "0-3=the_scream,4-7=great_wave,8-11=starry_night*0.5+mondrian_composition_vii*0.5"),
    ):
        photograph, how = resize_short_side(sample_photograph(name), 400), parse_method(method)
        labels = upsample_labels(find_regions(stylizer, photograph, how), photograph.size)
        assignment = parse_assignment(assigned, stylizer.styles, range(how.count))
        recipe = Recipe({"identity": 1.0}, regions_from_labels(labels, assignment, 8))
        key = Image.fromarray(np.array(PALETTE, dtype=np.uint8)[labels])
        rows.append([photograph, key, stylizer.stylize(photograph, recipe)])
    return contact_sheet(rows, ["photograph", "regions found", "a style each"], (320, 240))


def looks(stylizer: Stylizer) -> Image.Image:
    """A style plain, with the photograph's colours, and with wider strokes."""
    photograph = resize_short_side(sample_photograph("coffee"), 400)
    plain = stylizer.stylize(photograph, "the_scream")
    coarse = stylizer.stylize(photograph, "the_scream", stroke=2)
    row = [plain, preserve_colors(plain, photograph, "luma"), coarse]
    return contact_sheet([row], ["the scream", "--preserve-colors luma", "--stroke 2"], (400, 266))


def stability(stylizer: Stylizer) -> Image.Image:
    """What changes from one frame of a slow pan to the next, plain and stabilized."""
    rng, rows, step = np.random.default_rng(0), [], 1.3
    for name, style in (("astronaut", "great_wave"), ("coffee", "starry_night")):
        photograph = resize_short_side(sample_photograph(name), 330)
        size, frames = (min(400, photograph.width - 30), 300), []
        for number in range(8):
            moved = (1, 0, 2 + step * number, 0, 1, 5)
            frame = to_tensor(photograph.transform(size, Image.Transform.AFFINE, moved, Image.Resampling.BICUBIC))
            noise = torch.from_numpy(rng.normal(0, 2 / 255, frame.shape)).float()  # a camera's
            frames.append((frame + noise).clamp(0, 1))
        pixels, recipe = torch.stack(frames), stylizer.recipe(style)
        plain = stylizer.encode(pixels).decode(recipe)
        steady = Stabilizer(stylizer, "blend")
        calm = steady.settle(pixels, steady.encode(pixels).decode(recipe))
        changes = [(last[-1] - shifted(last[-2:-1].contiguous(), (step, 0.0))[0]).abs() for last in (plain, calm)]
        rows.append([pixels[-1], calm[-1], *((4 * change).clamp(0, 1) for change in changes)])
    captions = ["frame", "--stabilize", "change x4, frame by frame", "change x4, --stabilize"]
    return contact_sheet([[to_image(picture) for picture in row] for row in rows], captions, (300, 225))


def cards(stylizer: Stylizer) -> Image.Image:
    """Plain cards and one with a disk, and what some styles make of them."""
    shown = [*plain_cards().values(), list(disk_cards().values())[2]]
    rows = []
    for card in shown:
        encoded = stylizer.encode(card)
        rows.append([to_image(card[0]), *(encoded.stylize(style) for style in CARD_STYLES)])
    return contact_sheet(rows, ["card", *CARD_STYLES], (160, 160))


def instant(stylizer: Stylizer) -> Image.Image:
    """The sample paintings, which no training has seen, each predicted and on three photographs."""
    paintings = {path.stem: load_picture(path).rgb for path in sorted(PAINTINGS.glob("*.jpg"))}
    photographs = [resize_short_side(sample_photograph(name), 300) for name in PHOTOGRAPHS]
    rows = []
    for name, painting in paintings.items():
        stylizer.add_instant(painting, name)
        rows.append([painting, *(stylizer.stylize(photograph, name) for photograph in photographs)])
    return contact_sheet(rows, ["painting", *PHOTOGRAPHS], (264, 200))


DRAWINGS: dict[str, Callable[[Stylizer], Image.Image]] = {
    "contact_sheet": sheet,
    "gallery_coffee": gallery("coffee"),
    "gallery_chelsea": gallery("chelsea"),
    "gallery_astronaut": gallery("astronaut"),
    "gallery_rocket": gallery("rocket"),
    "sizes": sizes(1.0),
    "sizes_auto": sizes("auto"),
    "mixture": mixture,
    "alpha": strength,
    "regions": painted_regions,
    "found": found_regions,
    "looks": looks,
    "cards": cards,
    "stability": stability,
    "instant": instant,
}

if __name__ == "__main__":
    main()
