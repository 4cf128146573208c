"""What stabilizing a film does for a bank's styles: flicker, style and time, against stylizing frame by frame."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylebank.errors import ConfigError
from stylebank.evaluation.markdown import table
from stylebank.evaluation.metrics import StyleMetrics
from stylebank.evaluation.warping_error import WarpingError
from stylebank.films.methods import METHODS, StabilizeMethod
from stylebank.films.stabilize import Stabilizer
from stylebank.inference.stylizer import Stylizer
from stylebank.video import FrameReader

FRAME_BY_FRAME = "none"
GAP_EVERY = 12
"""The style gap is measured on one of so many frames: the loss network takes longer than all the rest."""
STILL_FRAMES = 16
STILL_NOISE = 2 / 255
"""Standard deviation of the noise on the frames of a film in which nothing moves."""

_Key = tuple[str, str]
"""Style and method."""


def frames_of(reader: FrameReader, short_side: int | None = None) -> Iterator[Tensor]:
    """A film's frames, each (1, 3, H, W) in [0, 1], scaled to a short side in pixels if one is given.

    Raises:
        VideoError: the film cannot be read.
    """
    for frame in reader.frames():
        picture = Image.fromarray(frame.rgb)
        if short_side:
            scale = short_side / min(picture.size)
            size = round(picture.width * scale), round(picture.height * scale)
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        yield torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float().div_(255).contiguous()


@torch.inference_mode()
def measure_flicker(
    stylizer: Stylizer,
    frames: Iterable[Tensor],
    paintings: Mapping[str, Mapping[str, Tensor]],
    style_metrics: StyleMetrics,
    methods: Sequence[StabilizeMethod] = METHODS,
) -> dict[str, Any]:
    """Stylizes a film frame by frame and with methods of `Stabilizer`, and measures all of them.

    Args:
        frames: each (1, 3, H, W) in [0, 1]; gone through once, two at a time in memory.
        paintings: style -> its painting's Gram matrices, see `StyleMetrics.grams`.

    Returns:
        Ready for JSON; under `styles`, per style and method (`none` is frame by frame):
        `warping_error` and `style_gap_closed`; `still_error`, the mean squared difference between neighbouring outputs
        where only noise moves; `milliseconds` a frame, each style on its own; `error_lower` and `gap_lost`, the
        first two against frame by frame, as shares of its.

    Raises:
        ConfigError: there are no two frames of one shot.
        MissingExtraError: OpenCV is not installed.
    """
    films, flicker = _Films(stylizer, tuple(paintings), methods), WarpingError[_Key]()
    gaps = dict[_Key, list[float]]()
    first, count = None, 0
    for count, frame in enumerate(frames, 1):
        first = frame if first is None else first
        outputs = films.stylize(frame)
        flicker.add(frame.to(stylizer.device), outputs)
        if (count - 1) % GAP_EVERY == GAP_EVERY // 2:
            photo = style_metrics.activations(frame)
            for key, output in outputs.items():
                row = style_metrics.compare(output, photo, paintings[key[0]])
                gaps.setdefault(key, []).append(row["style_gap_closed"])
    errors = flicker.means()
    if first is None or not gaps:
        raise ConfigError(f"To measure style on a film takes more than {GAP_EVERY // 2} frames, not {count}.")
    still = _still_errors(_Films(stylizer, tuple(paintings), methods), first)
    rows = _compared(errors, gaps, still, films)
    return {
        "frames": count,
        "size": [first.shape[3], first.shape[2]],
        "counted_pixels": statistics.fmean(flicker.shares),
        "styles": {style: {name: rows[style, name] for name in films.methods} for style in paintings},
    }


def _compared(
    errors: Mapping[_Key, float], gaps: Mapping[_Key, Sequence[float]], still: Mapping[_Key, float], films: _Films
) -> dict[_Key, dict[str, float]]:
    """All numbers of every film, and how the first two stand to those of its style frame by frame."""
    rows = {
        key: {
            "warping_error": errors[key],
            "style_gap_closed": statistics.fmean(gaps[key]),
            "still_error": still[key],
            "milliseconds": films.milliseconds(key),
        }
        for key in errors
    }
    for (style, _), row in rows.items():
        plain = rows[style, FRAME_BY_FRAME]
        row["error_lower"] = 1 - row["warping_error"] / plain["warping_error"]
        row["gap_lost"] = 1 - row["style_gap_closed"] / plain["style_gap_closed"]
    return rows


def flicker_table(result: Mapping[str, Any]) -> str:
    """What `measure_flicker` returned as Markdown: a row per style and method, then the means over the styles."""
    width, height = result["size"]
    about = (
        f"{result['frames']} frames at {width}x{height}, one at a time; {result['counted_pixels']:.1%} of the pixels "
        "were to be seen in the frame before, too. Errors are in units of 1e-4."
    )
    head = ["style", "method", "warping error", "lower by", "style gap closed", "lost", "still error", "ms a frame"]
    styles = dict(result["styles"])
    styles["**mean**"] = {
        name: {column: statistics.fmean(rows[name][column] for rows in result["styles"].values()) for column in row}
        for name, row in next(iter(result["styles"].values())).items()
    }
    rows = [_flicker_row(style, name, row) for style, methods in styles.items() for name, row in methods.items()]
    return f"{about}\n\n{table(head, rows, text=2)}"


def _flicker_row(style: str, name: str, row: Mapping[str, float]) -> list[str]:
    plain = name == FRAME_BY_FRAME
    lower, lost = ("", "") if plain else (f"{row['error_lower']:.0%}", f"{row['gap_lost']:.1%}")
    error, still = (f"{row[column] * 1e4:.2f}" for column in ("warping_error", "still_error"))
    method, gap = "frame by frame" if plain else name, f"{row['style_gap_closed']:.3f}"
    return [style, method, error, lower, gap, lost, still, f"{row['milliseconds']:.0f}"]


class _Films:
    """One film in several styles, each made frame by frame and with every method."""

    def __init__(self, stylizer: Stylizer, styles: Sequence[str], methods: Sequence[StabilizeMethod]) -> None:
        self.stylizer, self.styles = stylizer, styles
        self.methods = (FRAME_BY_FRAME, *methods)
        self._steady: dict[str, Stabilizer] = {name: Stabilizer(stylizer, name) for name in methods}
        self._seconds: dict[str | _Key, list[float]] = {}

    def stylize(self, frame: Tensor) -> dict[_Key, Tensor]:
        """The next frame (1, 3, H, W), in every style and by every method."""
        outputs = {}
        for name in self.methods:
            steady = self._steady.get(name)
            began = self._now()
            encoded = (steady or self.stylizer).encode(frame)
            self._took(name, began)
            for style in self.styles:
                began = self._now()
                output = encoded.decode(style)
                outputs[style, name] = steady.settle(frame, output, style) if steady else output
                self._took((style, name), began)
        return outputs

    def milliseconds(self, key: _Key) -> float:
        """Time for a frame in one style: the median, which passes over what else the machine did."""
        return 1000 * sum(statistics.median(self._seconds[part]) for part in (key[1], key))

    def _now(self) -> float:
        if self.stylizer.device.type == "cuda":
            torch.cuda.synchronize(self.stylizer.device)
        return time.perf_counter()

    def _took(self, what: str | _Key, began: float) -> None:
        self._seconds.setdefault(what, []).append(self._now() - began)


def _still_errors(films: _Films, frame: Tensor) -> dict[_Key, float]:
    """Mean squared difference between neighbouring outputs of a film of one frame with ever new noise.

    The first half is left out, in which a stabilizer finds its balance.
    """
    generator = torch.Generator().manual_seed(0)
    before: dict[_Key, Tensor] = {}
    errors: dict[_Key, list[float]] = {}
    for index in range(STILL_FRAMES):
        noise = torch.randn(frame.shape, generator=generator).to(frame.device)
        outputs = films.stylize((frame + noise * STILL_NOISE).clamp(0, 1))
        if index > STILL_FRAMES // 2:
            for key, output in outputs.items():
                errors.setdefault(key, []).append(float((output - before[key]).square().mean()))
        before = outputs
    return {key: statistics.fmean(each) for key, each in errors.items()}
