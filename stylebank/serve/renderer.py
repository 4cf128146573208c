"""Pictures as the server answers with them: previews, thumbnails, and the file that `infer.py` would write."""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from stylebank.images import Metadata, save_picture
from stylebank.inference.colors import preserve_colors
from stylebank.inference.encoded import Encoded
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.inference.strokes import resize_to_work, restore_detail
from stylebank.inference.stylizer import Stylizer
from stylebank.inference.whole import WholePicture
from stylebank.serve.banks import Banks, ServedBank
from stylebank.serve.cache import ByteCache
from stylebank.serve.line import Ticket
from stylebank.serve.photographs import Photo, whole
from stylebank.serve.preview_size import scaled_to, shown_at, worked_at
from stylebank.serve.store import Upload

QUALITY = 95  # of JPEG and WebP, as of `infer.py`
PREVIEW_QUALITY = 88

MaskLoader = Callable[[str], Tensor]
"""Reads a mask by what the recipe calls it."""


@dataclass(frozen=True)
class Renderer:
    """Makes pictures with the banks that are served; what encoders made of photographs is kept."""

    banks: Banks
    cache: ByteCache

    def preview(
        self, photo: Photo, recipe: SavedRecipe, side: int, masks: MaskLoader, ticket: Ticket, draft: bool = False
    ) -> Image.Image:
        """A photograph in small, mode RGB, with a long side of at most `side` pixels.

        Raises:
            StyleBankError: the recipe cannot be made.
            Cancelled: nobody waits for it.
        """
        bank = self.banks.of(recipe)
        stylizer = self.banks.stylizer(bank)
        full = scaled_to(photo.size, recipe.size)
        shown = shown_at(full, side)
        work = worked_at(full, shown, recipe.stroke, draft)
        made = stylizer.recipes.of_saved(recipe, full, masks)
        ticket.check()
        encoded = self._encoded(bank, stylizer, (photo.key, work), lambda: _resized(photo.rgb, work), ticket)
        ticket.check()
        picture, photograph = encoded.picture(made), _resized(photo.rgb, shown)
        ticket.check()
        return preserve_colors(restore_detail(picture, photograph), photograph, recipe.colors)

    def thumbnail(self, photo: Photo, style: str, bank: str | None, side: int, ticket: Ticket) -> bytes:
        """A photograph in one style, as a small JPEG, kept for the next time. Raises as `preview` does."""
        recipe = SavedRecipe(style=style, bank=bank)
        served = self.banks.of(recipe)
        key = (photo.key, "thumbnail", served.name, served.version, style, side)
        kept = self.cache.get(key)
        if isinstance(kept, bytes):
            return kept
        data = encode(self.preview(photo, recipe, side, _no_mask, ticket), "jpeg", quality=PREVIEW_QUALITY)
        self.cache.put(key, data, len(data))
        return data

    def full(self, upload: Upload, recipe: SavedRecipe, kind: str, masks: MaskLoader, ticket: Ticket) -> bytes:
        """The file that `infer.py --recipe` writes of a photograph, byte by byte. Raises as `preview` does."""
        bank = self.banks.of(recipe)
        stylizer = self.banks.stylizer(bank)
        ticket.check()
        picture = whole(upload, recipe.size)
        made = stylizer.recipes.of_saved(recipe, picture.rgb.size, masks)
        work = resize_to_work(picture.rgb, recipe.stroke)
        ticket.check()
        encoded = self._encoded(bank, stylizer, (upload.id, work.size, "whole", recipe.size), lambda: work, ticket)
        stylized = restore_detail(encoded.picture(made), picture.rgb)
        ticket.check()
        colored = preserve_colors(stylized, picture.rgb, recipe.colors)
        ticket.check()
        return encode(colored, kind, alpha=picture.alpha, metadata=picture.metadata)

    def _encoded(
        self,
        bank: ServedBank,
        stylizer: Stylizer,
        what: tuple[Hashable, ...],
        picture: Callable[[], Image.Image],
        ticket: Ticket,
    ) -> Encoded:
        key = (*what, "encoded", bank.name, bank.version)
        kept = self.cache.get(key)
        if isinstance(kept, Encoded):
            return kept
        encoded = stylizer.encode(picture(), progress=ticket.check)
        if isinstance(encoded, WholePicture):  # one in tiles keeps nothing that would save time, and this ticket
            tensors = encoded.source, encoded.features, encoded.features  # the last stands for what filters are given
            self.cache.put(key, encoded, sum(each.nbytes for each in tensors))
        return encoded


def encode(
    picture: Image.Image,
    kind: str,
    *,
    alpha: Image.Image | None = None,
    metadata: Metadata | None = None,
    quality: int = QUALITY,
) -> bytes:
    """A picture (mode RGB) as a file of a kind: jpeg, png or webp.

    Raises:
        ImageError: it cannot be such a file.
    """
    buffer = io.BytesIO()
    save_picture(picture, buffer, suffix=f".{kind}", alpha=alpha, metadata=metadata, quality=quality)
    return buffer.getvalue()


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _no_mask(name: str) -> Tensor:
    raise AssertionError(name)  # of a recipe without masks
