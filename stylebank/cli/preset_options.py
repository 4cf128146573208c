"""The options that choose a preset of `optimize` and change it; `preset_choice` makes a preset of them."""

from __future__ import annotations

import argparse
from pathlib import Path

PRESETS = ("gatys", "neural-style", "normalized")
OPTIMIZERS = ("adam", "lbfgs", "descent")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options. None stands for the preset's own value."""
    group = parser.add_argument_group("the preset, and changes to it")
    group.add_argument("--preset", choices=PRESETS, required=True, help="the program to follow")
    group.add_argument("--iterations", type=int, metavar="N", help="at the first scale")
    group.add_argument("--network", choices=("vgg16", "vgg19"), help="the loss network")
    group.add_argument("--pooling", choices=("max", "average"), help="of the loss network")
    group.add_argument(
        "--content-layers", nargs="+", metavar="LAYER", help="such as relu4_2, or conv4_2 before its ReLU"
    )
    group.add_argument("--style-layers", nargs="+", metavar="LAYER", help="all of the same weight")
    group.add_argument("--content-weight", type=float, metavar="W", help="of the content loss")
    group.add_argument(
        "--content-weight-blend",
        type=float,
        metavar="0..1",
        help="neural-style: share of relu4_2, the rest is relu5_2's",
    )
    group.add_argument("--style-weight", type=float, metavar="W", help="of the style loss")
    group.add_argument(
        "--style-layer-weight-exp", type=float, metavar="F", help="each style layer weighs F times the one before"
    )
    group.add_argument("--tv-weight", type=float, metavar="W", help="of the total variation")
    group.add_argument("--initial", type=Path, metavar="FILE", help="start from this picture")
    group.add_argument(
        "--noise",
        type=float,
        metavar="0..1",
        help="share of noise at the start; the rest is --initial or the photograph",
    )
    group.add_argument("--optimizer", choices=OPTIMIZERS, help="descent: gradient steps of a fixed spread")
    group.add_argument(
        "--lr", type=float, help="learning rate, for pixels of 0 to 255; of descent, the spread of a step"
    )
    group.add_argument("--beta1", type=float, help="of Adam")
    group.add_argument("--beta2", type=float, help="of Adam")
    group.add_argument("--eps", type=float, help="of Adam")
