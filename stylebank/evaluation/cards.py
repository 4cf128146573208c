"""Plain cards: what a bank does where the photograph shows nothing, in numbers.

Skies, walls and dark grounds are large parts of photographs and small ones of their mean style gap. On a card of one
colour or a gradient there is nothing else; on a card with a disk one sees the halo that a network leaves around things.
"""

from __future__ import annotations

import torch
from skimage.color import rgb2lab
from torch import Tensor

from stylebank.evaluation.metrics import StyleMetrics, mean_of
from stylebank.evaluation.painters import BankPainter
from stylebank.evaluation.targets import Style

SIDE = 320  # pixels
RADIUS = 56  # of the disk
RING = (6, 36)  # pixels outside the disk
FAR = 72  # pixels outside the disk, from where the ground counts as undisturbed
BLOCK = 16  # pixels: strokes come and go within a block, a halo does not

GREY, DARK, LIGHT, SKY = (0.5, 0.5, 0.5), (0.12, 0.12, 0.14), (0.9, 0.9, 0.88), (0.35, 0.55, 0.8)
SKIN, RED = (0.85, 0.65, 0.55), (0.7, 0.15, 0.1)

Colour = tuple[float, float, float]


def plain_cards() -> dict[str, Tensor]:
    """Cards without anything on them, by name: (1, 3, 320, 320) in [0, 1]."""
    slope = torch.linspace(0, 1, SIDE)[:, None].expand(SIDE, SIDE)
    return {
        "grey": _plain(GREY),
        "dark": _plain(DARK),
        "light": _plain(LIGHT),
        "gradient": torch.lerp(_plain(SKY), _plain(LIGHT), slope),
    }


def disk_cards() -> dict[str, Tensor]:
    """Cards with a disk in the middle, by name: (1, 3, 320, 320) in [0, 1]."""
    pairs = {"dark on light": (DARK, LIGHT), "light on dark": (LIGHT, DARK), "skin on grey": (SKIN, GREY)}
    pairs["red on sky"] = (RED, SKY)
    inside = (0.5 - _outside()).clamp(0, 1)  # a pixel of soft edge
    return {name: torch.lerp(_plain(ground), _plain(disk), inside) for name, (disk, ground) in pairs.items()}


def measure_cards(painter: BankPainter, style: Style) -> dict[str, float]:
    """What a style makes of the cards, mean over them.

    Returns:
        `card_style_gap_closed`: as `StyleMetrics.compare` says it of photographs. `halo`: see there.
    """
    metrics = StyleMetrics(style.network)
    device = metrics.network.mean.device

    def paint(card: Tensor) -> Tensor:
        return painter.stylizer.encode(card.to(device)).decode(style.name)

    rows = [metrics.compare(paint(card), metrics.activations(card), style.grams) for card in plain_cards().values()]
    halos = [{"halo": halo(paint(card))} for card in disk_cards().values()]
    return {"card_style_gap_closed": mean_of(rows)["style_gap_closed"], **mean_of(halos)}


def halo(output: Tensor) -> float:
    """How far the ring around a card's disk is from the ground far away, in standard deviations of that ground.

    The distance is that of mean CIELAB colours, the deviation that of the far ground's means over blocks of 16 pixels,
    and taken as 1 at least: less is not seen. Of `disk_cards` as they are it is 0.

    Args:
        output: what a style made of a card with a disk, (1, 3, 320, 320) in [0, 1].
    """
    lab = torch.from_numpy(rgb2lab(output[0].clamp(0, 1).float().permute(1, 2, 0).cpu().numpy()))  # (H, W, 3)
    outside = _outside()
    ring = lab[(outside >= RING[0]) & (outside <= RING[1])].mean(0)
    far = outside >= FAR
    blocks = lab.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK, 3).mean((1, 3))
    whole = far.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK).all(3).all(1)
    deviation = blocks[whole].var(0).sum().sqrt().clamp_min(1)
    return float((ring - lab[far].mean(0)).norm() / deviation)


def _plain(colour: Colour) -> Tensor:
    return torch.tensor(colour)[None, :, None, None].expand(1, 3, SIDE, SIDE).contiguous()


def _outside() -> Tensor:
    """How far each pixel's centre is from the disk, negative within it: (320, 320)."""
    place = torch.arange(SIDE) - (SIDE - 1) / 2
    return torch.hypot(place[:, None], place[None]) - RADIUS
