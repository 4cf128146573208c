"""Stylizing films: batches of frames through the network, with decoding and encoding in threads beside it.

Example:
    reader = open_reader("holiday.mp4")
    with open_writer("holiday_waves.mp4", reader) as writer:
        profile = FilmStylizer(stylizer, stylizer.recipe("great_wave"), stabilize="blend").run(reader, writer)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylebank.errors import ConfigError
from stylebank.films.methods import StabilizeMethod
from stylebank.films.moving_masks import MovingMask
from stylebank.films.profile import Profile
from stylebank.films.stabilize import WARM_UP, Stabilizer
from stylebank.inference.blending import Recipe, Region
from stylebank.inference.choices import ColorMode, Stroke, check_stroke
from stylebank.inference.colors import preserve_colors
from stylebank.inference.mixing import StyleWeights
from stylebank.inference.strokes import resize_to_work, restore_detail, work_size
from stylebank.inference.stylizer import Stylizer
from stylebank.video import Frame, FrameReader, FrameWriter, Position, ReadAhead, VideoError, WriteBehind

BATCH_PIXELS = {"cpu": 2**19, "cuda": 2**23}  # more in one batch makes it no faster
MAX_BATCH = 32

FrameProgress = Callable[[int], object]
"""Called with the number of frames just done."""


@dataclass
class FilmStylizer:
    """What is done with every frame of a film."""

    stylizer: Stylizer
    recipe: Recipe
    _: KW_ONLY
    moving: Sequence[tuple[StyleWeights, MovingMask]] = ()
    """More regions, whose masks move."""
    size: tuple[int, int] | None = None
    """(W, H) of the output, None for the film's own."""
    stroke: Stroke = "auto"
    """See `strokes.stroke_for`; all frames have one size, and so one width of strokes."""
    colors: ColorMode = "none"
    """See `colors.preserve_colors`."""
    tile: int | None = None
    """See `Stylizer.encode`."""
    batch: int | None = None
    """Frames at a time, None for as many as pay."""
    stabilize: StabilizeMethod | None = None
    """How to keep still what stands still, see `stabilize.Stabilizer`; None does every frame on its own."""
    _settle: Stabilizer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_stroke(self.stroke)
        if self.batch is not None and not 1 <= self.batch <= MAX_BATCH:
            raise ConfigError(f"A batch of {self.batch} frames is out of range; valid is 1 to {MAX_BATCH}.")
        if self.stabilize:
            self._settle = Stabilizer(self.stylizer, self.stabilize)

    def run(
        self,
        reader: FrameReader,
        writer: FrameWriter,
        progress: FrameProgress | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Profile:
        """Stylizes the film, from where the writer says an earlier run got to.

        Args:
            reader: the film.
            writer: where the result goes; finishing it is left to the caller.
            progress: called after each batch.
            stopped: asked between batches; True ends the work there by raising KeyboardInterrupt.

        Raises:
            VideoError: the film cannot be read, or the result not be written.
        """
        began, profile = time.perf_counter(), Profile()
        begin = writer.position
        warm_up = _earlier(begin, reader, WARM_UP if self._settle else 0, by_index=bool(self.moving))
        batch = (
            1 if self.moving else self.batch or self._batch_size(work_size(self.size or reader.info.size, self.stroke))
        )
        with ReadAhead(reader, 2 * batch, warm_up, self._resized) as ahead, WriteBehind(writer, 2 * batch) as behind:
            for frames in _batches(ahead, batch):
                if stopped and stopped():
                    raise KeyboardInterrupt
                photographs = [Image.fromarray(frame.rgb) for frame in frames]
                outputs = self._stylize(frames, photographs, profile)
                wanted = [_is_wanted(frame, begin) for frame in frames]
                for frame, photograph, pixels, is_new in zip(frames, photographs, outputs, wanted, strict=True):
                    if is_new:
                        behind.write(partial(self._finish, frame, photograph, pixels))
                profile.frames += sum(wanted)
                if progress:
                    progress(sum(wanted))
            profile.decoding, profile.encoding = ahead.waited, behind.waited
        profile.total = time.perf_counter() - began
        return profile

    def one(self, picture: Image.Image) -> Image.Image:
        """A single picture (mode RGB) as the next frame of what it was called for before; `size` does not count."""
        if self.moving:
            raise ConfigError("Masks that move need a film to move with.")
        frame = Frame(0, Fraction(0), Fraction(0), 0, np.asarray(picture))
        [pixels] = self._stylize([frame], [picture], Profile())
        return Image.fromarray(self._finish(frame, picture, pixels).rgb)

    def _batch_size(self, size: tuple[int, int]) -> int:
        most = BATCH_PIXELS.get(self.stylizer.device.type, BATCH_PIXELS["cpu"])
        return max(1, min(MAX_BATCH, most // math.prod(size)))

    def _resized(self, frame: Frame) -> Frame:
        if not self.size or self.size == frame.size:
            return frame
        return frame.with_rgb(np.asarray(Image.fromarray(frame.rgb).resize(self.size, Image.Resampling.LANCZOS)))

    @torch.inference_mode()
    def _stylize(self, frames: Sequence[Frame], photographs: Sequence[Image.Image], profile: Profile) -> np.ndarray:
        """Frames and their pictures -> (B, h, w, 3) uint8 at the size that the stroke asks for."""
        work = [np.asarray(resize_to_work(photograph, self.stroke)) for photograph in photographs]
        began = time.perf_counter()
        levels = torch.from_numpy(np.stack(work)).to(self.stylizer.device)
        pixels = levels.permute(0, 3, 1, 2).float().div_(255)  # (B, 3, h, w)
        recipe = self._recipe_of(frames[0])
        if self._settle:
            output = self._settle.settle(pixels, self._settle.encode(pixels, self.tile).decode(recipe))
        else:
            output = self.stylizer.encode(pixels, self.tile).decode(recipe)
        array: np.ndarray = _levels(output)
        profile.network += time.perf_counter() - began
        return array

    def _recipe_of(self, frame: Frame) -> Recipe:
        if not self.moving:
            return self.recipe
        moving = [Region(weights, mask.at(frame)) for weights, mask in self.moving]
        return replace(self.recipe, regions=[*self.recipe.regions, *moving])

    def _finish(self, frame: Frame, photograph: Image.Image, pixels: np.ndarray) -> Frame:
        """The frame with its new colours, at full size."""
        picture = preserve_colors(restore_detail(Image.fromarray(pixels), photograph), photograph, self.colors)
        return frame.with_rgb(np.asarray(picture))


def output_size(reader: FrameReader, short_side: int | None) -> tuple[int, int]:
    """(W, H) of a film scaled to a short side in pixels, even as most players want them; None leaves it as it is.

    Raises:
        VideoError: it would be enlarged more than 8 times.
    """
    width, height = reader.info.size
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    if scale > 8:
        raise VideoError(f"'{reader.path}' is {width}x{height}; --size {short_side} enlarges it more than 8 times.")
    return max(16, round(width * scale / 2) * 2), max(16, round(height * scale / 2) * 2)


def _levels(output: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [0, 1] -> (B, H, W, 3) uint8, on the processor; waits for the device."""
    levels = output.mul(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    array: np.ndarray = levels.cpu().numpy()
    return array


def _batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    source = iter(frames)
    while batch := list(islice(source, size)):
        yield batch


def _earlier(position: Position, reader: FrameReader, frames: int, by_index: bool) -> Position:
    """Some frames before `position`, for a stabilizer to see what came before; `by_index` keeps indices exact."""
    count = min(frames, position.index)
    if count == 0:
        return position
    if by_index or position.pts is None or count == position.index:
        return Position(position.index - count)
    step = 1 / reader.info.frame_rate / reader.info.time_base
    return Position(position.index - count, max(0, position.pts - math.ceil(Fraction(count) * step)))


def _is_wanted(frame: Frame, begin: Position) -> bool:
    """Whether a frame is to be written, or only seen again after an earlier run."""
    return frame.index >= begin.index if begin.pts is None else frame.pts >= begin.pts
