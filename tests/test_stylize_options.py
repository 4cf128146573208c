"""The stylizing command's arguments as typed requests."""

from __future__ import annotations

import argparse
from copy import deepcopy
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from stylebank.cli import parser
from stylebank.cli.stylize.film_options import FilmOptions
from stylebank.cli.stylize.jobs import Existing
from stylebank.cli.stylize.look_options import LookOptions, MaskChoice, StyleChoice
from stylebank.cli.stylize.options import StylizeOptions, WebcamOptions, request_of, webcam_of
from stylebank.cli.stylize.region_options import RegionOptions
from stylebank.errors import ConfigError
from stylebank.regions import RegionMethod
from stylebank.shipped import DEFAULT_BANK
from stylebank.video import StreamRules


def arguments(*texts: str) -> argparse.Namespace:
    return parser("infer.py").parse_args(texts)


def test_a_photograph_in_a_style_needs_no_more_than_its_name() -> None:
    request = request_of(arguments("--style", "calm", "--input", "a.jpg", "--output", "b.jpg"))
    looks = LookOptions(styles=(StyleChoice("calm", "calm"),))
    assert request == StylizeOptions(DEFAULT_BANK, (Path("a.jpg"),), Path("b.jpg"), looks)
    with pytest.raises(FrozenInstanceError):
        request.size = 300  # type: ignore[misc]


def test_every_text_is_read_into_a_value() -> None:
    given = arguments(
        *("--bank", "mine", "--input", "a.mp4", "b", "--output", "out", "--size", "360", "--tile", "512"),
        *("--quality", "20", "--resume", "--precision", "float32"),
        *("--style", "calm:1", "storm:-.5", "--raw-weights", "--alpha", ".9", "--feather", "4", "--stroke", "auto"),
        *("--mask", "calm=a=b.png", "storm:0.25=c.png", "--preserve-colors", "luma", "--seed", "3"),
        *("--regions", "kmeans:4", "--assign", "0=calm", "--show-regions", "map.png"),
        *("--stabilize", "--start", "1", "--end", "2.5", "--frames", "--fps", "24", "--codec", "ffv1"),
        *("--preset", "fast", "--batch", "2", "--lenient", "--drop-streams"),
        *("--transcode-audio", "--profile"),
    )
    before = deepcopy(vars(given))
    assert request_of(given) == StylizeOptions(
        bank=Path("mine"),
        inputs=(Path("a.mp4"), Path("b")),
        output=Path("out"),
        looks=LookOptions(
            styles=(StyleChoice("calm:1", "calm", 1.0), StyleChoice("storm:-.5", "storm", -0.5)),
            raw_weights=True,
            alpha=0.9,
            masks=(
                MaskChoice("calm=a=b.png", "calm", None, Path("a=b.png")),
                MaskChoice("storm:0.25=c.png", "storm", 0.25, Path("c.png")),
            ),
            feather=4.0,
            colors="luma",
            stroke="auto",
            regions=RegionOptions(RegionMethod("kmeans", 4), assign="0=calm", show=Path("map.png"), seed=3),
        ),
        films=FilmOptions(
            "blend", 1.0, 2.5, True, 24.0, "ffv1", "fast", 2, True, StreamRules(drop=True, transcode_audio=True), True
        ),
        existing=Existing(resume=True),
        size=360,
        tile=512,
        quality=20,
        precision="float32",
    )
    assert vars(given) == before


def test_tiles_may_be_left_to_the_program() -> None:
    shown = ("--style", "calm", "--input", "a.jpg", "--output", "b.jpg", "--tile")
    assert request_of(arguments(*shown, "auto")).tile is None
    with pytest.raises(SystemExit):
        arguments(*shown, "8")


def test_regions_alone_are_shown_without_an_output() -> None:
    shown = ("--input", "a.jpg", "--regions", "slic:9", "--show-regions", "map.png")
    assert request_of(arguments(*shown)).looks.regions == RegionOptions(RegionMethod("slic", 9), show=Path("map.png"))
    for more in (("--style", "calm"), ("--assign", "0=calm"), ("--mask", "calm=a.png")):
        with pytest.raises(ConfigError, match="--output is missing"):
            request_of(arguments(*shown, *more))


def test_a_camera_has_a_request_of_its_own() -> None:
    request = webcam_of(arguments("--webcam", "1", "--style", "all", "--stabilize", "flow", "--device", "cpu"))
    looks = LookOptions(styles=(StyleChoice("all", "all"),))
    assert request == WebcamOptions("1", DEFAULT_BANK, looks, stabilize="flow", device="cpu")
