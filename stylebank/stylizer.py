"""Inference: encode a picture once, then apply any of the bank's styles to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylebank.checkpoint import Bank, find_bank, load_bank
from stylebank.errors import BankError, ImageError
from stylebank.images import to_image, to_tensor
from stylebank.model import MIN_SIDE, StyleBank
from stylebank.runtime import autocast, compute_dtype, place, resolve_device
from stylebank.styles import IDENTITY

ImageLike = TypeVar("ImageLike", Image.Image, np.ndarray, Tensor)


class Stylizer:
    """A bank ready to use.

    Example:
        stylizer = Stylizer.load("checkpoints/stylebank-4")
        picture = stylizer.stylize(photograph, style="starry_night")

        encoded = stylizer.encode(photograph)  # once
        pictures = [encoded.stylize(name) for name in stylizer.styles]
    """

    def __init__(self, bank: Bank, device: torch.device, dtype: torch.dtype) -> None:
        self.bank = bank
        self.device, self.dtype = device, dtype
        self.model: StyleBank = place(bank.model, device).eval()
        self.model.requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", precision: str = "auto") -> Stylizer:
        """Loads a bank folder (or a run folder that has one).

        Args:
            device: auto, cpu, cuda, cuda:N or mps.
            precision: auto (bfloat16 where the hardware has it), bfloat16 or float32.

        Raises:
            BankError: the bank is missing or damaged.
            ConfigError: the device is not there.
        """
        where = resolve_device(device)
        return cls(load_bank(find_bank(Path(path))), where, compute_dtype(where, precision))

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the bank's styles, in order."""
        return tuple(self.model.names)

    def check_style(self, style: str) -> str:
        """Returns the name of a style that exists, or of the auto-encoder alone (`identity`).

        Raises:
            BankError: there is no such style.
        """
        if style != IDENTITY and style not in self.model.names:
            raise BankError(f"The bank has no style '{style}'; it has {', '.join(self.styles)} and {IDENTITY}.")
        return style

    def stylize(self, image: ImageLike, style: str) -> ImageLike:
        """The picture in one style (or through the auto-encoder alone: `identity`).

        Args:
            image: a PIL picture; a uint8 array (H, W, 3); or a float tensor (3, H, W) or (B, 3, H, W) in [0, 1].

        Returns:
            The same kind and size; a tensor is clamped to [0, 1].

        Raises:
            BankError: there is no such style.
            ImageError: the picture is of another kind or smaller than 16 pixels.
        """
        self.check_style(style)
        output = self.encode(image).decode(style)
        if isinstance(image, Tensor):
            return output.to(image.device).reshape(image.shape)
        picture = to_image(output)
        if isinstance(image, np.ndarray):
            return np.asarray(picture)
        return picture

    @torch.inference_mode()
    def encode(self, image: Image.Image | np.ndarray | Tensor) -> Encoded:
        """Runs the encoder once; see `stylize` for what it takes and raises."""
        pixels = _to_batch(image).to(self.device, memory_format=torch.channels_last)
        with autocast(self.device, self.dtype):
            features = self.model.encode(pixels)
        return Encoded(self, features, (pixels.shape[2], pixels.shape[3]))


@dataclass(frozen=True)
class Encoded:
    """Features of one picture, or of a batch, waiting for styles."""

    stylizer: Stylizer
    features: Tensor
    """(B, C, h, w)"""
    size: tuple[int, int]
    """Height and width of the picture."""

    def stylize(self, style: str) -> Image.Image:
        """The encoded picture in one style, as a PIL picture."""
        return to_image(self.decode(style))

    @torch.inference_mode()
    def decode(self, style: str) -> Tensor:
        """The encoded pictures in one style: (B, 3, H, W) float32, clamped to [0, 1]."""
        stylizer, model = self.stylizer, self.stylizer.model
        stylizer.check_style(style)
        with autocast(stylizer.device, stylizer.dtype):
            features = self.features
            if style != IDENTITY:
                features = model.apply_filters(features, [model.names.index(style)] * features.shape[0])
            output = model.decode(features, self.size)
        return output.float().clamp(0, 1)


def _to_batch(image: Image.Image | np.ndarray | Tensor) -> Tensor:
    """Any accepted picture as (B, 3, H, W) float32."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ImageError(f"An array must be uint8 of shape (H, W, 3), not {image.dtype} {image.shape}.")
        image = Image.fromarray(image)
    tensor = image if isinstance(image, Tensor) else to_tensor(image.convert("RGB"))
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or not tensor.is_floating_point():
        raise ImageError(f"A tensor must be float (3, H, W) or (B, 3, H, W), not {tensor.dtype} {tuple(tensor.shape)}.")
    if min(tensor.shape[-2:]) < MIN_SIDE:
        height, width = tensor.shape[-2:]
        raise ImageError(f"The picture is {width}x{height}; the smallest side must be at least {MIN_SIDE} pixels.")
    return tensor.reshape(-1, *tensor.shape[-3:]).float()
