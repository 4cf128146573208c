"""What else is in films: sound, titles, time code, clocks that jump. No film is lost for any of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from films import (
    describe,
    make_camera_film,
    make_film,
    make_ogg,
    make_recording,
    number,
    packets,
    set_back,
    tone,
)

from stylebank.video import FrameReader, FrameWriter, StreamRules, VideoError, VideoReader, VideoWriter
from stylebank.video.carriers import Copied
from stylebank.video.containers import reason_of

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


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_said_of_a_film_is_kept_unless_it_is_to_be_stripped(tmp_path: Path, name: str) -> None:
    source = make_camera_film(tmp_path / "a.mov")
    for rules, kept in ((DROP, True), (StreamRules(drop=True, strip_metadata=True), False)):
        path = copied(source, name, rules).path
        with av.open(str(path)) as film:
            said = {**film.metadata, **film.streams.video[0].metadata}
            assert ("timecode" in {key.lower() for key in said}) is kept
            assert kept or not [stream for stream in film.streams if stream.type == "data"]
            own = {
                "encoder",
                "major_brand",
                "minor_version",
                "compatible_brands",
                "handler_name",
                "language",
                "duration",
                "vendor_id",
            }
            assert kept or {key.lower() for key in said} <= own
        path.unlink()


def test_titles_are_stripped_and_languages_kept(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", audio=True, subtitles="subrip")
    path = copied(source, "b.mkv", StreamRules(drop=True, strip_metadata=True)).path
    with av.open(str(source)) as old, av.open(str(path)) as new:
        assert old.metadata["title"] == "A film"
        assert "title" not in new.metadata
        assert len(new.streams) == len(old.streams)
        languages = [[stream.metadata.get("language") for stream in film.streams] for film in (old, new)]
        assert languages[0] == languages[1]


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


@pytest.fixture
def odd_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound that cannot be copied from a tenth of a second on."""
    take: Callable = Copied.take

    def _fail(self: Copied, packet: av.Packet) -> object:
        if self.stream.type == "audio" and packet.pts and packet.pts * packet.time_base > Fraction(1, 10):
            raise av.error.InvalidDataError(1, "odd sound")
        return take(self, packet)

    monkeypatch.setattr(Copied, "take", _fail)


@pytest.mark.usefixtures("odd_sound")
def test_a_stream_that_fails_at_the_end_is_left_out_and_named(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mkv", 8, audio=True, subtitles="subrip"))
    with pytest.raises(VideoError, match=r"audio aac.* after all .*--resume, without --strict"):
        copy(reader, VideoWriter(tmp_path / "b.mkv", reader, rules=StreamRules(complete=True)))
    writer = VideoWriter(tmp_path / "b.mkv", reader, resume=True)
    copy(reader, writer)
    assert writer.left_out == ["audio aac"]
    assert [stream.kind for stream in describe(tmp_path / "b.mkv").streams] == ["subtitle"]
    assert len(list(VideoReader(tmp_path / "b.mkv"))) == 8


# ------------------------------------------------------------------------------------------ streams of other kinds

SKELETON = b"fishead\0" + bytes([3, 0, 0, 0]) + bytes(52)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize(
    ("header", "what"), [(SKELETON, "data stream"), (b"CMML\0\0\0\0" + bytes(21), "unknown stream")]
)
def test_ogg_films_with_streams_that_nobody_knows(tmp_path: Path, name: str, header: bytes, what: str) -> None:
    writer = copied(make_ogg(tmp_path / "a.ogv", header), name, StreamRules(transcode_audio=True))
    assert writer.left_out == [what]
    assert [stream.kind for stream in describe(writer.path).streams] == ["audio"]
    assert len(steps(writer.path)) == 7


def test_what_is_left_out_may_be_an_error(tmp_path: Path) -> None:
    reader = VideoReader(make_ogg(tmp_path / "a.ogv", SKELETON))
    with pytest.raises(VideoError, match=r"cannot hold the data stream of .*--strict"):
        VideoWriter(tmp_path / "b.mkv", reader, rules=StreamRules(complete=True))
    assert [path.name for path in tmp_path.iterdir()] == ["a.ogv"]


def test_a_reason_is_named_as_far_as_ffmpeg_does(tmp_path: Path) -> None:
    path = make_film(tmp_path / "a.mp4", 4)
    path.write_bytes(path.read_bytes().split(b"moov")[0])
    with pytest.raises(VideoError, match=r"damaged or cut short \(.*: moov atom not found\)\.$"):
        VideoReader(path)
    nothing = av.error.PermissionError(1, "Operation not permitted")
    assert reason_of(nothing, []) == "FFmpeg gives no reason"
    assert reason_of(nothing, [(16, "mov", "odd  atom.\n")]) == "odd atom"


# -------------------------------------------------------------------------------------------- sound and titles anew


def heard(path: Path) -> tuple[np.ndarray, int]:
    """The sound of the first channel from time zero on, in [-1, 1], and its rate."""
    with av.open(str(path)) as film:
        rate = film.streams.audio[0].sample_rate
        wave, begin = np.zeros(rate * 2, np.float32), 0
        for frame in film.decode(audio=0):
            samples = av.AudioResampler("fltp").resample(frame)[0].to_ndarray()[0]
            begin = begin if frame.pts is None else round(frame.pts * frame.time_base * rate)
            wave[max(0, begin) : max(0, begin + len(samples))] = samples[max(0, -begin) :]
            begin += len(samples)
    return wave, rate


@pytest.mark.parametrize(
    ("source", "codec", "rate", "layout"),
    [
        ("a.3gp", "libopencore_amrnb", 8000, "mono"),
        ("a.asf", "wmav2", 44100, "stereo"),
        ("a.avi", "pcm_mulaw", 8000, "mono"),
        ("a.mkv", "pcm_s16le", 48000, "5.1"),
    ],
)
@pytest.mark.parametrize("name", ["b.mp4", "b.webm"])
def test_sound_is_encoded_anew_if_asked_for(
    tmp_path: Path, source: str, codec: str, rate: int, layout: str, name: str
) -> None:
    reader = VideoReader(tone(tmp_path / source, codec, rate, layout))
    with pytest.raises(VideoError, match=r"cannot hold the audio .*--transcode-audio.*--drop-streams"):
        VideoWriter(tmp_path / name, reader)
    writer = copied(tmp_path / source, name, StreamRules(transcode_audio=True))
    assert writer.left_out == []
    assert [stream.codec for stream in describe(writer.path).streams] == ["opus" if name == "b.webm" else "aac"]
    old, old_rate = heard(tmp_path / source)
    new, new_rate = heard(writer.path)
    assert new_rate == (48000 if name == "b.webm" else rate)
    begins = [(np.abs(wave) > 0.1).argmax() / its_rate for wave, its_rate in ((old, old_rate), (new, new_rate))]
    assert begins[0] == pytest.approx(0.2, abs=0.06)  # WMA's own delay
    assert begins[1] == pytest.approx(begins[0], abs=0.02)
    for wave, its_rate in ((old, old_rate), (new, new_rate)):
        part = wave[int(0.3 * its_rate) : int(0.5 * its_rate)]
        assert np.fft.rfft(part * np.hanning(len(part))).__abs__().argmax() == pytest.approx(440 * 0.2, abs=1)
        assert np.abs(part).max() == pytest.approx(0.4, abs=0.1)


def test_sound_that_fits_is_copied_even_so(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", 8, audio=True)
    writer = copied(source, "b.mp4", StreamRules(transcode_audio=True))
    assert [data for _, data in packets(writer.path, "audio")] == [data for _, data in packets(source, "audio")]


def test_sound_is_cut_along_when_it_is_encoded_anew(tmp_path: Path) -> None:
    reader = VideoReader(tone(tmp_path / "a.avi", "pcm_mulaw", 8000, "mono"), 0.12, 0.4)
    copy(reader, VideoWriter(tmp_path / "b.mp4", reader, rules=StreamRules(transcode_audio=True)))
    wave, rate = heard(tmp_path / "b.mp4")
    loud = np.flatnonzero(np.abs(wave) > 0.1) / rate
    assert loud[0] == pytest.approx(0.08, abs=0.02)
    assert loud[-1] == pytest.approx(0.28, abs=0.02)


@pytest.mark.parametrize(
    ("subtitles", "source", "name", "kind"),
    [
        ("subrip", "a.mkv", "b.mp4", "mov_text"),
        ("subrip", "a.mkv", "b.mov", "mov_text"),
        ("subrip", "a.mkv", "b.webm", "webvtt"),
        ("mov_text", "a.mp4", "b.mkv", "subrip"),
    ],
)
def test_titles_become_what_the_container_holds(
    tmp_path: Path, subtitles: str, source: str, name: str, kind: str
) -> None:
    reader = VideoReader(make_film(tmp_path / source, 12, subtitles=subtitles))
    copy(reader, VideoWriter(tmp_path / name, reader))
    assert [stream.codec for stream in describe(tmp_path / name).streams] == [kind]
    titles = [(time, data[-6:].lstrip(b"\0\5\6")) for time, data in packets(tmp_path / name, "subtitle")]
    assert [title for title in titles if title[1]] == [(Fraction(0), b"first"), (Fraction(24, 100), b"second")]
