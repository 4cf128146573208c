"""How much of the photograph is kept: full-reference quality from torchmetrics (the extra `evaluate`).

SSIM (Wang et al. 2004), MS-SSIM (Wang et al. 2003) and VIF in the pixel domain (Sheikh & Bovik 2006) are 1 for the
photograph itself; LPIPS (Zhang et al. 2018, AlexNet) is 0 for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylebank.device import import_torchvision
from stylebank.errors import MissingExtraError

_VIF_SIDE = 41  # pixels that four scales of its window need
_MS_SSIM_SIDE = 161  # pixels that five scales of its window need


def check_extra() -> None:
    """Raises MissingExtraError if torchmetrics or matplotlib is not installed."""
    try:
        import_torchvision()  # first, as torchmetrics imports it too
        import matplotlib  # noqa: F401
        import torchmetrics  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"An evaluation needs torchmetrics and matplotlib ({error}): pip install 'stylebank[evaluate]'."
        ) from error


class Fidelity:
    """Compares outputs with photographs.

    Args:
        lpips: fetch AlexNet if torch hub's cache does not have it; else LPIPS is then left out.

    Raises:
        MissingExtraError: torchmetrics is not installed.
    """

    def __init__(self, device: torch.device, lpips: bool = False) -> None:
        check_extra()
        self._lpips, self.note = _lpips(device, lpips)

    @torch.no_grad()
    def __call__(self, output: Tensor, photo: Tensor) -> dict[str, float]:
        """`ssim`, `ms_ssim`, `vif` and `lpips` of two pictures (1, 3, H, W) in [0, 1], as far as H and W allow."""
        from torchmetrics.functional import image as metrics

        output, photo = output.clamp(0, 1).float().contiguous(), photo.float().contiguous()
        side = min(output.shape[2:])
        row: dict[str, Any] = {"ssim": metrics.structural_similarity_index_measure(output, photo, data_range=1.0)}
        if side >= _MS_SSIM_SIDE:
            row["ms_ssim"] = metrics.multiscale_structural_similarity_index_measure(output, photo, data_range=1.0)
        if side >= _VIF_SIDE:  # its noise variance is meant for levels of 0 to 255
            row["vif"] = metrics.visual_information_fidelity(output * 255, photo * 255)
        if self._lpips:
            row["lpips"] = self._lpips(output, photo)
        return {name: float(value) for name, value in row.items()}


def _lpips(device: torch.device, wanted: bool) -> tuple[Any, str]:
    """LPIPS ready to use, or None and the reason."""
    models = import_torchvision().models
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(models.AlexNet_Weights.DEFAULT.url).name
    if not (wanted or file.is_file()):
        return None, "LPIPS is left out: torch hub's cache has no AlexNet (--lpips fetches it)."
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        network = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
    except (OSError, RuntimeError) as error:
        return None, f"LPIPS is left out: AlexNet could not be loaded ({' '.join(str(error).split())})."
    return network.to(device), "LPIPS: AlexNet."
