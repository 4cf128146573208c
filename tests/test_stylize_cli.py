"""`stylebank stylize`: which files are read and written, and what happens to those that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import fail, files_of, paint, pixels, run, succeed, write_bank

from stylebank.cli import main
from stylebank.cli.stylize.jobs import plan
from stylebank.errors import ImageError
from stylebank.images import formats

STYLES = ("calm", "storm")
SIZE = (48, 40)  # of the pictures


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("stylize") / "bank", *STYLES)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return paint(tmp_path / "pictures", "one", "two", "three", size=SIZE)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


Stylize = Callable[..., str]


@pytest.fixture
def stylize(bank: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> Stylize:
    """stylize(inputs, *options, style=..., to=...) -> what a successful command printed."""

    def _stylize(*inputs: object, style: object = "calm", to: Path = out, options: tuple[object, ...] = ()) -> str:
        names = [style] if isinstance(style, str) else list(style)  # type: ignore[call-overload]
        everything = ["--style", *names, "--input", *inputs, "--output", to, *options]
        return succeed(capsys, "stylize", "--bank", bank, "--precision", "float32", *everything)

    return _stylize


# --------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "PNG"), (".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP"), (".tif", "TIFF")]
)
def test_one_picture_becomes_the_file_named(
    stylize: Stylize, pictures: Path, out: Path, suffix: str, kind: str
) -> None:
    target = out / f"result{suffix}"
    assert "1 of 1" in stylize(pictures / "one.png", to=target)
    assert list(files_of(out)) == [target.name]
    with Image.open(target) as image:
        assert (image.format, image.mode, image.size) == (kind, "RGB", SIZE)
    assert np.abs(pixels(target).astype(int) - pixels(pictures / "one.png")).mean() > 5  # it is no mere copy


def test_quality_sets_the_size_of_a_jpeg(stylize: Stylize, pictures: Path, out: Path) -> None:
    sizes = []
    for quality in (10, 95):
        target = out / f"{quality}.jpg"
        stylize(pictures / "one.png", to=target, options=("--quality", quality))
        sizes.append(target.stat().st_size)
    assert sizes[0] < sizes[1]


def test_folders_files_and_patterns_are_inputs(stylize: Stylize, pictures: Path, tmp_path: Path) -> None:
    (pictures / "notes.txt").write_text("no picture")
    everything = {"one.png", "two.png", "three.png"}
    for name, inputs, expected in [
        ("folder", [pictures], everything),
        ("pattern", [pictures / "t*.png"], {"two.png", "three.png"}),
        ("files", [pictures / "one.png", pictures / "two.png"], {"one.png", "two.png"}),
        ("mixed", [pictures / "t*", pictures / "two.png", pictures / "one.png"], everything),
    ]:
        stylize(*inputs, to=tmp_path / name)
        assert set(files_of(tmp_path / name)) == expected


def test_options_may_be_repeated(bank: Path, pictures: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--input", pictures / "one.png", "--style", "calm", "--input", pictures / "two.png"]
    succeed(capsys, "stylize", "--bank", bank, *options, "--style", "identity", "calm", "--output", out)
    assert set(files_of(out)) == {f"{style}/{name}.png" for style in ("calm", "identity") for name in ("one", "two")}


@pytest.mark.parametrize("style", ["all", STYLES, (*STYLES, "all", "calm")])
def test_several_styles_have_a_subfolder_each(stylize: Stylize, pictures: Path, out: Path, style: object) -> None:
    stylize(pictures / "one.png", pictures / "two.png", style=style)
    assert set(files_of(out)) == {f"{style}/{name}.png" for style in STYLES for name in ("one", "two")}
    assert (pixels(out / "calm" / "one.png") != pixels(out / "storm" / "one.png")).any()


def test_a_style_gives_the_same_picture_alone_and_among_others(stylize: Stylize, pictures: Path, out: Path) -> None:
    stylize(pictures, style="all")
    stylize(pictures / "two.png", style="storm", to=out / "alone.png")
    assert (out / "alone.png").read_bytes() == (out / "storm" / "two.png").read_bytes()


def test_identity_is_the_autoencoder_alone(stylize: Stylize, pictures: Path, out: Path) -> None:
    stylize(pictures / "one.png", style=("identity", "calm"))
    assert (pixels(out / "identity" / "one.png") != pixels(out / "calm" / "one.png")).any()


def test_pictures_are_scaled_first(stylize: Stylize, pictures: Path, out: Path) -> None:
    stylize(pictures / "one.png", to=out / "small.png", options=("--size", 20))
    assert Image.open(out / "small.png").size == (24, 20)


# ------------------------------------------------------------------------------------------- what pictures have


def test_transparency_is_kept(stylize: Stylize, pictures: Path, out: Path) -> None:
    picture = Image.open(pictures / "one.png")
    alpha = Image.linear_gradient("L").resize(picture.size)
    picture.putalpha(alpha)
    picture.save(pictures / "clear.png")
    stylize(pictures / "clear.png", pictures / "one.png")
    result = Image.open(out / "clear.png")
    assert result.mode == "RGBA"
    assert (np.array(result.getchannel("A")) == np.array(alpha)).all()
    assert (np.array(result.convert("RGB")) == pixels(out / "one.png")).all()  # it has no say in the colours
    stylize(pictures / "clear.png", to=out / "small.png", options=("--size", 20))
    small = Image.open(out / "small.png")
    assert (small.mode, small.size) == ("RGBA", (24, 20))
    stylize(pictures / "clear.png", to=out / "flat.jpg")
    assert Image.open(out / "flat.jpg").mode == "RGB"


def test_photographs_are_turned_upright(stylize: Stylize, pictures: Path, out: Path) -> None:
    upright = Image.open(pictures / "one.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: to be turned clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(pictures / "turned.png", exif=exif)
    stylize(pictures / "one.png", pictures / "turned.png")
    assert (pixels(out / "turned.png") == pixels(out / "one.png")).all()
    assert not Image.open(out / "turned.png").getexif()


def test_sixteen_bits_are_not_clipped(stylize: Stylize, pictures: Path, out: Path) -> None:
    gray = np.array(Image.open(pictures / "one.png").convert("L"))
    Image.fromarray(gray).save(pictures / "eight.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(pictures / "sixteen.png")
    stylize(pictures / "eight.png", pictures / "sixteen.png")
    assert (pixels(out / "sixteen.png") == pixels(out / "eight.png")).all()


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (47, 41)])
def test_any_size_from_sixteen_pixels_up_is_kept(
    stylize: Stylize, pictures: Path, out: Path, size: tuple[int, int]
) -> None:
    paint(pictures, "odd", size=size)
    stylize(pictures / "odd.png")
    assert Image.open(out / "odd.png").size == size


# --------------------------------------------------------------------------------------------- what is refused


def refuse(capsys: pytest.CaptureFixture[str], bank: Path, *options: object, mentions: tuple[object, ...] = ()) -> None:
    fail(capsys, "stylize", "--bank", bank, *options, mentions=mentions)


def test_nothing_is_overwritten_unless_asked(
    bank: Path, stylize: Stylize, pictures: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (out / "storm").mkdir(parents=True)
    existing = out / "storm" / "two.png"
    existing.write_text("dear to me")
    options = ("--style", "all", "--input", pictures, "--output", out)
    refuse(capsys, bank, *options, mentions=(existing, "exists", "--overwrite"))
    assert files_of(out) == {str(Path("storm", "two.png")): b"dear to me"}  # and nothing was begun
    stylize(pictures, style="all", options=("--overwrite",))
    assert len(files_of(out)) == 6
    assert pixels(existing).shape == (40, 48, 3)


def test_a_damaged_picture_does_not_stop_the_others(
    bank: Path, pictures: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (pictures / "one.png").read_bytes()
    (pictures / "broken.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "empty.jpg").touch()
    paint(pictures, "tiny", size=(30, 9))
    code = run("stylize", "--bank", bank, "--style", "all", "--input", pictures, "--output", out)
    captured = capsys.readouterr()
    assert code == 1
    assert "3 of 6" in captured.out
    assert set(files_of(out)) == {f"{style}/{name}.png" for style in STYLES for name in ("one", "two", "three")}
    assert "Traceback" not in captured.err
    errors = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 3
    for name, reason in (("broken.png", "damaged"), ("empty.jpg", "empty"), ("tiny.png", "at least 16 pixels")):
        assert any(str(pictures / name) in line and reason in line for line in errors)


def test_a_single_picture_that_fails_is_named(
    bank: Path, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = paint(tmp_path / "small", "tiny", size=(30, 9)) / "tiny.png"
    refuse(capsys, bank, "--style", "calm", "--input", small, "--output", out, mentions=(small, "30x9", "16"))
    assert not out.exists()


def test_pictures_that_would_get_one_name_are_refused(
    bank: Path, pictures: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.open(pictures / "one.png").save(pictures / "one.jpg")
    refuse(
        capsys, bank, "--style", "calm", "--input", pictures, "--output", out,
        mentions=(pictures / "one.jpg", pictures / "one.png", out / "one.png"),
    )  # fmt: skip
    assert not out.exists()


def test_an_output_that_is_a_file_is_no_folder(
    bank: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes"
    file.write_text("mine")
    refuse(capsys, bank, "--style", "calm", "--input", pictures, "--output", file, mentions=(file, "not a folder"))
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (["--style", "calm", "--input", "P", "--output", "new/a.png"], ["a.png", "give a folder"]),
        (["--style", "all", "--input", "P/one.png", "--output", "new/a.png"], ["a.png", "2 style(s)"]),
        (["--style", "calm", "--input", "P/one.png", "--output", "new/a.gif"], ["one.png", "still picture", "a.gif"]),
        (["--style", "calm", "--input", "P/one.png", "--output", "new/a.tex"], ["'.tex'", ".png"]),
        (["--style", "calm", "--input", "P", "--output", "new", "--quality", "101"], ["101", "1 to 100"]),
        (["--style", "sunny", "--input", "P", "--output", "new"], ["'sunny'", "calm, storm"]),
        (["--style", "calm", "--input", "P/four.png", "--output", "new"], ["four.png", "does not exist"]),
        (["--style", "calm", "--input", "P/*.webp", "--output", "new"], ["*.webp", "matches no pictures"]),
        (["--style", "calm", "--input", "P", "--output", "new", "--device", "abacus"], ["abacus", "cpu"]),
        (["--input", "P", "--output", "new"], ["--style is missing"]),
        (["--style", "calm", "--output", "new"], ["--input is missing"]),
        (["--style", "calm", "--input", "P"], ["--output is missing"]),
        ([], ["--input, --style and --output are missing"]),
        (
            ["--style", "calm", "--input", "P", "--regions", "kmeans:3", "--show-regions", "new"],
            ["--output is missing"],
        ),
        (["--style", "calm", "--input", "P", "--output", "new", "--bank", "P"], ["is not a bank", "bank.json"]),
        (["--list", "--bank", "nowhere"], ["nowhere", "does not exist"]),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    bank: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    mentions: list[str],
) -> None:
    monkeypatch.chdir(pictures.parent)
    arguments = [text.replace("P", str(pictures)) if text.startswith("P") else text for text in options]
    code = 2 if "missing" in mentions[0] else 1
    fail(capsys, "stylize", "--bank", bank, *arguments, mentions=mentions, code=code)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "options", [["--size", "8"], ["--size", "large"], ["--quality", "good"], ["--precision", "int4"]]
)
def test_options_out_of_range_are_wrong_usage(
    bank: Path, pictures: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("stylize", "--bank", bank, "--style", "calm", "--input", pictures, "--output", "new", *options)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert options[0] in error
    assert options[1] in error


def test_styles_are_listed(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = succeed(capsys, "stylize", "--bank", bank, "--list").splitlines()
    assert [line.split() for line in lines] == [["calm", "Calm"], ["storm", "Storm"]]


def test_a_bank_without_styles_still_has_identity(
    tmp_path: Path, pictures: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = write_bank(tmp_path / "empty")
    options = ("--input", pictures / "one.png", "--output", out)
    refuse(capsys, empty, "--style", "all", *options, mentions=("no style", "identity"))
    succeed(capsys, "stylize", "--bank", empty, "--style", "identity", *options)
    assert set(files_of(out)) == {"one.png"}


def test_running_out_of_memory_is_one_sentence(
    bank: Path, pictures: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def encode(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("stylebank.inference.stylizer.Stylizer.encode", encode)
    picture = pictures / "one.png"
    options = ("--style", "calm", "--input", picture, "--output", out)
    refuse(capsys, bank, *options, mentions=(picture, "memory", "--size"))


def test_infer_py_is_the_same_command(
    bank: Path, pictures: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bank", bank, "--style", "calm", "--input", pictures, "--output", out]
    assert main([str(argument) for argument in arguments], prog="infer.py") == 0
    assert len(files_of(out)) == 3
    with pytest.raises(SystemExit) as caught:
        main(["--help"], prog="infer.py")
    assert caught.value.code == 0
    assert "usage: infer.py" in capsys.readouterr().out


# -------------------------------------------------------------------------------------------------- the plan


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    jobs = plan({Path("a/x.jpg"): False, Path("b/y.png"): False}, ["calm", "storm"], tmp_path / "out")
    assert [job.source for job in jobs] == [Path("a/x.jpg"), Path("b/y.png")]
    assert jobs[0].targets == {style: tmp_path / "out" / style / "x.png" for style in STYLES}
    assert not list(tmp_path.iterdir())


def test_a_folder_may_be_called_like_a_picture(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    [job] = plan({Path("x.jpg"): False}, ["calm"], tmp_path / "out.png")
    assert job.targets == {"calm": tmp_path / "out.png" / "x.png"}
    with pytest.raises(ImageError, match=r"\.tex"):
        plan({Path("x.jpg"): False}, ["calm"], tmp_path / "out.tex")


# --------------------------------------------------------------------------------------- what is passed over


def test_pictures_in_a_folder_that_are_not_read_are_named_and_counted(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    readable = tuple(name for name in formats.READ_FORMATS if name not in ("HEIF", "JXL"))  # as without the plugins
    monkeypatch.setattr(formats, "READ_FORMATS", readable)
    monkeypatch.setattr("stylebank.images.read.READ_FORMATS", readable)
    photos = paint(tmp_path / "photos", "fine", "shot")
    (photos / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    Image.new("RGB", (32, 32)).save(photos / "raw.tiff")
    (photos / "raw.tiff").rename(photos / "raw.NEF")  # to Pillow a TIFF
    (photos / "shot.CR2").write_bytes(b"beside what the camera made of it")
    (photos / "new.jxl").write_bytes(b"\xff\x0a and more")
    (photos / "logo.svg").write_text("<svg/>")
    (photos / "notes.txt").write_text("no picture at all")
    code = run("stylize", "--bank", bank, "--style", "calm", "--input", photos, "--output", tmp_path / "out")
    captured = capsys.readouterr()
    assert code == 1
    assert "Stylized 2 of 6" in captured.out
    errors = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
    reasons = {
        "phone.heic": "stylebank[heif]",
        "raw.NEF": "raw file",
        "new.jxl": "stylebank[jxl]",
        "logo.svg": "SVG, a drawing",
    }
    for name, reason in reasons.items():
        assert sum(name in line and reason in line for line in errors) == 1, errors
    assert len(errors) == 4
    assert set(files_of(tmp_path / "out")) == {"fine.png", "shot.png"}


def test_a_folder_of_nothing_else_says_what_is_in_it(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "IMG_1.DNG").write_bytes(b"raw")
    command = ("stylize", "--bank", bank, "--style", "calm", "--output", tmp_path / "out", "--input")
    fail(capsys, *command, tmp_path / "card", mentions=["holds no pictures", "not read", "IMG_1.DNG"])
    assert run(*command, tmp_path / "card" / "IMG_1.DNG") == 1
    assert "develop it" in capsys.readouterr().err
