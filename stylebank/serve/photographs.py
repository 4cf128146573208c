"""Photographs to be stylized: uploads, decoded once and kept, and in small for previews."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from PIL import Image

from stylebank.errors import ImageError
from stylebank.images import Picture, load_picture, probe, resize_long_side, resize_short_side
from stylebank.inference.saved_recipe import SMALLEST
from stylebank.serve.cache import ByteCache
from stylebank.serve.refusals import called
from stylebank.serve.store import Upload

COPY_SIDE = 2560
"""Long side in pixels of what previews are made from."""


@dataclass(frozen=True)
class Photo:
    """What a preview is made from."""

    key: Hashable
    """The upload's id; of a film's frame (id, number)."""
    size: tuple[int, int]
    """(W, H) of the photograph itself."""
    rgb: Image.Image
    """Mode RGB, no larger than `COPY_SIDE`."""
    alpha: Image.Image | None = None


def small_copy(upload: Upload, cache: ByteCache) -> Photo:
    """A photograph as previews need it, decoded when it is first asked for.

    Raises:
        ImageError: it cannot be read, or is too small.
    """
    kept = cache.get((upload.id, "photo"))
    if isinstance(kept, Photo):
        return kept
    with called(upload.name, upload.path):
        size = probe(upload.path)
        if min(size) < SMALLEST:
            raise ImageError(
                f"'{upload.name}' has {size[0]}x{size[1]} pixels; at least {SMALLEST} on a side are needed."
            )
        draft = None if max(size) <= COPY_SIDE else max(1, COPY_SIDE * min(size) // max(size))
        picture = load_picture(upload.path, draft_short_side=draft)
    photo = reduced(upload.id, size, picture.rgb, picture.alpha)
    cache.put((upload.id, "photo"), photo, 4 * photo.rgb.width * photo.rgb.height)
    return photo


def reduced(key: Hashable, size: tuple[int, int], rgb: Image.Image, alpha: Image.Image | None = None) -> Photo:
    """A picture (mode RGB) as previews need it."""
    if max(rgb.size) > COPY_SIDE:
        rgb = resize_long_side(rgb, COPY_SIDE)
        alpha = alpha.resize(rgb.size) if alpha else None
    return Photo(key, size, rgb, alpha)


def whole(upload: Upload, short_side: int | None) -> Picture:
    """A photograph with all its pixels, or scaled to a short side as `--size` does, and its metadata.

    Raises:
        ImageError: it cannot be read, or would become too large.
    """
    with called(upload.name, upload.path):
        picture = load_picture(upload.path, draft_short_side=short_side, with_metadata=True)
        if not short_side:
            return picture
        rgb = resize_short_side(picture.rgb, short_side)
    return Picture(rgb, picture.alpha.resize(rgb.size) if picture.alpha else None, picture.path, picture.metadata)
