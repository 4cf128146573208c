"""Pictures as people have them (PIL, NumPy, tensors) made what the stylizer works on, or one clear refusal.

Every picture goes the same way as a file does (`images.convert`): sixteen bits are scaled, profiles applied, alpha kept
aside. What comes out is of the kind that went in, in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from stylebank.errors import ImageError
from stylebank.images.convert import split_alpha, to_srgb
from stylebank.images.limit import check_megapixels
from stylebank.images.tensors import to_image
from stylebank.network.model import MIN_SIDE

ImageLike = TypeVar("ImageLike", Image.Image, np.ndarray, Tensor)
ORIENTATION = 0x0112  # among EXIF's tags
_SLACK = 1e-3  # beyond [0, 1] that resampling and rounding may leave


@dataclass(frozen=True)
class Inputs:
    """Pictures taken apart, to be put together again when they are stylized."""

    kind: type
    """Image.Image, np.ndarray or Tensor."""
    pictures: Sequence[Image.Image]
    """Mode RGB: of PIL and NumPy."""
    alphas: Sequence[Image.Image | None]
    """Mode L, of the pictures' sizes."""
    tensor: Tensor | None = None
    """(B, 3, H, W) float32 in [0, 1]: of tensors."""
    dtype: np.dtype | None = None
    single: bool = True
    """Whether there was no axis for a batch."""

    @property
    def source(self) -> Image.Image | Tensor:
        """What is encoded in one go: a single picture, or tensors."""
        return self.pictures[0] if self.tensor is None else self.tensor

    def back(self, outputs: Sequence[Image.Image]) -> Image.Image | np.ndarray:
        """Stylized pictures of PIL or NumPy as the kind that was given, with its alpha."""
        whole = [_joined(output, alpha) for output, alpha in zip(outputs, self.alphas, strict=True)]
        if self.kind is Image.Image:
            return whole[0]
        arrays = [np.array(picture) for picture in whole]
        array = arrays[0] if self.single else np.stack(arrays)
        return array if self.dtype == np.uint8 else (array / 255).astype(self.dtype)


def take_apart(image: Image.Image | np.ndarray | Tensor) -> Inputs:
    """Any accepted picture as `Inputs`.

    - PIL: every mode; alpha, profile and EXIF orientation as in files.
    - NumPy: uint8, or floats in [0, 1]; (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or a batch of these in front.
    - Tensors: floats in [0, 1], (3, H, W) or (B, 3, H, W).

    Raises:
        ImageError: it is of another kind, has values that are no pixels, or is smaller than 16 pixels.
    """
    if isinstance(image, Image.Image):
        _check_size(image.height, image.width)
        check_megapixels(image.size, "The picture")
        rgb, alpha = _split(upright(image))
        return Inputs(Image.Image, [rgb], [alpha])
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if not isinstance(image, Tensor):
        raise ImageError(f"A picture must be a PIL picture, a NumPy array or a tensor, not {type(image).__name__}.")
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point() or image.shape[0] == 0:
        hint = "; divide by 255" if image.dtype == torch.uint8 else ""
        raise ImageError(
            f"A tensor must be float (3, H, W) or (B, 3, H, W), not {image.dtype} {tuple(image.shape)}{hint}."
        )
    _check_size(image.shape[-2], image.shape[-1])
    lowest, highest = image.detach().aminmax()
    _check_range(lowest.item(), highest.item(), "A tensor")
    return Inputs(Tensor, [], [], image.reshape(-1, *image.shape[-3:]).float())


def checked(image: Image.Image | np.ndarray | Tensor) -> Image.Image | Tensor:
    """What is encoded of a picture, or a batch: mode RGB, or a tensor (B, 3, H, W). Raises as `take_apart` does."""
    inputs = take_apart(image)
    if len(inputs.pictures) > 1:
        raise ImageError("Several pictures are encoded together as a tensor (B, 3, H, W) only.")
    return inputs.source


def size_of(source: Image.Image | Tensor) -> tuple[int, int]:
    """(H, W) of a checked picture."""
    return (source.shape[-2], source.shape[-1]) if isinstance(source, Tensor) else (source.height, source.width)


def _of_array(array: np.ndarray) -> Inputs:
    """Arrays as pictures, one by one."""
    is_float = np.issubdtype(array.dtype, np.floating)
    single = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    batch = array[None] if single else array
    shaped = batch.ndim == 3 or (batch.ndim == 4 and batch.shape[3] in (1, 3, 4))
    if not shaped or not (array.dtype == np.uint8 or is_float) or 0 in array.shape:
        raise ImageError(
            f"An array must be uint8 or float of shape (H, W), (H, W, 3) or (H, W, 4), or a batch of them, not "
            f"{array.dtype} {array.shape}."
        )
    _check_size(*batch.shape[1:3])
    if is_float:
        _check_range(float(array.min()), float(array.max()), "An array")
        batch = np.rint(batch.clip(0, 1) * 255).astype(np.uint8)
    parts = [_split(Image.fromarray(each[..., 0] if each.ndim == 3 and each.shape[2] == 1 else each)) for each in batch]
    pictures, alphas = [rgb for rgb, _ in parts], [alpha for _, alpha in parts]
    return Inputs(np.ndarray, pictures, alphas, dtype=array.dtype, single=single)


def upright(image: Image.Image) -> Image.Image:
    """A PIL picture turned as its EXIF orientation says, which it then has no more; one without is returned itself."""
    if image.format == "JXL":  # its decoder turned it
        return image
    try:
        return ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image
    except Exception:  # noqa: BLE001 - damaged EXIF makes Pillow raise nearly anything; files with it count as upright, too
        return image


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode == "RGB" and not image.has_transparency_data and "icc_profile" not in image.info:
        return image, None
    color, alpha = split_alpha(image)
    return to_srgb(color, image.info.get("icc_profile")), alpha


def pictures_of(image: Image.Image | np.ndarray | Tensor) -> list[Image.Image]:
    """Any accepted picture or batch as PIL pictures in mode RGB. Raises as `take_apart` does."""
    inputs = take_apart(image)
    return list(inputs.pictures) if inputs.tensor is None else [to_image(each) for each in inputs.tensor]


def _joined(rgb: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is not None:
        rgb.putalpha(alpha if alpha.size == rgb.size else alpha.resize(rgb.size))
    return rgb


def _check_range(lowest: float, highest: float, what: str) -> None:
    if not (lowest >= -_SLACK and highest <= 1 + _SLACK):  # also if one is no number
        hint = "; divide by 255" if 1 < highest <= 255 and lowest >= 0 else ""
        raise ImageError(f"{what} of floats must hold values from 0 to 1, not from {lowest:g} to {highest:g}{hint}.")


def _check_size(height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE:
        raise ImageError(f"The picture is {width}x{height}; the smallest side must be at least {MIN_SIDE} pixels.")
