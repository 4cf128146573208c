"""What moved between two frames, found in two ways, each of which can take a picture along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from stylebank.films.camera_shift import NOWHERE, Shift, camera_shift, shifted
from stylebank.films.optical_flow import optical_flow, visible, warp


class Motion(Protocol):
    """From the frame before to the present one."""

    @property
    def visible(self) -> Tensor | None:
        """(1, 1, h, w) in [0, 1]: share of each place that was in view before; None where that is not known."""

    def carry(self, picture: Tensor) -> Tensor:
        """Pixels or features of the frame before, (1, C, ., .) at any scale, moved to where things are now."""


@dataclass(frozen=True)
class CameraMotion:
    """The whole picture moves as one."""

    shift: Shift
    """In pixels of the full size."""
    width: int
    """Of the full size, to tell the scale of what is carried."""
    visible: Tensor | None = None

    def carry(self, picture: Tensor) -> Tensor:
        """See `Motion`."""
        if self.shift == NOWHERE:
            return picture
        scale = round(self.width / picture.shape[3])
        return shifted(picture, (self.shift[0] / scale, self.shift[1] / scale))


@dataclass(frozen=True)
class FlowMotion:
    """Every pixel moves on its own."""

    flow: Tensor
    """(1, 2, H, W), see `optical_flow`."""
    visible: Tensor | None

    def carry(self, picture: Tensor) -> Tensor:
        """See `Motion`."""
        scale = -(-self.flow.shape[3] // picture.shape[3])
        return warp(picture.float(), pooled(self.flow, scale) / scale).to(picture.dtype)


def camera_motion(now: Tensor, before: Tensor, scale: int) -> CameraMotion:
    """Of two frames, `scale` times smaller: (1, 3, h, w). On the processor: a GPU would be waited for each time."""
    x, y = camera_shift(now.cpu(), before.cpu())
    return CameraMotion((x * scale, y * scale), now.shape[3] * scale)


def flow_motion(now: Tensor, before: Tensor, scale: int) -> FlowMotion:
    """Of two frames (1, 3, H, W); what is visible is said for places of `scale` pixels.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    flow = optical_flow(now, before)
    seen = visible(flow, optical_flow(before, now))
    return FlowMotion(flow, pooled(seen.to(flow.dtype), scale))


def pooled(picture: Tensor, scale: int) -> Tensor:
    """Means over squares of `scale` pixels: (B, C, H, W) -> (B, C, ceil(H / scale), ceil(W / scale))."""
    return picture if scale == 1 else F.avg_pool2d(picture, scale, ceil_mode=True, count_include_pad=False)
