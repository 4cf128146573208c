"""What can be asked for beside styles, and within which limits."""

from __future__ import annotations

from typing import Literal, get_args

from stylebank.errors import ConfigError

ORIGINAL = "original"
"""Outside all masks: the photograph itself."""

ColorMode = Literal["none", "luma", "histogram"]
"""Whose colours a stylized picture has, see `colors.preserve_colors`."""
COLOR_MODES: tuple[ColorMode, ...] = get_args(ColorMode)

Stroke = float | Literal["auto"]
"""Width of strokes, 1 as the style has them; `auto` widens them in pictures of more than a megapixel."""

MIN_STROKE, MAX_STROKE = 0.5, 16.0

WIDEST_FEATHER = 10_000  # pixels


def check_feather(pixels: float) -> float:
    """Returns a width of soft edges that is valid as it is.

    Raises:
        ConfigError: it is negative or not finite.
    """
    if not 0 <= pixels <= WIDEST_FEATHER:
        raise ConfigError(f"Soft edges of {pixels:g} pixels are not possible; valid is 0 to {WIDEST_FEATHER}.")
    return pixels


def parse_stroke(text: str) -> Stroke:
    """`auto` or a number, as written on a command line.

    Raises:
        ConfigError: it is neither, or lies outside 0.5 to 16.
    """
    try:
        return check_stroke("auto" if text == "auto" else float(text))
    except ValueError as error:
        raise ConfigError(f"{text!r} is no width of strokes; valid are a number and 'auto'.") from error


def check_stroke(stroke: Stroke) -> Stroke:
    """Returns a width of strokes that is valid as it is.

    Raises:
        ConfigError: it lies outside 0.5 to 16.
    """
    try:
        possible = stroke == "auto" or MIN_STROKE <= stroke <= MAX_STROKE
    except TypeError:  # another word
        possible = False
    if not possible:
        raise ConfigError(
            f"A stroke of {stroke!r} is not possible; valid are {MIN_STROKE:g} to {MAX_STROKE:g}, and 'auto'."
        )
    return stroke
