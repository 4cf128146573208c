"""How much a film made from another flickers: its warping error.

As in Lai et al. 2018, "Learning Blind Video Temporal Consistency", section 4: the squared difference between an output
and the output before it, moved along the optical flow of the *input*, where nothing was hidden.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from torch import Tensor

from stylebank.errors import ConfigError
from stylebank.films.motion import pooled
from stylebank.films.optical_flow import optical_flow, visible, warp
from stylebank.films.scene_cuts import is_cut

CUT_SCALE = 4  # cuts are looked for in frames so many times smaller; no network has a say in what is measured

Key = TypeVar("Key", bound=Hashable)


class WarpingError(Generic[Key]):
    """The warping error of any number of films made from one, taken frame by frame.

    Frames are (1, 3, H, W) in [0, 1]. Across a cut nothing is measured. `shares` are those of the pixels that counted,
    of every pair of frames.
    """

    def __init__(self) -> None:
        self.shares: list[float] = []
        self._before: tuple[Tensor, dict[Key, Tensor]] | None = None
        self._errors: dict[Key, list[float]] = {}

    def add(self, frame: Tensor, outputs: Mapping[Key, Tensor]) -> None:
        """Takes the next frame of the input, and what each film made of it.

        Raises:
            MissingExtraError: OpenCV is not installed.
        """
        before, self._before = self._before, (frame, dict(outputs))
        if before is None or is_cut(pooled(frame, CUT_SCALE), pooled(before[0], CUT_SCALE)):
            return
        backward = optical_flow(frame, before[0])
        seen = visible(backward, optical_flow(before[0], frame)).to(frame.dtype)  # (1, 1, H, W)
        self.shares.append(float(seen.mean()))
        for key, output in outputs.items():
            moved = warp(before[1][key], backward, "bilinear")
            error = (output - moved).square().mean(1, keepdim=True)
            self._errors.setdefault(key, []).append(float((error * seen).sum() / seen.sum().clamp_min(1)))

    def means(self) -> dict[Key, float]:
        """Every film's error per pixel and channel: mean over the pairs of frames.

        Raises:
            ConfigError: there were no two frames of one shot.
        """
        if not self._errors:
            raise ConfigError("Flicker can only be measured on a film with at least two frames of one shot.")
        return {key: sum(errors) / len(errors) for key, errors in self._errors.items()}
