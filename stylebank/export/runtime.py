"""An exported folder run by the runtime of its format, piece by piece, as any program would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from stylebank.errors import ExportError
from stylebank.export.formats import FORMATS, Run
from stylebank.export.manifest import ExportManifest
from stylebank.inference.mixing import StyleWeights, balanced
from stylebank.styles import IDENTITY


class ExportedBank:
    """Encoder, filters and decoder of a folder. Arrays are as the manifest says.

    Args:
        folder: with the files of `manifest`, whose hashes were checked.
    """

    def __init__(self, folder: Path, manifest: ExportManifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._tools, self._opened = FORMATS[manifest.kind].tools(), dict[str, Run]()

    @property
    def dtype(self) -> Any:
        """Number format of everything but pictures."""
        return np.dtype(self.manifest.numbers)

    @cached_property
    def filters(self) -> dict[str, dict[str, np.ndarray]]:
        """Style -> kernel and bias."""
        found = {style.name: self._filter(style.filter) for style in self.manifest.styles if style.filter}
        if not found:
            raise ExportError(f"The filters of {self.folder} are no single kernels, so they cannot be mixed.")
        return found

    def picture(self, style: str, photo: np.ndarray) -> np.ndarray:
        """Photo (B, 3, H, W) in [0, 1] -> picture, by the model of one style."""
        [file] = [each.picture for each in self.manifest.styles if each.name == style and each.picture]
        return self._run(file, {"photo": photo})

    def encode(self, photo: np.ndarray) -> np.ndarray:
        """Photo (B, 3, H, W) in [0, 1] -> features (B, C, h, w)."""
        return self._run("encoder", {"photo": photo})

    def apply(self, features: np.ndarray, weights: StyleWeights, seed: int = 0) -> np.ndarray:
        """Features through a mixture of filters; `identity` stands for the features themselves."""
        kernel, bias, identity = self.mixed(weights)
        inputs = {"features": features, "kernel": kernel, "bias": bias, "identity": identity}
        return self._run("apply", inputs | self._noise(features, seed))

    def apply_regions(
        self, features: np.ndarray, weights: Sequence[StyleWeights], maps: np.ndarray, seed: int = 0
    ) -> np.ndarray:
        """Features through several mixtures, each with its share at every place, `maps` (R, h, w)."""
        kernels, biases, identities = (np.stack(each) for each in zip(*map(self.mixed, weights), strict=True))
        inputs = {"kernels": kernels, "biases": biases, "identities": identities[:, 0], "maps": maps.astype(self.dtype)}
        return self._run("regions", {"features": features} | inputs | self._noise(features, seed))

    def decode(self, features: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Features -> picture (B, 3, H, W), cut to (H, W) = `size`."""
        return self._run("decoder", {"fused": features})[:, :, : size[0], : size[1]]

    def mixed(self, weights: StyleWeights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kernel (C, C + Z, k, k), bias (C,) and identity (1,) of a mixture: sums, as filters are linear."""
        shares = balanced(weights, self.manifest.identity_gain)
        identity = shares.pop(IDENTITY, 0.0)
        some = next(iter(self.filters.values()))
        sums = [
            sum((share * self.filters[name][key].astype(np.float32) for name, share in shares.items()), start=zero)
            for key, zero in (("kernel", np.zeros_like(some["kernel"], np.float32)), ("bias", np.float32(0)))
        ]
        kernel, bias = sums[0].astype(self.dtype), np.broadcast_to(sums[1], some["bias"].shape).astype(self.dtype)
        return kernel, bias, np.array([identity], self.dtype)

    def _noise(self, features: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        if not self.manifest.noise_channels:
            return {}
        return {"noise": self._run("noise", {"features": features, "seed": np.array(divmod(seed, 2**16), np.int32)})}

    def _filter(self, file: str) -> dict[str, np.ndarray]:
        try:
            return safetensors.numpy.load((self.folder / file).read_bytes())
        except (SafetensorError, OSError) as error:
            raise ExportError(f"{self.folder / file} cannot be read: {error}.") from error

    def _run(self, model: str, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """By the name of a shared model, or the file of a style's."""
        runtime = FORMATS[self.manifest.kind].runtime
        file = self.folder / (self.manifest.models[model].file if model in self.manifest.models else model)
        try:
            if model not in self._opened:
                self._opened[model] = self._tools.opened(file)
        except Exception as error:  # a runtime's own kinds are not public
            raise ExportError(f"{file} cannot be loaded by {runtime}: {_reason(error)}.") from error
        try:
            return np.asarray(self._opened[model](inputs))
        except Exception as error:  # as above
            raise ExportError(f"{model} of {self.folder} cannot be run by {runtime}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
