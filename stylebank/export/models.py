"""The models of a folder, one after the other: what goes in, what comes out, and what the axes are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn

from stylebank.export.graphs import (
    ApplyGraph,
    DecoderGraph,
    EncoderGraph,
    Noise,
    NoiseGraph,
    PictureGraph,
    RegionsGraph,
    scaled_filter,
    selected,
    sliced,
)
from stylebank.export.noise import noise, plain_noise
from stylebank.export.ports import Port
from stylebank.export.quantize import fused, quantize
from stylebank.network.model import StyleBank
from stylebank.network.noise import smooth_noise

_PHOTO = "RGB, 0 to 1"
_STYLES_SEEN = 32  # by the decoder, while its levels are found


class Part(NamedTuple):
    """What becomes one model."""

    name: str
    module: nn.Module
    inputs: Sequence[Port]
    output: Port
    about: Mapping[str, str]
    """Metadata."""


@dataclass(frozen=True)
class Form:
    """What a bank is exported as."""

    model: StyleBank
    dtype: torch.dtype
    scale: float
    size: tuple[int, int] | None
    """(H, W) of all pictures, or None for any."""
    photographs: Sequence[torch.Tensor] = ()
    """For int8: (1, 3, H, W) each, to find the range of activations on. Without any, convolutions stay as they are."""
    rounds_outputs: bool = True
    """For int8: see `quantize`."""
    own_operations: bool = True
    """Whether a format has nodes of its own for the noise, which then is one operation."""

    @property
    def linear(self) -> bool:
        """Whether a filter is one kernel, which can be an input and be mixed."""
        return self.model.architecture.bank.linear

    @cached_property
    def ports(self) -> dict[str, Port]:
        """Every input and output by its name."""
        c, z = self.model.architecture.model.channels[2], self.model.architecture.bank.noise_channels
        k, any_size = self.model.architecture.bank.kernel_size, self.size is None
        count, (height, width) = (2, (66, 93)) if self.size is None else (1, self.size)
        rows, columns = -(-height // 4), -(-width // 4)
        pixels = {0: "batch", 2: "height", 3: "width"} if any_size else {}
        places = {0: "batch", 2: "rows", 3: "columns"} if any_size else {}
        decoded = {0: "batch", 2: "4 * rows", 3: "4 * columns"} if any_size else {}
        filters = 3
        features = torch.rand(count, c, rows, columns).to(self.dtype)

        def plain(*shape: int) -> torch.Tensor:
            return torch.rand(*shape).to(self.dtype)

        made = (
            Port("photo", torch.rand(count, 3, height, width), pixels, _PHOTO),
            Port("picture", torch.rand(count, 3, height, width), pixels, _PHOTO),
            Port("decoded", torch.rand(count, 3, 4 * rows, 4 * columns), decoded, f"{_PHOTO}; to be cut"),
            Port("features", features, places, "of the encoder"),
            Port("fused", features.clone(), places, "of the filters, for the decoder"),
            Port("noise", plain(1, z, rows, columns), {2: "rows", 3: "columns"} if any_size else {}, "of noise.onnx"),
            Port("seed", torch.tensor([1, 5]).int(), {}, "upper and lower 16 bits; the same gives the same strokes"),
            Port("kernel", plain(c, c + z, k, k), {}, "of a style, or a weighted sum of several"),
            Port("bias", plain(c), {}, "of a style, or a weighted sum of several"),
            Port("identity", plain(1), {}, "weight of the features themselves; 0 for a style alone"),
            Port("kernels", plain(filters, c, c + z, k, k), {0: "filters"}, "one of each region"),
            Port("biases", plain(filters, c), {0: "filters"}, "one of each region"),
            Port("identities", plain(filters), {0: "filters"}, "one of each region"),
            Port(
                "maps",
                plain(filters, rows, columns),
                {0: "filters", **({1: "rows", 2: "columns"} if any_size else {})},
                "share of each region at each place; they sum to 1",
            ),
        )
        return {port.name: port for port in made}

    def wiring(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """Shared model -> inputs, output, and what it does."""
        noisy = bool(self.model.architecture.bank.noise_channels)
        beside = ("noise",) if noisy else ()
        parts: dict[str, tuple[tuple[str, ...], str, str]]
        parts = {"encoder": (("photo",), "features", "Encodes a photograph once for any number of styles.")}
        if self.linear:
            if noisy:
                parts["noise"] = (("features", "seed"), "noise", "Smooth noise of the features' size.")
            one, several = ("features", "kernel", "bias", "identity"), ("kernels", "biases", "identities", "maps")
            parts["apply"] = ((*one, *beside), "fused", "A style, or a mixture, applied to features.")
            parts["regions"] = (("features", *several, *beside), "fused", "A style or mixture for every region.")
        parts["decoder"] = (("fused",), "decoded", "Makes a picture of features.")
        return parts

    def shared(self, about: Mapping[str, str]) -> Iterator[Part]:
        """What all styles have in common."""
        for name, (inputs, output, does) in self.wiring().items():
            ports = [self.ports[each] for each in inputs]
            yield Part(name, self._module(name), ports, self.ports[output], _about(name, does, about))

    def pictures(self, styles: Mapping[str, str], about: Mapping[str, str]) -> Iterator[Part]:
        """All of it for each style: name -> title."""
        for name, title in styles.items():
            said = _about(name, f"Photograph in, picture out, in the style {title or name}.", about)
            yield Part(name, self._picture(name), [self.ports["photo"]], self.ports["picture"], said)

    def kernel(self, style: str) -> list[torch.Tensor]:
        """Kernel (C, C + Z, k, k) and bias (C,) of a linear filter, multiplied by `scale`."""
        return [*scaled_filter(self.model, style, self.scale).parameters()]

    @cached_property
    def _fixed(self) -> Noise:
        """The noise of the one size and seed 0: numbers, as converters to other formats know no operations on bits."""
        assert self.size is not None
        grid = (slice(0, -(-side // self.model.stride)) for side in self.size)
        values = smooth_noise(self.model.architecture.bank.noise_channels, [0], *grid).contiguous()
        return lambda features, seed, channels: values

    def _picture(self, style: str) -> nn.Module:
        made = (noise, sliced) if self.own_operations else (plain_noise if self.size is None else self._fixed, selected)
        graph = PictureGraph(self.model, style, self.dtype, self.scale, *made)
        if self.photographs:
            quantize(graph, self.photographs, self.rounds_outputs)
        return graph.eval()

    def _module(self, name: str) -> nn.Module:
        made: nn.Module
        match name:
            case "encoder":
                made, examples = EncoderGraph(self.model, self.dtype), iter(self.photographs)
            case "decoder":
                made, examples = (
                    DecoderGraph(self.model, self.dtype, self.scale),
                    fused(self.model, self.photographs, _STYLES_SEEN),
                )
            case "noise":
                made_by = noise if self.own_operations else plain_noise
                return NoiseGraph(self.model.architecture.bank.noise_channels, self.dtype, made_by).eval()
            case _:  # kernels that are inputs are not known before
                return (ApplyGraph if name == "apply" else RegionsGraph)(self.model, self.scale).eval()
        if self.photographs:
            quantize(made, examples, self.rounds_outputs)
        return made.eval()


def _about(name: str, does: str, about: Mapping[str, str]) -> dict[str, str]:
    return {"name": name, "description": does, **about}


def changing(graph: nn.Module) -> dict[str, torch.Tensor]:
    """The weights in which one style's whole model differs from another's: its filter, and all levels of int8."""
    state = graph.state_dict()
    return {key: state[key] for key in state if key.startswith("filter.") or key.endswith((".scale", ".zero"))}
