"""The camera and its window, with FFmpeg's test picture for a camera and no window at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from PIL import Image
from tiny import fail, run, write_bank

from stylebank.cli.stylize import webcam
from stylebank.errors import StyleBankError
from stylebank.video import VideoError, Webcam
from stylebank.video import webcam as device


@pytest.fixture
def test_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten frames of FFmpeg's test picture."""
    source = "testsrc=size=96x64:rate=50:duration=0.2"
    monkeypatch.setattr(device, "_device", lambda name: (source, "lavfi"))


class FakeWindow:
    """Looks on, changes the look after every picture, and is closed after the third."""

    shown: list[tuple[str, np.ndarray]]

    def __init__(self, looks: list[str]) -> None:
        self._looks = looks
        self.look = looks[0]
        FakeWindow.shown = []

    def show(self, picture: Image.Image, rate: float) -> bool:
        assert rate > 0
        self.shown.append((self.look, np.asarray(picture)))
        self.look = self._looks[len(self.shown) % len(self._looks)]
        return len(self.shown) < 3

    def close(self) -> None:
        self.look = "closed"


@pytest.mark.usefixtures("test_picture")
def test_a_camera_gives_its_newest_pictures_in_order_until_it_ends() -> None:
    with Webcam() as pictures:
        frames = list(pictures)
    assert 1 <= len(frames) <= 10
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert frames[-1].index == 9
    assert frames[0].size == (96, 64)


@pytest.mark.usefixtures("test_picture")
def test_pictures_are_shown_in_the_look_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_device", lambda name: ("testsrc=size=96x64:rate=50", "lavfi"))  # without end
    monkeypatch.setattr(webcam, "Window", FakeWindow)
    bank = write_bank(tmp_path / "bank", "calm", "storm")
    assert run("stylize", "--bank", bank, "--webcam", "--style", "all", "--size", "32") == 0
    assert [look for look, _ in FakeWindow.shown] == ["calm", "storm", "calm"]
    assert all(pixels.shape == (32, 48, 3) for _, pixels in FakeWindow.shown)
    assert np.abs(FakeWindow.shown[0][1].astype(int) - FakeWindow.shown[1][1]).max() > 10


def test_a_camera_that_is_not_there_is_named() -> None:
    with refused(VideoError, "camera 63"), Webcam("63"):
        pass


def test_without_a_display_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", ":987")
    with refused(StyleBankError, "display"):
        webcam.Window(["calm"])


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (("--style", "calm", "--output", "x.png"), ["--output", "--webcam"]),
        (("--style", "calm", "--regions", "kmeans:3"), ["--regions", "--webcam"]),
        (("--style", "gone"), ["gone"]),
        ((), ["--style is missing"]),
    ],
)
def test_what_says_nothing_about_a_camera_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], mentions: list[str]
) -> None:
    bank = write_bank(tmp_path / "bank", "calm")
    code = 2 if "missing" in mentions[0] else 1
    fail(capsys, "stylize", "--bank", bank, "--webcam", *options, mentions=mentions, code=code)
