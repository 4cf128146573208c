"""Dense optical flow with OpenCV: where every pixel was in another frame, and which pixels it shows at all.

OpenCV is an optional dependency: `pip install 'stylebank[flow]'`.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylebank.device import resampled
from stylebank.errors import MissingExtraError


def optical_flow(now: Tensor, before: Tensor) -> Tensor:
    """Flow from one frame to another: what is at p in `now` is at p + flow(p) in `before`.

    Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search", with OpenCV's preset of highest quality.

    Args:
        now: (1, 3, H, W) in [0, 1].
        before: of the same size; no side may be smaller than 12.

    Returns:
        (1, 2, H, W): x and y in pixels, on the device of `now`.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = load_opencv()
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(_gray(now), _gray(before), None)  # (H, W, 2)
    return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))[None].to(now.device)


def warp(picture: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """What `picture` shows at p + flow(p), at p: (B, C, H, W), (1, 2, H, W) -> (B, C, H, W), edges repeated.

    Args:
        mode: bicubic or bilinear; bicubic blurs less when a picture is warped again and again.
    """
    height, width = picture.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)  # (1, H, W, 2)
    grid = grid.to(picture.dtype).expand(len(picture), -1, -1, -1)
    return resampled(picture, grid, mode)


def visible(backward: Tensor, forward: Tensor) -> Tensor:
    """Which pixels of the later frame the earlier one shows too: (1, 1, H, W), bool.

    Going back and forth must lead to where one started: Sundaram et al. 2010, equation 5, as used by Ruder et al.
    2016, equation 5. What comes from beyond the picture's edge is not visible either.

    Args:
        backward: flow from the later frame to the earlier one, (1, 2, H, W).
        forward: flow from the earlier frame to the later one.
    """
    there = warp(forward, backward, "bilinear")
    error = (backward + there).square().sum(1, keepdim=True)
    size = backward.square().sum(1, keepdim=True) + there.square().sum(1, keepdim=True)
    height, width = backward.shape[2:]
    x = torch.arange(width, device=backward.device) + backward[:, :1]
    y = torch.arange(height, device=backward.device)[:, None] + backward[:, 1:]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return (error < 0.01 * size + 0.5) & inside


def load_opencv() -> Any:
    """The module cv2. Raises MissingExtraError if it is not there."""
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise MissingExtraError(
            "Optical flow needs OpenCV, which is not installed; install it with: pip install 'stylebank[flow]'."
        ) from error


def _gray(picture: Tensor) -> np.ndarray:
    """(1, 3, H, W) in [0, 1] -> (H, W) uint8 luma (ITU-R BT.601)."""
    cv2 = load_opencv()
    channels = picture[0].float().clamp(0, 1).cpu().contiguous().numpy()
    luma = cv2.cvtColor(cv2.merge(list(channels)), cv2.COLOR_RGB2GRAY)
    gray: np.ndarray = cv2.convertScaleAbs(luma, alpha=255)
    return gray
