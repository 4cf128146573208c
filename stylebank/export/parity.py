"""The proof: an exported folder, run by ONNX Runtime, gives the pictures of the bank computed in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylebank.errors import ExportError
from stylebank.export.manifest import ExportManifest, Precision
from stylebank.export.runtime import ExportedBank
from stylebank.inference.blending import Recipe, Region, fuse, region_masks
from stylebank.network.model import StyleBank
from stylebank.styles import IDENTITY

SIZES = ((16, 16), (67, 93), (120, 88), (33, 130))
"""(H, W) of the pictures compared, where any size is valid."""
SEED = 7  # of what is put together from parts; a style's own model has 0
LARGEST_MEAN = {"float32": 1.0, "float16": 0.5, "int8": 16.0}
LARGEST = {"float32": 1.0, "float16": 255.0, "int8": 255.0}
"""Differences that are let pass, in levels of 255: of a whole case's mean, and of any one value. Those of int8 only
show that nothing is wrong; what it is worth, `quality` measures."""


@dataclass(frozen=True)
class Comparison:
    """What one way of running the folder differs by from the bank."""

    what: str
    size: tuple[int, int]
    mean: float
    """Over all values of the pictures, in levels of 255."""
    largest: float


def compare(
    model: StyleBank, exported: ExportedBank, progress: Callable[[int, int], None] | None = None
) -> list[Comparison]:
    """Runs everything in a folder on made-up pictures: the styles' models, filters, mixtures, regions.

    Args:
        model: in float32, calibrated (`blending.calibrate`).
        progress: called with how many pictures are done, and of how many.

    Raises:
        ExportError: something cannot be run.
    """
    cases, found = list(_cases(exported.manifest)), list[Comparison]()
    for case in cases:
        photo = case.photo.numpy()
        made = exported.picture(case.whole, photo) if case.whole else _of_folder(exported, photo, case.recipe)
        found.append(_difference(case.what, _of_bank(model, case.photo, case.recipe), made))
        if progress:
            progress(len(found), len(cases))
    return found


def check(found: Sequence[Comparison], precision: Precision) -> None:
    """Refuses a folder whose pictures are too far from the bank's.

    Raises:
        ExportError: it says by how much, and where.
    """
    for each in found:
        if not (each.mean <= LARGEST_MEAN[precision] and each.largest <= LARGEST[precision]):  # as NaN is not
            limit = f"mean {LARGEST_MEAN[precision]:g}, largest {LARGEST[precision]:g}"
            raise ExportError(
                f"The models differ from the bank by {each.mean:.3g} of 255 in the mean and {each.largest:.3g} "
                f"at most ({each.what}, {each.size[1]}x{each.size[0]}); the limits for {precision} are {limit}."
            )


def pictures(size: tuple[int, int], count: int = 1) -> Tensor:
    """Noise with the spectrum of photographs, its upper part a plain card: (count, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(size[0] * 1000 + size[1])
    octaves = [torch.randn(count, 3, side, side, generator=generator) for side in (4, 8, 16, 32, 64)]
    made = sum((F.interpolate(octave, size, mode="bicubic") for octave in octaves), start=torch.zeros(())) * 0.1 + 0.5
    made[:, :, : size[0] // 3] = torch.rand(count, 3, 1, 1, generator=generator)
    return made.clamp(0, 1)


class _Case(NamedTuple):
    what: str
    photo: Tensor
    recipe: Recipe
    whole: str | None = None
    """The style whose own model does all of it."""


def _cases(manifest: ExportManifest) -> Iterator[_Case]:
    """Every style by its model and by its kernel, mixtures and regions; those that are alike at all sizes once."""
    sizes = [manifest.size] if manifest.size else SIZES
    photos = [pictures(size, 1 if manifest.size or i % 2 == 0 else 2) for i, size in enumerate(sizes)]
    one = photos[1:2] or photos
    names = [style.name for style in manifest.styles]
    for name in names if manifest.picture else ():
        for photo in photos if name == names[0] else one:
            yield _Case(f"{name}, its own model", photo, Recipe({name: 1.0}), whole=name)
    if "apply" in manifest.models:
        for name in names:
            yield from (_Case(f"{name}, kernel", photo, Recipe({name: 1.0}, seed=SEED)) for photo in one)
        for what, recipe in _mixtures(names).items():
            yield from (_Case(what, photo, recipe) for photo in photos)


def _mixtures(names: Sequence[str]) -> dict[str, Recipe]:
    first, second, third = names[0], names[-1], names[len(names) // 2]
    ramp = torch.linspace(0, 1, 40)[None].repeat(30, 1)
    disc = (torch.hypot(*torch.meshgrid(torch.arange(30) - 9.0, torch.arange(40) - 20.0, indexing="ij")) < 8).float()
    both = {first: 1.0} if first == second else {first: 0.7, second: 0.3}
    half = {**{name: share / 2 for name, share in both.items()}, IDENTITY: 0.5}
    regions = (Region({second: 1.0}, ramp), Region({third: 0.5, IDENTITY: 0.5}, disc))
    return {
        "identity": Recipe({IDENTITY: 1.0}, seed=SEED),
        "mixture": Recipe(both, seed=SEED),
        "mixture with identity": Recipe(half, seed=SEED),
        "regions": Recipe({first: 1.0}, regions, seed=SEED),
    }


@torch.inference_mode()
def _of_bank(model: StyleBank, photo: Tensor, recipe: Recipe) -> Tensor:
    features = model.encode(photo)
    masks = region_masks(recipe, (features.shape[2], features.shape[3]))
    fused = fuse(model, features, model.filter_input(features, (recipe.seed,)), recipe, masks)
    return model.decode(fused, (photo.shape[2], photo.shape[3])).clamp(0, 1)


def _of_folder(exported: ExportedBank, photo: np.ndarray, recipe: Recipe) -> np.ndarray:
    features = exported.encode(photo)
    if recipe.regions:
        weights = [*(region.weights for region in recipe.regions), recipe.base]
        maps = region_masks(recipe, (features.shape[2], features.shape[3])).numpy()
        fused = exported.apply_regions(features, weights, maps, recipe.seed)
    else:
        fused = exported.apply(features, recipe.base, recipe.seed)
    return exported.decode(fused, (photo.shape[2], photo.shape[3]))


def _difference(what: str, expected: Tensor, found: np.ndarray) -> Comparison:
    if found.shape != tuple(expected.shape):
        raise ExportError(f"{what}: the picture has shape {found.shape}, not {tuple(expected.shape)}.")
    levels = np.abs(found.astype(np.float64) - expected.numpy()) * 255
    return Comparison(what, (expected.shape[2], expected.shape[3]), float(levels.mean()), float(levels.max()))


def summary(found: Sequence[Comparison], manifest: ExportManifest) -> list[str]:
    """Lines for people: the styles' own models and kernels together, the rest one by one."""
    groups: dict[str, list[Comparison]] = {}
    for each in found:
        groups.setdefault(each.what.rpartition(", ")[2], []).append(each)
    lines = [f"{'of 255':<24} {'mean':>9} {'largest':>9}  sizes"]
    for name, members in groups.items():
        sizes = " ".join(dict.fromkeys(f"{width}x{height}" for height, width in (each.size for each in members)))
        many = f"{name}, {len(manifest.styles)} styles" if name in ("its own model", "kernel") else name
        mean, largest = max(each.mean for each in members), max(each.largest for each in members)
        lines.append(f"{many:<24} {mean:>9.2g} {largest:>9.2g}  {sizes}")
    return lines
