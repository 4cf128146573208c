"""Animations that are cut anywhere, too large, or long: a sentence or frames, in time that grows with their length."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hostile_films import far_frames, gif
from PIL import Image

from stylebank.errors import ImageError, StyleBankError
from stylebank.images import limit_megapixels
from stylebank.video import AnimationReader, VideoError, open_reader


def animation(path: Path, count: int = 3, size: tuple[int, int] = (9, 7)) -> Path:
    """An animation, or many pages, of noise with a hole."""
    rng = np.random.default_rng(0)
    mode = "RGB" if path.suffix in (".mpo", ".gif") else "RGBA"
    noise = [rng.integers(0, 256, (size[1], size[0], 4), np.uint8) for _ in range(count)]
    frames = [Image.fromarray(pixels).convert(mode) for pixels in noise]
    frames[0].save(path, "PNG" if path.suffix == ".apng" else None, save_all=True, append_images=frames[1:])
    return path


def outcome_of(reader: type, path: Path) -> int | str:
    """How many frames there are, or what is said instead."""
    try:
        return len(list(reader(path)))
    except StyleBankError as error:
        return str(error)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng", ".png", ".avif", ".tiff", ".mpo"])
@pytest.mark.parametrize("reader", [AnimationReader, open_reader])
def test_an_animation_cut_anywhere_is_read_or_refused_in_one_sentence(
    tmp_path: Path, suffix: str, reader: type
) -> None:
    data = animation(tmp_path / f"whole{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        outcome = outcome_of(reader, cut)
        assert outcome in (1, 2, 3) or (isinstance(outcome, str) and str(cut) in outcome and "\n" not in outcome)


def test_frames_outside_count_before_they_are_decoded(tmp_path: Path) -> None:
    case = far_frames(tmp_path)
    with pytest.raises(ImageError, match=r"176 megapixels; the limit for animations is 62\.5.*--max-megapixels 703"):
        AnimationReader(case)
    case.write_bytes(gif((2, 2), (0, 0, 1), (9, 3, 1), (0, 0, 1)))
    frames = list(AnimationReader(case))
    assert [frame.size for frame in frames] == [(10, 4)] * 3
    assert frames[0].alpha is not None
    assert frames[0].alpha.sum() <= 255
    with limit_megapixels(0.0001), pytest.raises(ImageError, match="10x4"):
        AnimationReader(case)


def test_frames_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "long.gif"
    case.write_bytes(gif((10, 10), *[(0, 0, 1)] * 500))
    with limit_megapixels(0.000_4), pytest.raises(ImageError, match=r"500 frames of 10x10.*--max-megapixels 1"):
        AnimationReader(case)
    monkeypatch.setattr("stylebank.video.animation_limits.MOST_FRAMES", 2000)
    case.write_bytes(gif((1, 1), *[(0, 0, 1)] * 2001))
    with pytest.raises(VideoError, match=r"2,001 frames.*up to 2,000"):
        AnimationReader(case)


def test_a_long_animation_opens_in_time_that_grows_with_its_length(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        case = tmp_path / f"{count}.gif"
        case.write_bytes(gif((2, 2), *[(0, 0, 1)] * count))
        began = time.process_time()
        reader = AnimationReader(case)
        assert reader.expected == count
        return time.process_time() - began

    seconds(10)
    assert seconds(8000) < 20 * seconds(1000)  # 64 times if it grew with the square
