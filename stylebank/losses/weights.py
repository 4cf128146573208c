"""The loss network's weights: those that come with the program, a file's, or torchvision's download."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from stylebank.device import import_torchvision
from stylebank.errors import WeightsError, relative_to
from stylebank.shipped import VGG19

Network = Literal["vgg16", "vgg19"]

WEIGHTS_VARIABLE = "STYLEBANK_LOSS_WEIGHTS"
_TELLING: dict[int, Network] = {16: "vgg19", 17: "vgg16"}
"""Place in torchvision's `features` of the first convolution by which the two can be told: conv3_4, or conv4_1."""


def read_weights(network: Network, weights: Path | None = None) -> tuple[dict[str, Tensor], str]:
    """The tensors of a loss network, under torchvision's key names, and what to call their source in messages.

    They come from `weights`, else from the file named by the environment variable STYLEBANK_LOSS_WEIGHTS, else, for
    VGG-19, from the file that comes with the program, and else from torchvision's download (cached by torch hub).

    Raises:
        WeightsError: the file is missing, cannot be read, or holds the other network; or there is no connection.
    """
    file = _file_of(weights)
    if file is None and network == "vgg19" and VGG19.is_file():
        return _read(VGG19), "The VGG-19 that comes with the program"
    if file is None:
        return _download(network), f"torchvision's {network}"
    state = _read(file)
    held = _network_of(state)
    if held and held != network:
        raise WeightsError(f"{file} holds {held}, and {network} is needed here; give weights of that.")
    return state, str(file)


def held_network(weights: Path | None = None) -> Network | None:
    """Which network a file holds, by its tensors; the file is found as in `read_weights`.

    Returns:
        None if no file is given, or one that ends before the two differ.

    Raises:
        WeightsError: the file is missing or cannot be read.
    """
    file = _file_of(weights)
    return _network_of(_keys(file)) if file else None


def settle_network(wanted: Network, weights: Path | None, say: Callable[[str], object]) -> Network:
    """The network to use where one is wanted and a file may hold the other: what the file holds, and that is said.

    Raises:
        WeightsError: the file is missing or cannot be read.
    """
    held = held_network(weights)
    if held is None or held == wanted:
        return wanted
    say(f"{_file_of(weights)} holds {held}: used as that, instead of {wanted}.")
    return held


def _file_of(weights: Path | None) -> Path | None:
    return weights or (Path(value) if (value := os.environ.get(WEIGHTS_VARIABLE)) else None)


def _network_of(keys: Iterable[str]) -> Network | None:
    places = {int(match[1]) for key in keys if (match := re.fullmatch(r"(?:features\.)?(\d+)\.weight", key))}
    found = [network for place, network in _TELLING.items() if place in places]
    return found[0] if len(found) == 1 else None  # both have batch norms, say: its layers will be found not to fit


def _keys(path: Path) -> list[str]:
    """The names of a file's tensors; of safetensors only the header is read."""
    if path.suffix != ".safetensors" or not path.is_file():
        return list(_read(path))
    try:
        with safetensors.safe_open(path, "pt") as file:
            return list(file.keys())
    except (OSError, safetensors.SafetensorError):
        return list(_read(path))  # says what is wrong


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(
            f"Loss-network weights {path} do not exist{relative_to(path)}; give a .safetensors or .pth file."
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"Loss-network weights {path} cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # garbage makes the unpickler raise nearly anything
        raise WeightsError(
            f"Loss-network weights {path} cannot be read: it is damaged, or holds more than tensors; "
            "give a .safetensors or .pth file."
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"Loss-network weights {path} hold a {type(state).__name__}, not a state dict.")
    return {key: value for key, value in state.items() if isinstance(key, str)}


def _download(network: Network) -> dict[str, Tensor]:
    models = import_torchvision().models
    choice = {"vgg16": models.VGG16_Weights, "vgg19": models.VGG19_Weights}[network].IMAGENET1K_V1
    try:
        state: dict[str, Tensor] = choice.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        no_need = "--network vgg19 (in a configuration loss.network: vgg19) needs no download, or "
        way_out = "" if network == "vgg19" else no_need
        raise WeightsError(
            f"The {network} weights, which do not come with the program, could not be downloaded ({error}): {way_out}"
            f"give a file with --loss-weights FILE or the environment variable {WEIGHTS_VARIABLE}."
        ) from error
    return state
