"""One scale of activations for every VGG file: the scale of the weights that the classic programs were made for.

Their loss weights belong to Oxford's VGG, as trained in Caffe. Files of other training have activations hundreds of
times smaller, and with them the same weights would mean something else. A layer's activations can be multiplied by
any positive number without changing what the network sees, if the next layer's weights are divided by it: ReLU and
both poolings let it through. So each layer is brought to the mean activation that Oxford's has on one photograph.
Oxford's own weights stay as they are, to about 1 in 10,000.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from stylebank.images import to_tensor
from stylebank.losses.vgg import LossNetwork

# Mean activations after the ReLU, with maximum pooling, of Oxford's VGG-19 on `_photograph`.
_OXFORD = {
    "relu1_1": 26.632,
    "relu1_2": 121.96,
    "relu2_1": 160.81,
    "relu2_2": 147.85,
    "relu3_1": 182.46,
    "relu3_2": 218.69,
    "relu3_3": 465.21,
    "relu3_4": 724.12,
    "relu4_1": 706.08,
    "relu4_2": 497.19,
    "relu4_3": 292.74,
    "relu4_4": 74.852,
    "relu5_1": 74.331,
    "relu5_2": 33.110,
}
_DEEPEST = "relu5_2"  # layers after it, which the file that was measured lacks, are brought to this one's level


def reference_level(layer: str) -> float:
    """The mean activation that a rectified layer (`relu4_2`) shall have. VGG-16's layers take VGG-19's by name."""
    return _OXFORD.get(layer, _OXFORD[_DEEPEST])


@torch.no_grad()
def to_oxford_scale(network: LossNetwork) -> None:
    """Multiplies the activations of every convolution of a loss network, in place, to Oxford's level."""
    factors = {name: reference_level(name) / level for name, level in _levels(network).items()}
    before = 1.0
    for name, layer in zip(network.names, network.features, strict=True):
        if isinstance(layer, nn.Conv2d):
            factor = factors[name.replace("conv", "relu")]
            layer.weight.mul_(factor / before)
            if layer.bias is not None:
                layer.bias.mul_(factor)
            before = factor


def _levels(network: LossNetwork) -> dict[str, float]:
    """Mean rectified activation of every convolution, with maximum pooling, on the photograph."""
    device = network.mean.device
    x = (_photograph().to(device) - network.mean) / network.std
    levels: dict[str, float] = {}
    for name, layer in zip(network.names, network.features, strict=True):
        if isinstance(layer, nn.Conv2d):
            x = F.relu(layer(x))
            levels[name.replace("conv", "relu")] = float(x.mean().clamp_min(1e-12))
        elif name.startswith("pool"):
            x = F.max_pool2d(x, 2)
    return levels


def _photograph() -> Tensor:
    """(1, 3, 224, 224): a portrait that scikit-image ships."""
    from skimage import data

    portrait = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    return to_tensor(portrait.resize((224, 224), Image.Resampling.LANCZOS))[None]
