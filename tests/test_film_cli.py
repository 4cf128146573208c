"""Films from the command line: sound, times, masks, interruption, and every output, on generated films."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from films import add_video, make_camera_film, make_film, packets, tone
from PIL import Image
from tiny import fail, files_of, paint, pixels, run, succeed, write_bank

from stylebank.bank.io import load_bank
from stylebank.files import fingerprint_of, sha256_of
from stylebank.films.stylize import FilmStylizer
from stylebank.inference.stylizer import Stylizer
from stylebank.video import open_reader, open_writer
from stylebank.video.frames import Pixels

SIZE = (64, 48)
FRAMES = 6
EXACT = ("--codec", "ffv1")  # keeps every pixel


def moving_pictures(count: int = FRAMES) -> list[Pixels]:
    """A bright square that goes to the right over stripes."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    ground = np.stack([90 + 60 * np.sin(x / 5), 100 + 50 * np.cos(y / 4), 60 + x], -1)
    frames = []
    for i in range(count):
        frame = ground.copy()
        frame[16:32, 8 * i : 8 * i + 12] = (250, 230, 40)
        frames.append(frame.astype(np.uint8))
    return frames


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("films") / "bank", "calm", "storm")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "walk.mkv"
    return make_film(path, FRAMES, size=SIZE, pictures=moving_pictures(), audio=True)


Stylize = Callable[..., Path]
Interrupt = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def stylize(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Stylize:
    """stylize(source, name of the output, options...) -> the output of a command that succeeded."""

    def _stylize(source: Path, name: str, *options: object) -> Path:
        out = tmp_path / name
        succeed(capsys, *_command(bank, source, out), *options)
        return out

    return _stylize


def _command(bank: Path, source: Path, out: Path) -> list[object]:
    return ["stylize", "--bank", bank, "--precision", "float32", "--input", source, "--output", out]


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame.rgb.astype(int) for frame in open_reader(path)]


def alone(bank: Path, film: Path, style: str = "calm") -> list[np.ndarray]:
    """Every frame stylized as a picture of its own."""
    stylizer = Stylizer.load(bank, precision="float32")
    return [stylizer.stylize(frame.rgb, style).astype(int) for frame in open_reader(film)]


# -------------------------------------------------------------------------------------------- what comes out


def test_every_frame_is_stylized_as_a_picture_would_be(stylize: Stylize, film: Path, bank: Path) -> None:
    output = frames_of(stylize(film, "out.mkv", "--style", "calm", *EXACT))
    assert len(output) == FRAMES
    for frame, wanted in zip(output, alone(bank, film), strict=True):
        assert np.abs(frame - wanted).max() <= 1


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.mov"])
def test_sound_is_copied_byte_by_byte_and_times_stay(stylize: Stylize, film: Path, name: str) -> None:
    out = stylize(film, name, "--style", "calm", "--preset", "ultrafast")
    assert [data for _, data in packets(out, "audio")] == [data for _, data in packets(film, "audio")]
    with av.open(str(out)) as one, av.open(str(film)) as other:
        assert [s.type for s in one.streams] == [s.type for s in other.streams]
    times, wanted = ([float(frame.time) for frame in open_reader(path)] for path in (out, film))
    assert times == pytest.approx(wanted, abs=0.0015)


def test_times_that_vary_stay_exact(stylize: Stylize, tmp_path: Path) -> None:
    times = [0, 512, 600, 2048, 2600]
    source = make_film(tmp_path / "uneven.mp4", times=times, size=SIZE, pictures=moving_pictures(5))
    out = stylize(source, "out.mp4", "--style", "calm", "--preset", "ultrafast")
    assert [frame.time for frame in open_reader(out)] == [frame.time for frame in open_reader(source)]


def test_a_part_of_a_film(stylize: Stylize, film: Path, bank: Path) -> None:
    out = stylize(film, "out.mkv", "--style", "calm", "--start", "0.08", "--end", "0.16", *EXACT)
    output = frames_of(out)
    assert len(output) == 2
    assert np.abs(output[0] - alone(bank, film)[2]).max() <= 1


def test_frames_go_out_and_in(stylize: Stylize, film: Path, bank: Path) -> None:
    folder = stylize(film, "frames", "--style", "calm", "--frames")
    names = [f"{i:06d}.png" for i in range(FRAMES)]
    assert sorted(file.name for file in folder.glob("[!.]*")) == names
    for name, wanted in zip(names, alone(bank, film), strict=True):
        assert np.abs(pixels(folder / name).astype(int) - wanted).max() <= 1
    again = stylize(folder, "again.mkv", "--style", "identity", "--fps", "5", *EXACT)
    reader = open_reader(again)
    assert reader.info.frame_rate == 5
    assert len(list(reader)) == FRAMES


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_come_in_and_out(stylize: Stylize, film: Path, suffix: str) -> None:
    first = stylize(film, f"first{suffix}", "--style", "calm")
    second = stylize(first, f"second{suffix}", "--style", "storm")
    one, other = open_reader(first), open_reader(second)
    assert one.info.kind == other.info.kind == "animation"
    assert [frame.time for frame in one] == [frame.time for frame in other]


def test_an_animation_becomes_a_still_picture_where_one_is_wanted(stylize: Stylize, film: Path) -> None:
    animation = stylize(film, "moves.gif", "--style", "calm")
    assert pixels(stylize(animation, "still.png", "--style", "calm")).shape == (SIZE[1], SIZE[0], 3)


def test_a_folder_of_pictures_and_films_keeps_names_in_a_folder_per_look(
    stylize: Stylize, film: Path, tmp_path: Path
) -> None:
    source = paint(tmp_path / "mixed", "photo", size=SIZE)
    (source / "walk.mkv").write_bytes(film.read_bytes())
    out = stylize(source, "out", "--style", "all", "--preset", "ultrafast")
    assert set(files_of(out)) == {f"{look}/{name}" for look in ("calm", "storm") for name in ("photo.png", "walk.mkv")}


def test_size_stroke_and_colours_go_together(stylize: Stylize, film: Path) -> None:
    options = ("--size", "32", "--stroke", "1.5", "--preserve-colors", "luma", "--alpha", "0.5", *EXACT)
    out = stylize(film, "out.mkv", "--style", "calm:0.5", "storm:0.5", *options)
    assert open_reader(out).info.size == (42, 32)


def test_tiles_and_batches_change_nothing(stylize: Stylize, film: Path) -> None:
    plain = frames_of(stylize(film, "plain.mkv", "--style", "calm", "--batch", "1", *EXACT))
    tiled = frames_of(stylize(film, "tiled.mkv", "--style", "calm", "--tile", "32", *EXACT))
    batched = frames_of(stylize(film, "batched.mkv", "--style", "calm", "--batch", "4", *EXACT))
    for one, two, three in zip(plain, tiled, batched, strict=True):
        assert np.abs(one - two).max() <= 1
        assert np.abs(one - three).max() <= 1


def test_a_profile_says_where_the_time_went(bank: Path, film: Path, tmp_path: Path) -> None:
    stylizer = Stylizer.load(bank, precision="float32")
    reader = open_reader(film)
    with open_writer(tmp_path / "out.mkv", reader) as writer:
        profile = FilmStylizer(stylizer, stylizer.recipe("calm")).run(reader, writer)
    assert profile.frames == FRAMES
    assert 0 < profile.network <= profile.total
    assert f"{FRAMES} frames" in str(profile)
    assert f"{profile.busy:.1%}" in str(profile)


# --------------------------------------------------------------------------------------------------- masks


def _columns(left: int, right: int) -> Image.Image:
    mask = Image.new("L", SIZE)
    mask.paste(255, (left, 0, right, SIZE[1]))
    return mask


def _halves(bank: Path, film: Path) -> list[np.ndarray]:
    """The left half in one style and the right one in the other, up to what filters see across the seam."""
    pairs = zip(alone(bank, film, "calm"), alone(bank, film, "storm"), strict=True)
    return [np.concatenate([left[:, :32], right[:, 32:]], axis=1) for left, right in pairs]


def test_a_still_mask(stylize: Stylize, film: Path, bank: Path, tmp_path: Path) -> None:
    _columns(0, 32).save(tmp_path / "mask.png")
    out = stylize(film, "out.mkv", "--mask", f"calm={tmp_path / 'mask.png'}", "--style", "storm", *EXACT)
    for frame, wanted in zip(frames_of(out), _halves(bank, film), strict=True):
        assert np.abs(frame - wanted)[:, [*range(12), *range(52, 64)]].max() <= 1


@pytest.mark.parametrize("kind", ["folder", "film"])
def test_masks_that_move(stylize: Stylize, film: Path, bank: Path, tmp_path: Path, kind: str) -> None:
    masks = [_columns(0, 32) if i % 2 else _columns(32, 64) for i in range(FRAMES)]
    if kind == "folder":
        path = tmp_path / "masks"
        path.mkdir()
        for i, mask in enumerate(masks):
            mask.save(path / f"{i}.png")
    else:
        pictures = [np.array(mask.convert("RGB")) for mask in masks]
        path = make_film(tmp_path / "masks.mkv", FRAMES, size=SIZE, pictures=pictures)
    output = frames_of(stylize(film, "out.mkv", "--mask", f"calm={path}", "--style", "storm", *EXACT))
    calm, storm = alone(bank, film, "calm"), alone(bank, film, "storm")
    for i, frame in enumerate(output):
        left, right = (calm, storm) if i % 2 else (storm, calm)
        assert np.abs(frame - left[i])[:, :12].max() <= 2
        assert np.abs(frame - right[i])[:, 52:].max() <= 2


def test_a_mask_film_runs_with_the_clock_of_the_film(stylize: Stylize, film: Path, bank: Path, tmp_path: Path) -> None:
    half_as_fast = make_film(
        tmp_path / "masks.mkv",
        size=SIZE,
        times=[1024 * i for i in range(FRAMES // 2)],
        pictures=[np.full((SIZE[1], SIZE[0], 3), 255 * (i % 2), np.uint8) for i in range(FRAMES // 2)],
    )
    output = frames_of(stylize(film, "out.mkv", "--mask", f"calm={half_as_fast}", "--style", "storm", *EXACT))
    calm, storm = alone(bank, film, "calm"), alone(bank, film, "storm")
    for i, frame in enumerate(output):
        assert np.abs(frame - (calm if i // 2 % 2 else storm)[i]).max() <= 2


def test_moving_masks_in_colour_are_refused(
    film: Path, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "masks").mkdir()
    for i in range(FRAMES):
        Image.new("RGB", SIZE, (250, 20, 20)).save(tmp_path / "masks" / f"{i}.png")
    options = ("--style", "storm", "--mask", f"calm={tmp_path / 'masks'}", *EXACT)
    assert run(*_command(bank, film, tmp_path / "out.mkv"), *options) == 1
    error = capsys.readouterr().err
    assert "masks' is in colour, and a mask is grey" in error
    assert not (tmp_path / "out.mkv").exists()


def test_soft_edges_of_moving_masks_count_in_the_outputs_pixels(stylize: Stylize, film: Path, tmp_path: Path) -> None:
    outputs = []
    for scale in (1, 4):
        folder = tmp_path / f"masks{scale}"
        folder.mkdir()
        for i in range(FRAMES):
            mask = _columns(0, 8 * i)
            mask.resize((SIZE[0] * scale, SIZE[1] * scale), Image.Resampling.NEAREST).save(folder / f"{i}.png")
        options = ("--mask", f"calm={folder}", "--style", "storm", "--feather", "12", "--size", "32", *EXACT)
        outputs.append(frames_of(stylize(film, f"out{scale}.mkv", *options)))
    for one, other in zip(*outputs, strict=True):
        assert np.abs(one - other).max() <= 3


def test_outside_the_masks_the_film_itself_may_stay(stylize: Stylize, film: Path, tmp_path: Path) -> None:
    _columns(0, 32).save(tmp_path / "mask.png")
    out = stylize(film, "out.mkv", "--mask", f"calm={tmp_path / 'mask.png'}", "--outside", "original", *EXACT)
    for frame, original in zip(frames_of(out), moving_pictures(), strict=True):
        assert np.abs(frame - original)[:, 40:].max() <= 2  # the film's own YUV rounds


def test_a_folder_of_masks_needs_one_for_each_frame(
    bank: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "masks").mkdir()
    _columns(0, 32).save(tmp_path / "masks" / "0.png")
    options = ("--mask", f"calm={tmp_path / 'masks'}", "--style", "storm")
    code = run(*_command(bank, film, tmp_path / "out.mkv"), *options)
    error = capsys.readouterr().err
    assert code == 1
    assert "one for each" in error
    assert not (tmp_path / "out.mkv").exists()


# ------------------------------------------------------------------------------------- whatever a file is called


@pytest.mark.parametrize(
    ("made", "called"),
    [
        ("a.avi", "a.divx"),
        ("a.avi", "a.dat"),
        ("a.mp4", "a.f4v"),
        ("a.mov", "a.qt"),
        ("a.mpg", "a.mod"),
        ("a.mkv", "a"),
        ("a.mp4", "a.gif"),
        ("a.h264", "raw"),
        ("a.gif", "a.mp4"),
        ("a.webp", "moves"),
    ],
)
def test_a_film_is_one_whatever_it_is_called(stylize: Stylize, tmp_path: Path, made: str, called: str) -> None:
    source = tmp_path / "in" / made
    source.parent.mkdir()
    if source.suffix in (".gif", ".webp"):
        frames = [Image.fromarray(picture) for picture in moving_pictures(3)]
        frames[0].save(source, save_all=True, append_images=frames[1:])
    else:
        codec = {".avi": "mpeg4", ".mpg": "mpeg2video"}.get(source.suffix, "libx264")
        with av.open(str(source), "w") as film:
            stream = add_video(film, codec)
            for picture in moving_pictures(3):
                film.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            film.mux(stream.encode(None))
    out = stylize(source.rename(source.with_name(called)), "out.mkv", "--style", "calm", "--preset", "ultrafast")
    assert len(frames_of(out)) == 3


def test_what_is_neither_picture_nor_film_is_called_neither(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_text("not a film at all")
    command = [*_command(bank, tmp_path / "notes", tmp_path / "out.mp4"), "--style", "calm"]
    assert "still picture" not in fail(capsys, *command, mentions=["notes' is no picture"])


# ------------------------------------------------------------------------------------- sound that does not fit


def test_sound_that_does_not_fit(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tone(tmp_path / "call.3gp", "libopencore_amrnb", 8000, "mono", seconds=0.2)
    command = [*_command(bank, source, out := tmp_path / "out.mp4"), "--style", "calm", "--preset", "ultrafast"]
    fail(capsys, *command, mentions=["audio amr_nb", "--transcode-audio", "--drop-streams"])
    fail(capsys, *command, "--strict", mentions=["audio amr_nb", "--transcode-audio"])
    fail(capsys, *command, "--strict", "--drop-streams", mentions=["--drop-streams", "--strict"])
    text = succeed(capsys, *command, "--drop-streams")
    assert text.splitlines()[-1].endswith("; left out: audio amr_nb (out.mp4)")
    text = succeed(capsys, *command, "--transcode-audio", "--strict", "--overwrite")
    assert "left out" not in text
    assert [stream.codec for stream in open_reader(out).info.streams] == ["aac"]


def test_data_is_left_out_and_named_but_not_if_all_is_wanted(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_camera_film(tmp_path / "a.mov", frames=3)
    command = [*_command(bank, source, tmp_path / "out.mkv"), "--style", "calm", "--preset", "ultrafast"]
    fail(capsys, *command, "--strict", mentions=["data timecode", "--strict"])
    text = succeed(capsys, *command)
    assert text.splitlines()[-1].endswith("; left out: data timecode (eng) (out.mkv)")
    assert "left out" not in succeed(capsys, *_command(bank, source, tmp_path / "out.mov"), "--style", "calm")


# ------------------------------------------------------------------------------------- interruption, refusals


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """interrupt(n) -> a context in which Ctrl-C is pressed after n frames."""

    @contextmanager
    def _interrupt(after: int) -> Iterator[None]:
        seen, stylize = 0, FilmStylizer._stylize

        def _stop(self: FilmStylizer, frames: list, *rest: object) -> np.ndarray:
            nonlocal seen
            seen += len(frames)
            if seen > after:
                raise KeyboardInterrupt
            return stylize(self, frames, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(FilmStylizer, "_stylize", _stop)
            yield

    return _interrupt


def test_an_interrupted_film_is_resumed_where_it_was(
    bank: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], interrupt: Interrupt
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    options = ("--style", "calm", "--frames", "--batch", "2")
    succeed(capsys, *_command(bank, film, whole), *options)
    with interrupt(4):
        assert run(*_command(bank, film, out), *options) == 130
    assert "--resume" in capsys.readouterr().err
    assert not out.exists()
    assert len(list((tmp_path / "out.partial").glob("*.png"))) == 4
    fail(capsys, *_command(bank, film, out), *options, mentions=["--resume"])
    fail(capsys, *_command(bank, film, out), *options, "--resume", "--alpha", "0.5", mentions=["alpha"])
    succeed(capsys, *_command(bank, film, out), *options, "--resume")
    assert files_of(out) == files_of(whole)
    assert not (tmp_path / "out.partial").exists()


def test_what_is_kept_of_a_film_begun_is_what_earlier_versions_kept(
    bank: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupt
) -> None:
    """Another key or value, and their films could no longer be gone on with."""
    monkeypatch.chdir(tmp_path)
    _columns(0, 32).save("mask.png")
    Path("moving").mkdir()
    for i in range(FRAMES):
        _columns(8 * i, 8 * i + 16).save(f"moving/{i}.png")
    Image.new("RGB", SIZE, (255, 0, 0)).save("map.png")  # label 0
    looks = ("--style", "calm:1", "storm:3", "--raw-weights", "--alpha", "0.5", "--feather", "2", "--stroke", "1.5")
    masks = ("--mask", "calm:0.25=mask.png", "storm=moving", "--label-map", "map.png", "--assign", "0=calm")
    rest = ("--preserve-colors", "luma", "--size", "40", "--stabilize", "--frames", "--end", "9")
    with interrupt(2):
        assert run(*_command(bank, film, Path("out")), *looks, *masks, *rest) == 130
    [record] = tmp_path.rglob(".job.json")
    contents = load_bank(bank)
    assert json.loads(record.read_text("utf-8")) == {
        "alpha": 0.5,
        "assign": "0=calm",
        "bank": [contents.manifest.autoencoder_sha256, *(each.sha256 for each in contents.records.values())],
        "end": "9.0",
        "feather": 2.0,
        "files": [sha256_of(Path("mask.png")), FRAMES, sha256_of(Path("map.png"))],
        "label_map": "map.png",
        "look": "calm+storm",
        "mask": ["calm:0.25=mask.png", "storm=moving"],
        "mask_frames": [fingerprint_of(sorted(Path("moving").iterdir()))],
        "outside": "identity",
        "precision": "float32",
        "preserve_colors": "luma",
        "raw_weights": True,
        "size": 40,
        "source": "walk.mkv",
        "source_bytes": film.stat().st_size,
        "source_changed": film.stat().st_mtime_ns,
        "stabilize": "blend",
        "start": None,
        "stroke": 1.5,
        "style": ["calm:1", "storm:3"],
    }


def test_resume_skips_what_is_there(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = paint(tmp_path / "photos", "one", "two", size=SIZE)
    out = tmp_path / "out"
    succeed(capsys, *_command(bank, photos / "one.png", out), "--style", "calm")
    (out / "one.png").write_bytes(b"mine")
    text = succeed(capsys, *_command(bank, photos, out), "--style", "calm", "--resume")
    assert "1 were there" in text
    assert (out / "one.png").read_bytes() == b"mine"
    assert (out / "two.png").is_file()


def test_one_bad_film_does_not_stop_the_others(
    bank: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "films"
    source.mkdir()
    (source / "a.mkv").write_bytes(film.read_bytes()[:500])
    (source / "b.mkv").write_bytes(film.read_bytes())
    assert run(*_command(bank, source, tmp_path / "out"), "--style", "calm", "--preset", "ultrafast") == 1
    captured = capsys.readouterr()
    assert "a.mkv" in captured.err
    assert "Traceback" not in captured.err
    assert set(files_of(tmp_path / "out")) == {"b.mkv"}


@pytest.mark.parametrize(
    ("name", "options", "mentions"),
    [
        ("out.mkv", ("--style", "calm", "storm", "--sweep", "3"), ["--sweep", "film"]),
        ("out.mkv", ("--regions", "kmeans:3", "--assign", "0=calm"), ["--regions", "--label-map"]),
        ("out.mkv", ("--style", "calm", "--start", "9"), ["no frame between", "9"]),
        ("out.mkv", ("--style", "calm", "--start", "-1"), ["0 or more"]),
        ("out.mkv", ("--style", "calm", "--codec", "mpeg9"), ["mpeg9", "libx264"]),
        ("out.mkv", ("--style", "calm", "--quality", "99"), ["99", "libx264"]),
        ("out.mkv", ("--style", "calm", "--batch", "0"), ["batch", "1 to"]),
        ("out.mkv", ("--style", "calm", "--stroke", "4"), ["too small", "stroke"]),
        ("out.mkv", ("--style", "calm", "--overwrite", "--resume"), ["--overwrite", "--resume"]),
        ("out.png", ("--style", "calm"), ["is a film", "out.png"]),
        ("out", ("--style", "calm", "--frames", "--codec", "libx264"), ["takes no codec"]),
        ("out.gif", ("--style", "calm", "--preset", "fast"), ["no preset"]),
        ("out.mkv", ("--style", "calm", "--fps", "10"), ["--fps", "folders of frames"]),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(
    bank: Path,
    film: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    options: tuple[str, ...],
    mentions: list[str],
) -> None:
    code = run(*_command(bank, film, tmp_path / name), *options)
    error = capsys.readouterr().err
    assert code == 1
    assert "Traceback" not in error
    [line] = [line for line in error.splitlines() if line.startswith("Error: ")]
    for mention in mentions:
        assert mention in line
    assert not list(tmp_path.iterdir())


def test_a_moving_mask_needs_a_film(bank: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    options = ("--mask", f"calm={film}", "--style", "storm")
    fail(capsys, *_command(bank, photo, tmp_path / "out.png"), *options, mentions=["walk.mkv", "film"])


def test_a_moving_mask_of_no_style_is_refused_before_anything_is_begun(
    bank: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--mask", f"gone={film}", "--style", "storm")
    fail(capsys, *_command(bank, film, tmp_path / "out.mkv"), *options, mentions=["no style 'gone'"])
    assert not list(tmp_path.iterdir())


def test_a_still_picture_is_no_film(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    fail(capsys, *_command(bank, photo, tmp_path / "out.mp4"), "--style", "calm", mentions=["still picture"])
