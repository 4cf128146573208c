"""Films, animations and folders of frames: what goes in comes out, at the same time and in the same colours."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import TICK, add_sound, describe, gray, make_film, mux_sound, number, packets
from PIL import Image

from stylebank.errors import StyleBankError
from stylebank.video import (
    AnimationReader,
    AnimationWriter,
    FolderReader,
    FolderWriter,
    Frame,
    FrameReader,
    FrameWriter,
    Position,
    ReadAhead,
    StreamRules,
    VideoError,
    VideoInfo,
    VideoReader,
    VideoWriter,
    WriteBehind,
    open_reader,
    open_writer,
)
from stylebank.video.codecs import is_available
from stylebank.video.orientation import Turn, turn_of_matrix
from stylebank.video.unfinished import partial_path

LOSSLESS = {"codec": "libx264", "quality": 0, "preset": "ultrafast"}
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # of red and blue, by H.273 matrix


def words(path: Path) -> list[tuple[Fraction, bytes]]:
    """The subtitles; in MP4 each has its length before it, and empty ones fill the gaps."""
    return [(time, data.lstrip(b"\0\5\6")) for time, data in packets(path, "subtitle") if data != b"\0\0"]


def copy(reader: FrameReader, writer: FrameWriter) -> None:
    with writer:
        for frame in reader.frames(writer.position):
            writer.write(frame)


def times(reader: FrameReader) -> list[tuple[Fraction, Fraction]]:
    return [(frame.time, frame.duration) for frame in reader]


class Interrupted(Exception):
    pass


def copy_until(reader: FrameReader, writer: FrameWriter, stop: int) -> None:
    """Copies frames up to number `stop`, then fails as an interrupted run does."""

    def run() -> None:
        with writer:
            for frame in reader.frames(writer.position):
                if frame.index == stop:
                    raise Interrupted
                writer.write(frame)

    with pytest.raises(Interrupted):
        run()


class Listed(FrameReader):
    """A reader of frames from memory, with an error in place of one of them if wanted."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count, self.fail_at = count, fail_at
        self.path = Path("memory")
        self.info = VideoInfo(self.path, "folder", 64, 48, Fraction(25), Fraction(1, 25), None, count, plays=0)

    @property
    def expected(self) -> int:
        return self.count

    def identity(self) -> dict[str, Any]:
        return {"count": self.count}

    def frames(self, after: Position = Position()) -> Iterator[Frame]:  # noqa: B008
        shown = Fraction(1, 25)
        for index in range(after.index, self.count):
            if index == self.fail_at:
                raise VideoError("broken here")
            yield Frame(index, index * shown, shown, index, gray(index))


class Collector(FrameWriter):
    """A writer to memory; slow, or failing at a frame, if wanted."""

    def __init__(self, fail_at: int | None = None, delay: float = 0) -> None:
        self.path, self.seen = Path("memory"), list[int]()
        self.fail_at, self.delay = fail_at, delay

    @property
    def position(self) -> Position:
        return Position()

    def write(self, frame: Frame) -> None:
        time.sleep(self.delay)
        if frame.index == self.fail_at:
            raise VideoError("disk on fire")
        self.seen.append(frame.index)

    def finish(self) -> Path:
        return self.path

    def finish_partial(self) -> Path | None:
        return None


# ------------------------------------------------------------------------------------------ probing and reading


def test_probe_tells_what_a_film_is(tmp_path: Path) -> None:
    info = describe(make_film(tmp_path / "a.mp4", audio=True, subtitles="mov_text", chapters=True))
    assert (info.size, info.frame_rate, info.frames, info.duration) == ((64, 48), 25, 12, Fraction(12, 25))
    assert {(s.kind, s.codec) for s in info.streams} >= {("audio", "aac"), ("subtitle", "mov_text")}
    assert "64x48" in str(info)


def test_times_of_a_varying_frame_rate_are_exact(tmp_path: Path) -> None:
    ticks = [0, 512, 700, 2048, 2049, 4096]
    reader = VideoReader(make_film(tmp_path / "a.mp4", times=ticks))
    assert [frame.time for frame in reader] == [tick * TICK for tick in ticks]
    assert [frame.duration for frame in reader][:-1] == [(b - a) * TICK for a, b in pairwise(ticks)]
    assert [number(frame) for frame in reader] == list(range(6))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_films_that_begin_late_begin_at_zero(tmp_path: Path, suffix: str) -> None:
    source = make_film(tmp_path / f"a{suffix}", times=[64000 + 512 * i for i in range(10)])
    assert [frame.time for frame in VideoReader(source)] == [Fraction(i, 25) for i in range(10)]
    assert (describe(source).duration, describe(source).frames) == (Fraction(2, 5), 10)
    assert [number(frame) for frame in VideoReader(source, 0.08, 0.2)] == [2, 3, 4]


def test_odd_sizes_and_frames_of_another_size(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "odd.mp4", 3, size=(65, 47)))
    assert [frame.rgb.shape for frame in reader] == [(47, 65, 3)] * 3
    parts = [make_film(tmp_path / f"{w}.ts", 3, size=(w, 48), pixel_format="yuv420p") for w in (64, 96)]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    shapes = {frame.rgb.shape for frame in VideoReader(both, strict=False)}
    assert shapes == {(48, 64, 3)}


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
def test_colours_survive_reading_and_writing(tmp_path: Path, matrix: int, full: bool) -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (128, 128, 128), (0, 0, 0), (255, 255, 255)]
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, 2 if full else 1
        context.color_primaries, context.color_trc = matrix, matrix if matrix != 9 else 14
        for color in colors:
            film.mux(stream.encode(flat_yuv(color, matrix, full)))
        film.mux(stream.encode(None))
    reader = VideoReader(source)
    for frame, color in zip(reader, colors, strict=True):
        assert np.abs(frame.rgb.astype(int) - color).max() <= 2
    copy(reader, VideoWriter(tmp_path / "b.mp4", reader, **LOSSLESS))
    again = VideoReader(tmp_path / "b.mp4")
    for frame, color in zip(again, colors, strict=True):
        assert np.abs(frame.rgb.astype(int) - color).max() <= 3
    assert again.info.color == reader.info.color
    assert (again.info.color.matrix, again.info.color.full_range) == (matrix, full)
    with av.open(str(tmp_path / "b.mp4")) as film:
        context = film.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (matrix, 2 if full else 1)
        assert context.color_primaries == matrix


def flat_yuv(color: tuple[int, int, int], matrix: int, full: bool) -> av.VideoFrame:
    """A frame of one colour, converted by the formulas of H.273."""
    red, blue = WEIGHTS[matrix]
    r, g, b = (value / 255 for value in color)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / 2 / (1 - blue), (r - y) / 2 / (1 - red)
    levels = (255 * y, 255 * u + 128, 255 * v + 128) if full else (16 + 219 * y, 224 * u + 128, 224 * v + 128)
    frame = av.VideoFrame(64, 48, "yuv420p")
    for plane, level in zip(frame.planes, levels, strict=True):
        plane.update(bytes([min(255, max(0, round(level)))]) * plane.buffer_size)
    return frame


def test_ten_bit_films_are_read(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 3, pixel_format="yuv420p10le"))
    assert reader.info.pixel_format == "yuv420p10le"
    assert [number(frame) for frame in reader] == [0, 1, 2]


@pytest.mark.parametrize(("degrees", "corner"), [(90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1))])
def test_rotated_films_come_out_upright(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:20, :20] = 255  # the stored top left; `degrees` are anticlockwise
    source = make_film(tmp_path / "a.mp4", 3, pictures=[picture] * 3, rotation=degrees)
    reader = VideoReader(source)
    copy(reader, VideoWriter(tmp_path / "b.mp4", reader, **LOSSLESS))
    for path in (source, tmp_path / "b.mp4"):
        frame = next(iter(VideoReader(path)))
        assert frame.size == describe(path).size == ((64, 48) if degrees == 180 else (48, 64))
        assert frame.rgb[corner].min() > 250
        assert frame.rgb.mean() < 60
    assert reader.info.rotation == -degrees % 360
    assert describe(tmp_path / "b.mp4").rotation == 0


def test_turns_of_mirrored_matrices() -> None:
    one = 1 << 16
    assert turn_of_matrix([one, 0, 0, 0, one, 0, 0, 0, 1 << 30]) == Turn()
    assert turn_of_matrix([-one, 0, 0, 0, one, 0, 0, 0, 1 << 30]) == Turn(flip_x=True)
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    for matrix, expected in (
        ([0, one, 0, one, 0], stored.transpose(1, 0, 2)),
        ([0, one, 0, -one, 0], np.rot90(stored, -1)),
        ([0, -one, 0, one, 0], np.rot90(stored, 1)),
        ([-one, 0, 0, 0, -one], np.rot90(stored, 2)),
    ):
        assert np.array_equal(turn_of_matrix([*matrix, 0, 0, 0, 1 << 30])(stored), expected)


def test_start_and_end_cut_frames_exactly(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mp4", 40)
    for start, end, kept in ((0.2, 0.4, range(5, 10)), (0.21, None, range(6, 40)), (None, 0.12, range(3))):
        reader = VideoReader(source, start, end)
        assert [number(frame) for frame in reader] == list(kept)
        assert [frame.time for frame in reader] == [Fraction(i, 25) for i in range(len(kept))]
        assert reader.expected is not None
        assert abs(reader.expected - len(kept)) <= 1
    with pytest.raises(VideoError, match=r"no frame between 5 s and the end; it is 1\.600 s"):
        VideoReader(source, 5)
    with pytest.raises(VideoError, match="must come after"):
        VideoReader(source, 2, 1)


def test_reading_on_equals_reading_through(tmp_path: Path) -> None:
    ticks = [1000 * i + 37 * (i % 3) for i in range(60)]  # 4.7 s: far enough for seeking
    source = make_film(tmp_path / "a.mp4", times=ticks, pictures=[gray(i % 35) for i in range(60)])
    for reader in (VideoReader(source), VideoReader(source, 0.5, 4.5)):
        through = list(reader)
        for k in (1, 30, len(through) - 1):
            for after in (Position(k, through[k].pts), Position(k)):
                rest = list(reader.frames(after))
                assert [(f.index, f.time, f.duration) for f in rest] == [
                    (f.index, f.time, f.duration) for f in through[k:]
                ]
                assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(rest, through[k:], strict=True))


# --------------------------------------------------------------------------------------------------- bad files


def test_what_is_no_film_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("not a film at all\n" * 50)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (40, 30)).save(picture)
    sound = make_film(tmp_path / "sound.m4a", audio=True, video=False)
    for path, words in (
        (text, "not a film"),
        (text / "film.mp4", "does not exist"),
        (tmp_path / "nul\0.mp4", "does not exist"),
        (empty, "empty"),
        (picture, "not a film"),
        (sound, "no video, only audio"),
        (tmp_path / "absent.mp4", "does not exist"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(StyleBankError, match=words) as caught:
            describe(path)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match=r"'.*pipe\.mp4' is not a regular file\.$"):
        describe(tmp_path / "pipe.mp4")


def test_cut_films_are_refused(tmp_path: Path) -> None:
    noisy = [np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8) for i in range(40)]
    whole = make_film(tmp_path / "whole.mp4", 40, pictures=noisy)
    headless = tmp_path / "headless.mp4"  # the index of an MP4 is at its end
    headless.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(VideoError, match="damaged or cut short"):
        describe(headless)
    whole = make_film(tmp_path / "front.mp4", 40, pictures=noisy, options={"movflags": "+faststart"})
    short = tmp_path / "short.mp4"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(VideoError, match="cut short"):
        VideoReader(short)
    assert 5 < len(list(VideoReader(short, strict=False))) < 40


def test_cut_matroska_is_noticed_while_reading(tmp_path: Path) -> None:
    pictures = [np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8) for i in range(80)]
    whole = make_film(tmp_path / "whole.mkv", 80, pictures=pictures)
    short = tmp_path / "short.mkv"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(VideoError, match="cut short"):
        list(VideoReader(short))
    assert 5 < len(list(VideoReader(short, strict=False))) < 80
    assert len(list(VideoReader(short, end=0.2))) == 5


def test_films_without_pictures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        sound = add_sound(film)
        mux_sound(film, sound, 0.2)
    with pytest.raises(VideoError, match="not a single picture"):
        describe(path)


# -------------------------------------------------------------------------------------------------- writing films


@pytest.mark.parametrize(("suffix", "subtitles"), [(".mp4", "mov_text"), (".mkv", "subrip")])
def test_everything_else_is_copied(tmp_path: Path, suffix: str, subtitles: str) -> None:
    ticks = [0, 512, 1536, 2048, 4096, 4608]
    if suffix == ".mkv":
        ticks = [round(tick * TICK * 1000) * 64 // 5 for tick in ticks]  # whole milliseconds
    source = make_film(tmp_path / f"a{suffix}", times=ticks, audio=True, subtitles=subtitles, chapters=True)
    target = tmp_path / f"b{suffix}"
    reader = VideoReader(source)
    copy(reader, VideoWriter(target, reader, segment_frames=4, **LOSSLESS))
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert [s.type for s in old.streams] == [s.type for s in new.streams]
        assert new.metadata["title"] == "A film"
        marks = [[(c["start"] * c["time_base"], c["metadata"]["title"]) for c in f.chapters()] for f in (old, new)]
        assert marks[0] == marks[1]
        assert len(marks[0]) == 2
    assert packets(target, "audio") == packets(source, "audio")
    assert words(target) == words(source) == [(Fraction(0), b"first"), (Fraction(24, 100), b"second")]
    assert times(VideoReader(target)) == times(reader)
    assert [number(frame) for frame in VideoReader(target)] == list(range(6))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_cut_takes_sound_and_chapters_along(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mp4", 12, audio=True, subtitles="mov_text", chapters=True)
    target = tmp_path / "b.mp4"
    reader = VideoReader(source, 0.12, 0.36)
    copy(reader, VideoWriter(target, reader, **LOSSLESS))
    assert [number(frame) for frame in VideoReader(target)] == list(range(3, 9))
    begin, end = Fraction(3, 25), Fraction(9, 25)
    wanted = [(time - begin, data) for time, data in packets(source, "audio") if begin <= time < end]
    assert packets(target, "audio") == wanted
    assert len(wanted) == 11
    assert words(target) == [(Fraction(0), b"first"), (Fraction(12, 100), b"second")]
    with av.open(str(target)) as film:
        assert [c["start"] * c["time_base"] for c in film.chapters()] == [0, Fraction(8, 100)]


def test_streams_that_do_not_fit_are_named_or_dropped(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mkv", 4, audio=True, subtitles="hdmv_pgs_subtitle"))
    with pytest.raises(VideoError, match=r"subtitle hdmv_pgs_subtitle.*an .mkv, or leave.*--drop-streams"):
        VideoWriter(tmp_path / "b.mp4", reader)
    copy(reader, VideoWriter(tmp_path / "b.mp4", reader, rules=StreamRules(drop=True)))
    assert [stream.kind for stream in describe(tmp_path / "b.mp4").streams] == ["audio"]
    assert packets(tmp_path / "b.mp4", "audio")


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mov", {"preset": "ultrafast"}),
        ("libx265", ".mp4", {"preset": "ultrafast"}),
        ("libvpx-vp9", ".webm", {"preset": "8"}),
        ("libsvtav1", ".mkv", {"preset": "13"}),
        ("libaom-av1", ".mp4", {"preset": "8"}),
        ("prores_ks", ".mov", {}),
        ("ffv1", ".mkv", {}),
    ],
)
def test_every_codec_keeps_size_times_and_pictures(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, Any]
) -> None:
    if not is_available(codec):
        pytest.skip(f"FFmpeg has no {codec} here")
    ticks = [0, 640, 1280, 1920, 3200, 3840, 5120]  # whole milliseconds, in parts of four and three
    size = (97, 71)
    reader = VideoReader(make_film(tmp_path / "a.mp4", times=ticks, size=size))
    target = tmp_path / f"b{suffix}"
    copy(reader, VideoWriter(target, reader, codec=codec, segment_frames=4, **options))
    if sys.platform.startswith("linux"):  # SVT-AV1 makes the threads of root real-time ones
        assert {os.sched_getscheduler(int(each.name)) for each in Path("/proc/self/task").iterdir()} == {os.SCHED_OTHER}
    again = list(VideoReader(target))
    assert [frame.time for frame in again] == [tick * TICK for tick in ticks]
    assert {frame.size for frame in again} == {size}
    for frame, old in zip(again, reader, strict=True):
        assert np.abs(frame.rgb.astype(int) - old.rgb).mean() < (0.001 if codec == "ffv1" else 4)


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        film.mux(stream.encode(av.VideoFrame.from_ndarray(gray(0))))
        film.mux(stream.encode(None))
    reader = VideoReader(source)
    copy(reader, VideoWriter(tmp_path / "b.mp4", reader))
    assert describe(tmp_path / "b.mp4").pixel_aspect == reader.info.pixel_aspect == Fraction(4, 3)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("b.avi", {}, "no suffix of a film"),
        ("b.mp4", {"codec": "ffv1"}, "ffv1 does not go into .mp4"),
        ("b.mp4", {"codec": "divx"}, "no codec 'divx'"),
        ("b.mp4", {"quality": 99}, "off the scale"),
        ("b.mp4", {"preset": "warp"}, "no preset"),
        ("b.mkv", {"codec": "ffv1", "quality": 3}, "lossless"),
        ("a.mp4", {"overwrite": True}, "being read"),
        ("there.mp4", {}, "--overwrite"),
    ],
)
def test_impossible_outputs_are_refused_before_any_work(
    tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 2))
    (tmp_path / "there.mp4").touch()
    with pytest.raises(VideoError, match=words):
        VideoWriter(tmp_path / name, reader, **options)


def test_frames_of_the_wrong_size_or_order_are_refused(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 2))
    writer = VideoWriter(tmp_path / "b.mp4", reader)
    first, second = reader
    with pytest.raises(VideoError, match="the film is 64x48"):
        writer.write(first.with_rgb(gray(0, (32, 32))))
    writer.write(second)
    with pytest.raises(VideoError, match="before the end"):
        writer.write(first)


def test_no_frames_make_no_film(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 2))
    with pytest.raises(VideoError, match="no frames"), VideoWriter(tmp_path / "b.mp4", reader):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


# ------------------------------------------------------------------------------------------ interruption and resume


@pytest.mark.parametrize("start", [None, 0.08])
def test_an_interrupted_film_is_playable_and_resumes_to_the_same(tmp_path: Path, start: float | None) -> None:
    ticks = [512 * i + 100 * (i % 2) for i in range(14)]
    source = make_film(tmp_path / "a.mp4", times=ticks, audio=True, chapters=True)
    reader = VideoReader(source, start)
    options: dict[str, Any] = {"segment_frames": 4, **LOSSLESS}
    copy(reader, VideoWriter(tmp_path / "straight.mp4", reader, **options))

    copy_until(reader, VideoWriter(tmp_path / "b.mp4", reader, **options), 10)
    partial = tmp_path / "b.partial.mp4"
    assert not (tmp_path / "b.mp4").exists()
    assert times(VideoReader(partial)) == times(reader)[:10]
    with av.open(str(partial)) as film:
        assert len(film.streams.audio) == 1
    end = times(reader)[10][0]
    assert end - Fraction(1024, 48000) <= packets(partial, "audio")[-1][0] < end

    with pytest.raises(VideoError, match="--resume"):
        VideoWriter(tmp_path / "b.mp4", reader, **options)
    with pytest.raises(VideoError, match="begun with crf '0', not '3'"):
        VideoWriter(tmp_path / "b.mp4", reader, resume=True, **{**options, "quality": 3})
    with pytest.raises(VideoError, match="style"):
        VideoWriter(tmp_path / "b.mp4", reader, resume=True, settings={"style": "waves"}, **options)

    writer = VideoWriter(tmp_path / "b.mp4", reader, resume=True, **options)
    assert writer.position.index == 8
    copy(reader, writer)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "straight.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "straight.mp4"]


def test_a_killed_run_resumes_after_its_last_whole_part(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 10))
    killed = VideoWriter(tmp_path / "b.mp4", reader, segment_frames=4, **LOSSLESS)
    for frame in list(reader)[:6]:
        killed.write(frame)
    del killed  # neither finished nor left by an exception
    writer = VideoWriter(tmp_path / "b.mp4", reader, resume=True, segment_frames=4, **LOSSLESS)
    assert writer.position == Position(4, 4 * 512)
    copy(reader, writer)
    assert [number(frame) for frame in VideoReader(tmp_path / "b.mp4")] == list(range(10))


def test_overwrite_begins_afresh_and_resume_without_work_begins(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 10))
    options: dict[str, Any] = {"segment_frames": 4, **LOSSLESS}
    copy_until(reader, VideoWriter(tmp_path / "b.mp4", reader, resume=True, **options), 6)
    writer = VideoWriter(tmp_path / "b.mp4", reader, overwrite=True, **options)
    assert writer.position == Position()
    copy(reader, writer)
    assert len(list(VideoReader(tmp_path / "b.mp4"))) == 10


# --------------------------------------------------------------------------------------------- folders of frames


def test_folders_go_round(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    alpha = np.tile(np.arange(64, dtype=np.uint8), (48, 1))
    for i in (1, 2, 10):
        image = Image.fromarray(gray(i))
        image.putalpha(Image.fromarray(alpha))
        image.save(source / f"shot{i}.png")
    (source / "deeper").mkdir()
    Image.new("RGB", (5, 5)).save(source / "deeper" / "x.png")
    reader = FolderReader(source, fps=12.5)
    assert [number(frame) for frame in reader] == [1, 2, 10]
    assert [frame.time for frame in reader] == [Fraction(2 * i, 25) for i in range(3)]
    copy(reader, open_writer(tmp_path / "out", reader))
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["shot1.png", "shot10.png", "shot2.png"]
    again = FolderReader(tmp_path / "out")
    for a, b in zip(reader, again, strict=True):
        assert np.array_equal(a.rgb, b.rgb)
        assert a.alpha is not None
        assert b.alpha is not None
        assert np.array_equal(a.alpha, b.alpha)
    assert [f.name for f in FolderReader(source, start=0.04, end=0.08, fps=25)] == ["shot2"]
    with pytest.raises(VideoError, match="no frame in that range"):
        FolderReader(source, start=1)


def test_folders_with_two_sizes_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    Image.new("RGB", (8, 9)).save(tmp_path / "2.png")
    with pytest.raises(VideoError, match=r"2\.png' is 8x9"):
        list(FolderReader(tmp_path))


def test_frame_folders_resume(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 6))
    copy_until(reader, FolderWriter(tmp_path / "out", reader), 4)
    assert not (tmp_path / "out").exists()
    assert len(list(FolderReader(tmp_path / "out.partial"))) == 4
    writer = FolderWriter(tmp_path / "out", reader, resume=True)
    assert writer.position == Position(4)
    copy(reader, writer)
    assert [number(frame) for frame in FolderReader(tmp_path / "out")] == list(range(6))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out"]
    with pytest.raises(VideoError, match="exists"):
        FolderWriter(tmp_path / "out", reader)
    copy(reader, FolderWriter(tmp_path / "out", reader, overwrite=True))
    assert len(list((tmp_path / "out").glob("[!.]*"))) == 6


def test_what_is_not_ours_is_neither_emptied_nor_replaced(tmp_path: Path) -> None:
    """Whatever it is called, and even with `overwrite`: unfinished work carries a mark."""
    reader = VideoReader(make_film(tmp_path / "a.mp4", 4))
    for name, target in (
        ("holiday.partial/mine.txt", "holiday"),
        (".film.mp4.parts/mine.txt", "film.mp4"),
        ("film.partial.mp4", "film.mp4"),
        ("moving.partial.gif", "moving.gif"),
        (".moving.gif.parts/mine.txt", "moving.gif"),
    ):
        file = tmp_path / "own" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(VideoError, match="not of an earlier run"):
                open_writer(tmp_path / "own" / target, reader, **options)
        assert file.read_text() == "mine"
        file.unlink()
        copy(reader, open_writer(tmp_path / "own" / target, reader, overwrite=True))  # nothing is in its way now


def test_ones_own_partial_film_is_written_again_and_removed_at_the_end(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 6))
    for name in ("b.mp4", "b.gif"):
        copy_until(reader, open_writer(tmp_path / name, reader), 2)
        copy_until(reader, open_writer(tmp_path / name, reader, resume=True), 4)
        partial = partial_path(tmp_path / name)
        assert partial.exists()
        copy(reader, open_writer(tmp_path / name, reader, resume=True))
        assert not partial.exists()
        assert not list(tmp_path.glob(f".{name}*"))


def test_a_partial_film_that_was_changed_meanwhile_stays(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 6))
    copy_until(reader, open_writer(tmp_path / "b.mp4", reader), 3)
    partial = partial_path(tmp_path / "b.mp4")
    partial.write_bytes(b"now it is mine")
    copy(reader, open_writer(tmp_path / "b.mp4", reader, resume=True))
    assert partial.read_bytes() == b"now it is mine"


def test_overwriting_a_folder_of_frames_leaves_everything_else_in_it(tmp_path: Path) -> None:
    long, short = (VideoReader(make_film(tmp_path / f"{n}.mp4", n)) for n in (6, 3))
    out = tmp_path / "out"
    copy(long, FolderWriter(out, long))
    (out / "notes.txt").write_text("mine")
    (out / "poster.png").write_bytes((out / "000000.png").read_bytes())
    copy(short, FolderWriter(out, short, overwrite=True))
    names = sorted(path.name for path in out.glob("[!.]*"))
    assert names == [*(f"{i:06d}.png" for i in range(3)), "notes.txt", "poster.png"]  # frames of the longer film went
    assert [number(frame) for frame in FolderReader(out)][:3] == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.mp4", "6.mp4", "out"]


def test_frames_that_were_edited_meanwhile_are_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(6):
        Image.fromarray(gray(i)).save(tmp_path / "in" / f"{i}.png")
    reader = FolderReader(tmp_path / "in")
    copy_until(reader, open_writer(tmp_path / "b.mp4", reader), 3)
    Image.fromarray(gray(9)).save(tmp_path / "in" / "4.png")
    edited = FolderReader(tmp_path / "in")
    with pytest.raises(VideoError, match="begun with frame_files"):
        open_writer(tmp_path / "b.mp4", edited, resume=True)


# ------------------------------------------------------------------------------------------------------ animations


HOLE = (8, 8, 40, 40)


def make_animation(path: Path, durations: list[int], **options: Any) -> Path:
    """Frames of one colour each, with a hole."""
    images = []
    for i in range(len(durations)):
        image = Image.fromarray(gray(i)).convert("RGBA")
        image.paste((0, 0, 0, 0), HOLE)
        images.append(image)
    kind = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}[path.suffix]
    more = {"lossless": True, "exact": True} if kind == "WEBP" else {"disposal": 2} if kind == "GIF" else {}
    images[0].save(path, kind, save_all=True, append_images=images[1:], duration=durations, **more, **options)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_animations_go_round(tmp_path: Path, suffix: str, plays: int) -> None:
    durations = [40, 100, 30, 250]
    loop = {} if suffix == ".gif" and plays == 1 else {"loop": plays - 1 if suffix == ".gif" and plays else plays}
    reader = open_reader(make_animation(tmp_path / f"a{suffix}", durations, **loop))
    assert isinstance(reader, AnimationReader)
    assert (reader.info.plays, reader.info.frames, reader.info.duration) == (plays, 4, Fraction(42, 100))
    assert [frame.duration for frame in reader] == [Fraction(d, 1000) for d in durations]
    quality = 100 if suffix == ".webp" else None
    copy(reader, open_writer(tmp_path / f"b{suffix}", reader, quality=quality))
    again = AnimationReader(tmp_path / f"b{suffix}")
    assert times(again) == times(reader)
    assert again.info.plays == plays
    for index, frame in enumerate(again):
        assert frame.alpha is not None
        assert frame.alpha[8:40, 8:40].max() == 0
        assert frame.alpha.sum() == 255 * (64 * 48 - 32 * 32)
        assert np.abs(frame.rgb[frame.alpha > 0].astype(int) - (20 + 6 * index)).max() <= 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_clear_margins_stay_clear(tmp_path: Path, suffix: str) -> None:
    alpha = np.zeros((48, 64), np.uint8)
    alpha[:, 32:] = 255
    reader = Listed(3)
    with AnimationWriter(tmp_path / f"a{suffix}", reader) as writer:
        for frame in reader:
            writer.write(replace(frame, alpha=alpha))
    for frame in AnimationReader(tmp_path / f"a{suffix}"):
        assert frame.alpha is not None
        assert np.array_equal(frame.alpha, alpha)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_what_is_clear_may_move_and_return(tmp_path: Path, suffix: str) -> None:
    reader = Listed(6)
    alphas = [np.full((48, 64), 255, np.uint8) for _ in range(6)]
    for index, alpha in enumerate(alphas[:4]):  # clear, opaque again, and then nothing is clear any more
        alpha[10:30, 10 * index : 10 * index + 20] = 0
    quality = 100 if suffix == ".webp" else None
    with AnimationWriter(tmp_path / f"a{suffix}", reader, quality=quality) as writer:
        for frame, alpha in zip(reader, alphas, strict=True):
            writer.write(replace(frame, alpha=alpha))
    again = list(AnimationReader(tmp_path / f"a{suffix}"))
    assert len(again) == 6
    for index, (frame, alpha) in enumerate(zip(again, alphas, strict=True)):
        assert np.array_equal(alpha if frame.alpha is None else frame.alpha, alpha)
        assert np.abs(frame.rgb[alpha > 0].astype(int) - (20 + 6 * index)).max() <= 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
@pytest.mark.parametrize("alike", [(0, 1), (2, 3), (0, 1, 2, 3), ()])
def test_equal_frames_and_the_last_one_are_shown_as_long(tmp_path: Path, suffix: str, alike: tuple[int, ...]) -> None:
    durations = [Fraction(d, 100) for d in (4, 11, 3, 250)]
    reader = Listed(4)
    with AnimationWriter(tmp_path / f"a{suffix}", reader, plays=2) as writer:
        for frame, shown in zip(reader, durations, strict=True):
            writer.write(replace(frame, rgb=gray(7) if frame.index in alike else frame.rgb, duration=shown))
    again = AnimationReader(tmp_path / f"a{suffix}")
    if len(alike) < 4 or suffix != ".webp":  # a still picture has no time
        assert again.info.duration == sum(durations)
        starts = {sum(durations[:i], Fraction(0)) for i in range(4)}
        assert {frame.time for frame in again} <= starts
        assert len(list(again)) >= 4 - max(0, len(alike) - 1)


def test_odd_times_are_exact_in_an_apng(tmp_path: Path) -> None:
    durations = [Fraction(1001, 30000), Fraction(1, 12800), Fraction(1, 3), Fraction(65535, 1)]
    with AnimationWriter(tmp_path / "a.apng", reader := Listed(4)) as writer:
        for frame, shown in zip(reader, durations, strict=True):
            writer.write(replace(frame, duration=shown))
    assert [shown for _, shown in times(AnimationReader(tmp_path / "a.apng"))] == durations


def test_frames_too_short_for_a_gif_take_no_time_from_others(tmp_path: Path) -> None:
    reader = AnimationReader(make_animation(tmp_path / "a.apng", [4] * 30))
    assert reader.info.frames == 30
    copy(reader, AnimationWriter(tmp_path / "b.gif", reader))
    again = AnimationReader(tmp_path / "b.gif")
    assert again.info.duration == Fraction(12, 100)
    assert {frame.duration for frame in again} == {Fraction(1, 100)}
    assert [number(replace(f, rgb=f.rgb[:8])) for f in again][:2] == [1, 3]  # those seen at 4 and 12 ms


@pytest.mark.parametrize("clear", [False, True])
def test_an_animation_of_one_frame(tmp_path: Path, clear: bool) -> None:
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[:9] = 0
    for suffix in (".gif", ".webp", ".apng"):
        reader = Listed(1)
        with AnimationWriter(tmp_path / f"a{suffix}", reader) as writer:
            for frame in reader:
                writer.write(replace(frame, alpha=alpha if clear else None))
        [frame] = AnimationReader(tmp_path / f"a{suffix}")
        assert frame.alpha is None if not clear else np.array_equal(frame.alpha, alpha)
        assert abs(int(frame.rgb[20, 20, 0]) - 20) <= 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_films_become_animations_without_drift(tmp_path: Path, suffix: str) -> None:
    ticks = [427 * i for i in range(30)]  # 29.98 frames a second, which hundredths cannot tell
    reader = VideoReader(make_film(tmp_path / "a.mp4", times=ticks))
    copy(reader, AnimationWriter(tmp_path / f"b{suffix}", reader))
    again = list(AnimationReader(tmp_path / f"b{suffix}"))
    assert len(again) == 30
    assert all(abs(a.time - b.time) <= Fraction(1, 200) for a, b in zip(again, reader, strict=True))
    assert again[0].alpha is None


def test_fast_films_lose_frames_in_a_gif_but_no_time(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", times=[128 * i for i in range(20)]))  # 100 a second
    copy(reader, AnimationWriter(tmp_path / "b.gif", reader))
    again = AnimationReader(tmp_path / "b.gif")
    assert min(frame.duration for frame in again) >= Fraction(2, 100)
    assert again.info.frames is not None
    assert again.info.frames <= 10
    assert again.info.duration is not None
    assert abs(again.info.duration - times(reader)[-1][0]) <= Fraction(6, 100)


def test_animations_become_films_on_white(tmp_path: Path) -> None:
    reader = AnimationReader(make_animation(tmp_path / "a.gif", [40, 100, 30]))
    copy(reader, VideoWriter(tmp_path / "b.mp4", reader, **LOSSLESS))
    again = list(VideoReader(tmp_path / "b.mp4"))
    assert [frame.time for frame in again] == [frame.time for frame in reader]
    assert again[0].rgb[10:38, 10:38].min() > 250
    assert abs(int(again[1].rgb[0, 60, 0]) - 26) <= 2


def test_a_gif_without_durations_plays_as_viewers_play_it(tmp_path: Path) -> None:
    reader = AnimationReader(make_animation(tmp_path / "a.gif", [0, 0]))
    assert times(reader) == [(0, Fraction(1, 10)), (Fraction(1, 10), Fraction(1, 10))]


def test_animations_are_cut_and_resumed(tmp_path: Path) -> None:
    source = make_animation(tmp_path / "a.webp", [50, 100, 50, 100])
    assert times(AnimationReader(source, 0.05, 0.2)) == [
        (0, Fraction(1, 10)),
        (Fraction(1, 10), Fraction(1, 20)),
    ]
    reader = AnimationReader(source)
    copy_until(reader, AnimationWriter(tmp_path / "b.gif", reader), 3)
    assert times(AnimationReader(tmp_path / "b.partial.gif")) == times(reader)[:3]
    writer = AnimationWriter(tmp_path / "b.gif", reader, resume=True)
    assert writer.position == Position(3)
    copy(reader, writer)
    assert times(AnimationReader(tmp_path / "b.gif")) == times(reader)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.webp", "b.gif"]


def test_damaged_animations_are_refused(tmp_path: Path) -> None:
    data = make_animation(tmp_path / "a.webp", [50, 100]).read_bytes()
    (tmp_path / "cut.webp").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.gif").write_text("hello")
    for name in ("cut.webp", "text.gif", "absent.gif"):
        with pytest.raises(VideoError):
            AnimationReader(tmp_path / name)


def test_alpha_follows_a_resized_picture() -> None:
    alpha = np.zeros((48, 64), np.uint8)
    alpha[:, 32:] = 255
    frame = Frame(0, Fraction(0), Fraction(1), 0, gray(0), alpha).with_rgb(gray(1, (32, 24)))
    assert frame.alpha is not None
    assert frame.alpha.shape == (24, 32)
    assert (frame.on_white()[:, :14] == 255).all()
    assert (frame.on_white()[:, 18:] == 26).all()


def test_writers_are_chosen_by_path(tmp_path: Path) -> None:
    reader = Listed(2)
    for name, words in (("a.png", "no suffix that can be written"), ("a.gif", "takes no codec"), ("a", "takes no")):
        with pytest.raises(VideoError, match=words):
            open_writer(tmp_path / name, reader, codec="libx264" if name != "a.png" else None)
    assert isinstance(open_writer(tmp_path / "a.mkv", reader), VideoWriter)
    assert isinstance(open_writer(tmp_path / "a.webp", reader), AnimationWriter)
    assert isinstance(open_writer(tmp_path / "a", reader), FolderWriter)
    with pytest.raises(VideoError, match="its own frame rate"):
        open_reader(tmp_path / "a.gif", fps=3)


# --------------------------------------------------------------------------------------------------------- threads


def copy_threaded(reader: FrameReader, writer: FrameWriter, stop: int | None = None) -> tuple[ReadAhead, WriteBehind]:
    """Copies in three threads; Ctrl-C comes at frame `stop`."""
    with writer, ReadAhead(reader, depth=2, after=writer.position) as frames, WriteBehind(writer, depth=2) as behind:
        for frame in frames:
            if frame.index == stop:
                raise KeyboardInterrupt
            behind.write(frame)
    return frames, behind


def test_threads_keep_the_order_and_count_the_waiting() -> None:
    target = Collector(delay=0.005)
    frames, behind = copy_threaded(Listed(20), target)
    assert target.seen == list(range(20))
    assert behind.waited > 0.02
    assert frames.waited < 0.25


def test_errors_of_a_reader_arrive_in_their_place() -> None:
    target = Collector()
    with pytest.raises(VideoError, match="broken here"):
        copy_threaded(Listed(9, fail_at=5), target)
    assert target.seen == list(range(5))


def test_errors_of_a_writer_stop_the_work() -> None:
    target = Collector(fail_at=3)
    with pytest.raises(VideoError, match="on fire"):
        copy_threaded(Listed(1000), target)
    assert target.seen == [0, 1, 2]


def test_leaving_early_writes_what_was_handed_over_and_ends_the_threads() -> None:
    target = Collector(delay=0.01)
    with pytest.raises(KeyboardInterrupt):
        copy_threaded(Listed(1000), target, stop=7)
    assert target.seen == list(range(7))
    assert not [thread for thread in threading.enumerate() if thread.name in ("read-ahead", "write-behind")]


def test_an_interrupted_threaded_run_resumes(tmp_path: Path) -> None:
    reader = VideoReader(make_film(tmp_path / "a.mp4", 14))
    options: dict[str, Any] = {"segment_frames": 4, **LOSSLESS}
    with pytest.raises(KeyboardInterrupt):
        copy_threaded(reader, VideoWriter(tmp_path / "b.mp4", reader, **options), stop=9)
    assert [number(frame) for frame in VideoReader(tmp_path / "b.partial.mp4")] == list(range(9))
    copy_threaded(reader, VideoWriter(tmp_path / "b.mp4", reader, resume=True, **options))
    assert [number(frame) for frame in VideoReader(tmp_path / "b.mp4")] == list(range(14))
