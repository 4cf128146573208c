"""Less flicker in films: what the network makes of a frame is mixed with what it made of the frames before.

Mixed are the features, before filter and decoder, and then the outputs. Averaged outputs are calm, but lose contrast
and with it style; from averaged features the decoder still draws strokes of full contrast. Neither happens where
something moves on its own, nor across a cut. What stays is first moved along: by the motion of the camera
(`blend`), or by optical flow (`flow`), as in Ruder et al. 2016, "Artistic Style Transfer for Videos", but
with a network for single pictures. Measurements: docs/video-stability.md.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylebank.films.methods import StabilizeMethod
from stylebank.films.motion import Motion, camera_motion, flow_motion, pooled
from stylebank.films.optical_flow import load_opencv
from stylebank.films.scene_cuts import is_cut
from stylebank.inference.encoded import Encoded
from stylebank.inference.stylizer import Stylizer
from stylebank.inference.whole import WholePicture

WARM_UP = 16
"""Frames to be shown again before going on in the middle of a film: 0.8^16 is 3 % of a frame's features."""


@dataclass(frozen=True)
class _Memory:
    """How much is kept of the frames before."""

    features: float
    """Share of the features that comes from them, where nothing changed."""
    outputs: float
    """The same share of the outputs."""
    tolerance: float
    """Difference from what is remembered, in [0, 1], at which both shares have fallen to 1/e of that."""


_MEMORIES = {
    # Follows the camera alone: what is not where it is thought to be is let go early, or it would blur strokes.
    "blend": _Memory(0.7, 0.45, 0.05),
    "flow": _Memory(0.8, 0.45, 0.08),
}


@dataclass(frozen=True)
class _Frame:
    pixels: Tensor
    """(1, 3, H, W)"""
    half: Tensor
    """(1, 3, ceil(H / 2), ceil(W / 2)): large enough to see what moves, and four times as quick."""
    small: Tensor
    """(1, 3, h, w), at the scale of the features."""


@dataclass(frozen=True)
class _Step:
    """From the frame before to a frame: how things moved, and where they are the same, (1, 1, h, w) in [0, 1]."""

    motion: Motion
    same: Tensor


class Stabilizer:
    """Takes the flicker out of the frames of a film, which come in batches and in order.

        steady = Stabilizer(stylizer, "blend")
        for pixels in batches:  # each (B, 3, H, W) in [0, 1]
            output = steady.settle(pixels, steady.encode(pixels).decode(recipe))

    The result does not depend on how frames are split into batches. It remembers one frame, its features and its
    output. Frames of another size begin a new film, as `reset` does.

    Args:
        method: `blend`, which knows of the camera's motion only and is quick; or `flow`, with OpenCV's optical flow.

    Raises:
        MissingExtraError: `flow` without OpenCV.
    """

    def __init__(self, stylizer: Stylizer, method: StabilizeMethod) -> None:
        self.stylizer, self.method = stylizer, method
        self._memory = _MEMORIES[method]
        self._stride = stylizer.model.stride
        if method == "flow":
            load_opencv()
        self.reset()

    def reset(self) -> None:
        """Forgets everything: the next frame is a film's first."""
        self._last: _Frame | None = None
        self._remembered: Tensor | None = None  # half as large, frames mixed as their features are
        self._features: Tensor | None = None  # (1, C, h, w)
        self._outputs: dict[Hashable, Tensor] = {}  # each (1, 3, H, W)
        self._steps: list[_Step | None] = []

    @torch.inference_mode()
    def encode(self, pixels: Tensor, tile: int | None = None) -> Encoded:
        """The next frames, as by `Stylizer.encode`, but with calmer features; in tiles these are left as they are."""
        pixels = pixels.to(self.stylizer.device).contiguous()
        self._steps = [self._look(pixels[i : i + 1]) for i in range(len(pixels))]
        encoded = self.stylizer.encode(pixels, tile)
        if not isinstance(encoded, WholePicture):
            self._features = None
            return encoded
        mixed = []
        for step, features in zip(self._steps, encoded.features.split(1), strict=True):
            self._features = _mix(step, features, self._features, self._memory.features)
            mixed.append(self._features)
        return encoded.with_features(torch.cat(mixed))

    @torch.inference_mode()
    def settle(self, pixels: Tensor, output: Tensor, name: Hashable = None) -> Tensor:
        """The outputs (B, 3, H, W) in [0, 1] of the frames last given to `encode`, calmer.

        Args:
            name: tells apart outputs in several styles from one encoding.
        """
        if len(pixels) != len(output) or len(output) != len(self._steps):
            raise ValueError(f"settle got {len(output)} outputs of {len(pixels)} frames; {len(self._steps)} are due")
        settled = []
        # In channels-last order, as outputs come, mixing would take twenty times as long.
        for step, picture in zip(self._steps, output.contiguous().split(1), strict=True):
            self._outputs[name] = _mix(step, picture, self._outputs.get(name), self._memory.outputs)
            settled.append(self._outputs[name])
        return torch.cat(settled).clamp(0, 1)

    def _look(self, frame: Tensor) -> _Step | None:
        """How a frame comes out of the one before; None for the first of a shot."""
        half = pooled(frame, 2)
        now, before, remembered = _Frame(frame, half, pooled(half, self._stride // 2)), self._last, self._remembered
        self._last, self._remembered = now, half
        if (
            before is None
            or remembered is None
            or before.pixels.shape != frame.shape
            or is_cut(now.small, before.small)
        ):
            return None
        motion = self._motion(now, before)
        carried = motion.carry(remembered)
        # Not against the frame before: changes too slow to be seen from one frame to the next add up.
        same = _sameness(half, carried, self._stride // 2, self._memory.tolerance)
        if motion.visible is not None:
            same = same * motion.visible
        self._remembered = torch.lerp(half, carried, _enlarged(same * self._memory.features, half))
        return _Step(motion, same)

    def _motion(self, now: _Frame, before: _Frame) -> Motion:
        if self.method == "flow":
            return flow_motion(now.pixels, before.pixels, self._stride)
        return camera_motion(now.small, before.small, self._stride)


def _sameness(now: Tensor, remembered: Tensor, factor: int, tolerance: float) -> Tensor:
    """1 where two pictures at half the size agree, towards 0 where they do not: (1, 1, h, w), `factor` times less."""
    change = pooled((now - remembered).abs_().amax(1, keepdim=True), factor)
    change = F.avg_pool2d(change, 3, 1, 1, count_include_pad=False)  # noise is not motion
    return torch.exp(-(change / tolerance).square())


def _mix(step: _Step | None, now: Tensor, before: Tensor | None, memory: float) -> Tensor:
    """Features or outputs (1, C, ., .) of a frame, with so much of the frame before as is still there."""
    if step is None or before is None:
        return now
    share = _enlarged(step.same * memory, now)
    return torch.lerp(now, step.motion.carry(before), share.to(now.dtype))


def _enlarged(small: Tensor, like: Tensor) -> Tensor:
    """(1, 1, h, w) at the scale of the features -> (1, 1, H, W), the size of `like`."""
    height, width = like.shape[2:]
    scale = -(-width // small.shape[3])
    if scale == 1:
        return small
    large = F.interpolate(small, scale_factor=scale, mode="bilinear", align_corners=False)
    return large[:, :, :height, :width]
