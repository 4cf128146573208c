"""Stylizing still pictures, one after the other."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from stylebank.cli.stylize.jobs import Job
from stylebank.cli.stylize.looks import Looks
from stylebank.cli.stylize.options import DEFAULT_QUALITY, StylizeOptions
from stylebank.images import Metadata, load_picture, resize_short_side, save_picture
from stylebank.images.contact_sheet import contact_sheet
from stylebank.inference.colors import preserve_colors
from stylebank.inference.strokes import resize_to_work, restore_detail
from stylebank.inference.stylizer import Stylizer
from stylebank.regions import save_label_map

STRIP_CELL = 480  # longest side in pixels of the pictures in a strip


def stylize_picture(stylizer: Stylizer, looks: Looks, job: Job, options: StylizeOptions) -> None:
    """Writes one picture in every look, or a strip of them.

    Raises:
        StyleBankError: it cannot be read, stylized or written.
    """
    picture = load_picture(job.source, draft_short_side=options.size, with_metadata=not options.strip_metadata)
    rgb, alpha = picture.rgb, picture.alpha
    if options.size:
        rgb = resize_short_side(rgb, options.size)
        alpha = alpha.resize(rgb.size) if alpha else None
    encoded = stylizer.encode(resize_to_work(rgb, options.looks.stroke), options.tile)
    outputs = {}
    for name, recipe in looks.recipes(rgb).items():
        outputs[name] = preserve_colors(restore_detail(encoded.stylize(recipe), rgb), rgb, options.looks.colors)
        if name in job.targets:  # at once: with many looks all of them would fill the memory
            _save(outputs.pop(name), job.targets[name], options, picture.metadata, alpha)
    if options.looks.sweep:
        (target,) = job.targets.values()
        _save(_strip(outputs), target, options, picture.metadata)


def show_regions(looks: Looks, source: Path, target: Path, options: StylizeOptions) -> list[Path]:
    """Writes a picture's label map and its key, and returns the files. Raises as `stylize_picture` does."""
    rgb = load_picture(source, draft_short_side=options.size).rgb
    if options.size:
        rgb = resize_short_side(rgb, options.size)
    return save_label_map(looks.finder.full_size(rgb), target, overwrite=options.existing.overwrite)


def _save(
    image: Image.Image,
    target: Path,
    options: StylizeOptions,
    metadata: Metadata,
    alpha: Image.Image | None = None,
) -> None:
    quality = DEFAULT_QUALITY if options.quality is None else options.quality
    overwrite = options.existing.overwrite
    save_picture(image, target, alpha=alpha, overwrite=overwrite, quality=quality, metadata=metadata)


def _strip(pictures: dict[str, Image.Image]) -> Image.Image:
    width, height = next(iter(pictures.values())).size
    scale = min(1.0, STRIP_CELL / max(width, height))
    return contact_sheet([list(pictures.values())], list(pictures), (round(width * scale), round(height * scale)))
