"""Who makes the outputs: a bank, or any program that left them in a folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from stylebank.errors import ImageError
from stylebank.evaluation.held_out import photograph
from stylebank.images import find_images, load_picture, probe, to_tensor
from stylebank.inference.stylizer import Stylizer
from stylebank.styles import IDENTITY

_SHAPE = 0.05  # by which an output's aspect ratio may be off, as a logarithm


class BankPainter:
    """Outputs of a bank."""

    timed = True

    def __init__(self, stylizer: Stylizer) -> None:
        self.stylizer = stylizer

    def photograph(self, file: Path, size: int | None, device: torch.device) -> Tensor:
        """The photograph at a short side of `size` pixels: (1, 3, H, W) in [0, 1]."""
        assert size is not None
        return photograph(file, device, size)

    def paint(self, photo: Tensor, file: Path, style: str) -> Tensor:
        """One forward pass: (1, 3, H, W) in [0, 1] -> the same shape."""
        return self.stylizer.encode(photo).decode(style)

    def reconstruct(self, photo: Tensor) -> Tensor | None:
        """The auto-encoder alone."""
        return self.stylizer.encode(photo).decode(IDENTITY)


class FolderPainter:
    """Outputs of any program, as files STYLE/NAME.png (or another suffix) for photographs called NAME.

    Raises:
        ImageError: the folder has no file for a photograph and a style.
    """

    timed = False

    def __init__(self, folder: Path, files: Sequence[Path], styles: Sequence[str]) -> None:
        self.styles = tuple(styles)
        self.outputs: dict[tuple[str, str], Path] = {}
        for style in styles:
            there = {file.stem: file for file in find_images([folder / style])}
            for file in files:
                if file.stem not in there:
                    raise ImageError(f"{folder / style} has no output for {file.name}; it would be {file.stem}.png.")
                self.outputs[file.stem, style] = there[file.stem]

    def photograph(self, file: Path, size: int | None, device: torch.device) -> Tensor:
        """The photograph at the size of its outputs: (1, 3, H, W) in [0, 1].

        Raises:
            ImageError: the outputs differ in size, or are of another shape than the photograph.
        """
        sizes = {self.outputs[file.stem, style]: probe(self.outputs[file.stem, style]) for style in self.styles}
        wanted = next(iter(sizes.values()))
        picture = load_picture(file).rgb
        for path, (width, height) in sizes.items():
            # Programs cut to multiples of what they scale down by; more than that is another picture.
            if (width, height) != wanted or abs(math.log(width / height * picture.height / picture.width)) > _SHAPE:
                raise ImageError(
                    f"{path} is {width}x{height}: the outputs of {file.name} must be of one size and of its shape "
                    f"({picture.width}x{picture.height})."
                )
        return to_tensor(picture.resize(wanted, Image.Resampling.LANCZOS))[None].to(device)

    def paint(self, photo: Tensor, file: Path, style: str) -> Tensor:
        """The output: (1, 3, H, W) in [0, 1]."""
        return to_tensor(load_picture(self.outputs[file.stem, style]).rgb)[None].to(photo.device)

    def reconstruct(self, photo: Tensor) -> Tensor | None:
        """There is no auto-encoder."""
        return None


Painter = BankPainter | FolderPainter
