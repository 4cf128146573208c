"""What else is in films: sound, titles, time code, clocks that jump. No film is lost for any of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from films import describe, make_camera_film, make_film, make_recording, number, packets, set_back

from stylebank.video import FrameReader, FrameWriter, StreamRules, VideoReader, VideoWriter

DROP = StreamRules(drop=True)
OUTPUTS = ("b.mp4", "b.mov", "b.mkv", "b.webm")


def copy(reader: FrameReader, writer: FrameWriter) -> None:
    with writer:
        for frame in reader.frames(writer.position):
            writer.write(frame)


def copied(source: Path, name: str, rules: StreamRules = DROP) -> VideoWriter:
    """Copies a film to `name` beside it, at every speed the codecs have."""
    reader = VideoReader(source)
    preset = "8" if name.endswith("webm") else "ultrafast"
    writer = VideoWriter(source.with_name(name), reader, preset=preset, rules=rules)
    copy(reader, writer)
    return writer


def steps(path: Path) -> list[Fraction]:
    times = [frame.time for frame in VideoReader(path)]
    return [later - time for time, later in pairwise(times)]


# ----------------------------------------------------------------------------------------------------- time code


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_film_with_time_code_goes_everywhere(tmp_path: Path, name: str) -> None:
    writer = copied(make_camera_film(tmp_path / "a.mov"), name)
    assert [number(frame) for frame in VideoReader(writer.path)] == pytest.approx(range(8), abs=1)
    kept = writer.path.suffix in (".mp4", ".mov")
    assert ("data timecode (eng)" in writer.left_out) is not kept
    with av.open(str(writer.path)) as film:
        tags = {key.lower(): value for key, value in film.streams.video[0].metadata.items()}
        assert tags["timecode"] == "01:00:00:00"
        assert [stream.type for stream in film.streams if stream.type == "data"] == ["data"] * kept


def test_time_code_is_left_out_where_it_would_be_wrong(tmp_path: Path) -> None:
    reader = VideoReader(make_camera_film(tmp_path / "a.mov"), 0.12)
    writer = VideoWriter(tmp_path / "b.mov", reader)
    copy(reader, writer)
    assert writer.left_out == ["data timecode (eng)"]
    with av.open(str(tmp_path / "b.mov")) as film:
        assert "timecode" not in film.streams.video[0].metadata


# ---------------------------------------------------------------------------------------------- clocks that jump


def glued(folder: Path, suffix: str, begins: tuple[float, float]) -> Path:
    parts = [make_recording(folder / f"part{suffix}", begin).read_bytes() for begin in begins]
    (folder / f"part{suffix}").unlink()
    path = folder / f"a{suffix}"
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("suffix", [".ts", ".vob"])
@pytest.mark.parametrize("begins", [(0, 0), (5, 1000), (1000, 5)])
def test_recordings_glued_together_run_on(tmp_path: Path, name: str, suffix: str, begins: tuple[float, float]) -> None:
    source = glued(tmp_path, suffix, begins)
    writer = copied(source, name)
    assert len(steps(source)) == len(steps(writer.path)) == 23
    assert all(Fraction(1, 30) < step < Fraction(1, 8) for step in [*steps(source), *steps(writer.path)])
    assert writer.left_out == (["audio mp2"] if name == "b.webm" else [])
    if name != "b.webm":
        sound = packets(writer.path, "audio")
        assert [data for _, data in sound] == [data for _, data in packets(source, "audio")]
        assert all(Fraction(0) < b[0] - a[0] < Fraction(1, 8) for a, b in pairwise(sound))
        assert abs(sound[-1][0] - Fraction(24, 25)) < Fraction(1, 5)


def test_a_part_of_what_was_glued_together(tmp_path: Path) -> None:
    reader = VideoReader(glued(tmp_path, ".ts", (1000, 5)), 0.24, 0.76)
    copy(reader, VideoWriter(tmp_path / "b.mkv", reader))
    frames = list(VideoReader(tmp_path / "b.mkv"))
    assert [number(frame) for frame in frames] == pytest.approx([*range(6, 12), *range(7)], abs=1)
    assert packets(tmp_path / "b.mkv", "audio")[-1][0] < Fraction(51, 100)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_clock_that_wraps_runs_on(tmp_path: Path, name: str) -> None:
    writer = copied(make_recording(tmp_path / "a.ts", Fraction(2**33, 90000) - Fraction(8, 5)), name)
    assert len(steps(writer.path)) == 11
    assert all(abs(step - Fraction(1, 25)) < Fraction(1, 500) for step in steps(writer.path))


@pytest.mark.parametrize("name", OUTPUTS)
def test_times_before_zero_begin_at_zero(tmp_path: Path, name: str) -> None:
    source = make_recording(tmp_path / "a.flv", 0, codec="flv")
    set_back(source, 3000)
    writer = copied(source, name)
    frames = list(VideoReader(writer.path))
    assert [number(frame) for frame in frames] == pytest.approx(range(12), abs=1)
    assert abs(frames[0].time) < Fraction(1, 20)
    assert abs(frames[-1].time - frames[0].time - Fraction(11, 25)) < Fraction(1, 500)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_frame_that_is_shown_for_a_month_loses_no_film(tmp_path: Path, name: str) -> None:
    month = 12800 * 86400 * 30
    writer = copied(make_film(tmp_path / "a.mkv", times=[0, 512, month, month + 512]), name)
    assert len(steps(writer.path)) == 3


# ------------------------------------------------------------------------------------------- what goes wrong late


def test_a_stream_that_fails_at_the_end_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stylebank.video.carriers import Copied

    source = make_film(tmp_path / "a.mkv", 8, audio=True, subtitles="subrip")
    reader = VideoReader(source)
    writer = VideoWriter(tmp_path / "b.mkv", reader, preset="ultrafast")
    take: Callable = Copied.take

    def _fail(self: Copied, packet: av.Packet) -> object:
        if self.stream.type == "audio" and packet.pts and packet.pts * packet.time_base > Fraction(1, 10):
            raise av.error.InvalidDataError(1, "odd sound")
        return take(self, packet)

    monkeypatch.setattr(Copied, "take", _fail)
    copy(reader, writer)
    assert writer.left_out == ["audio aac"]
    assert [stream.kind for stream in describe(tmp_path / "b.mkv").streams] == ["subtitle"]
    assert len(list(VideoReader(tmp_path / "b.mkv"))) == 8
