"""The parts that show pictures: every style, mixtures, regions."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

from stylebank.bars import counter
from stylebank.cli.demo.stage import SHOWN, Stage
from stylebank.images.contact_sheet import Section
from stylebank.inference.blending import Recipe
from stylebank.regions import find_regions, parse_assignment, parse_method, regions_from_labels, upsample_labels


def every_style(stage: Stage) -> Section:
    """Every sample photograph in every style of the bank."""
    styles, rows = stage.stylizer.styles, []
    with counter(len(SHOWN) * len(styles), unit="picture") as shown:
        for name in SHOWN:
            photograph = stage.photograph(name)
            encoded, row = stage.stylizer.encode(photograph), [photograph]
            for style in styles:
                row.append(stage.keep(encoded.stylize(style), "styles", style, f"{name}.png"))
                shown.update()
            rows.append(row)
    stage.made["every style"] = str(stage.out / "styles" / "STYLE" / "NAME.png")
    return Section(f"Every style of the bank {stage.bank.name}", rows, ["photograph", *styles])


def mixtures(stage: Stage) -> Section:
    """From one style to another: the filters are linear, so a mixture costs no more than a style."""
    first = stage.style("great_wave")
    second = stage.style("the_scream", but=first)
    encoded = stage.stylizer.encode(stage.photograph("coffee"))
    row, captions = [], []
    for percent in (0, 25, 50, 75, 100):
        shares = {first: 1 - percent / 100, second: percent / 100} if first != second else {first: 1.0}
        row.append(stage.keep(encoded.stylize(shares), "mixtures", f"{percent:03}.png"))
        captions.append(f"{percent} % {second}")
    stage.made["mixtures"] = str(stage.out / "mixtures")
    return Section(f"Mixed: from {first} to {second}", [row], captions)


def regions(stage: Stage) -> Section:
    """One style where a mask is white, and another or the photograph itself elsewhere; and regions that were found."""
    stylizer, photograph = stage.stylizer, stage.photograph("astronaut")
    inside = stage.style("starry_night")
    outside = stage.style("the_scream", but=inside)
    mask = stage.keep(_person(photograph.size), "regions", "mask.png")
    around = Image.eval(mask, lambda share: 255 - share)
    row = [
        photograph,
        mask,
        stage.keep(stylizer.stylize(photograph, outside, masks={inside: mask}), "regions", "two_styles.png"),
        stage.keep(stylizer.stylize(photograph, "original", masks={outside: around}), "regions", "around.png"),
        stage.keep(stylizer.stylize(photograph, _found(stage, photograph)), "regions", "found.png"),
    ]
    stage.made["regions"] = str(stage.out / "regions")
    captions = ["photograph", "mask", f"{inside} in it, {outside} outside", f"{outside} outside, photograph in it"]
    return Section(
        "By region: masks, painted or found, say what goes where", [row], [*captions, "regions found: k-means"]
    )


def _found(stage: Stage, photograph: Image.Image) -> Recipe:
    """A style for each of four regions that k-means finds in the bank's features."""
    method = parse_method("kmeans:4")
    labels = upsample_labels(find_regions(stage.stylizer, photograph, method), photograph.size)
    names = [stage.style(name) for name in ("great_wave", "the_scream", "starry_night", "udnie")]
    assigned = parse_assignment(
        ",".join(f"{i}={name}" for i, name in enumerate(names)), stage.stylizer.styles, range(4)
    )
    return Recipe({"identity": 1.0}, regions_from_labels(labels, assigned, 8))


def _person(size: tuple[int, int]) -> Image.Image:
    """A mask with soft edges, roughly over the person in the photograph `astronaut`."""
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    width, height = size
    for left, top, right, bottom in ((0.27, 0.0, 0.62, 0.46), (0.02, 0.36, 0.82, 1.5)):
        draw.ellipse((left * width, top * height, right * width, bottom * height), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(height / 48))
