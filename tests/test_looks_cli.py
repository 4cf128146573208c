"""Looks from the command line: mixtures, strength, masks, colours, strokes and tiles, on a tiny random bank."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import fail, paint, pixels, succeed, write_bank

from stylebank.images.contact_sheet import contact_sheet

SIZE = (64, 48)


@pytest.fixture
def look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., np.ndarray]:
    """look(options...) -> the picture that a successful command wrote, as an array (H, W, 3)."""
    bank = write_bank(tmp_path / "bank", "calm", "storm")
    photo = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    out = tmp_path / "out.png"

    def _look(*options: object) -> np.ndarray:
        arguments = ["stylize", "--bank", bank, "--precision", "float32", "--input", photo, "--output", out]
        succeed(capsys, *arguments, "--overwrite", *options)
        return pixels(out).astype(int)

    return _look


def _mask(path: Path, left: int) -> Path:
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, left, SIZE[1]))
    mask.save(path)
    return path


def test_weights_are_scaled_to_sum_one(look: Callable[..., np.ndarray]) -> None:
    halves = look("--style", "calm:0.5", "storm:0.5")
    assert np.abs(halves - look("--style", "calm:3", "--style", "storm:3")).max() <= 1
    assert np.abs(halves - look("--style", "calm:1", "storm:0")).max() > 1


def test_the_weight_of_one_style_alone_is_its_strength(look: Callable[..., np.ndarray], tmp_path: Path) -> None:
    """As in --mask and --assign; the strength of the whole is multiplied by it in all of them."""
    style, half, whole = look("--style", "calm"), look("--style", "calm:0.5"), _mask(tmp_path / "mask.png", SIZE[0])
    assert np.abs(half - style).max() > 1
    assert np.array_equal(half, look("--style", "calm", "--alpha", "0.5"))
    assert np.abs(half - look("--mask", f"calm:0.5={whole}")).max() <= 1
    for assigned in ("0-1=calm:0.5", "0-1=calm*0.5"):
        assert np.abs(half - look("--regions", "kmeans:2", "--assign", assigned)).max() <= 1
    assert np.array_equal(style, look("--style", "calm:1"))
    assert np.abs(look("--style", "calm:0") - look("--style", "identity")).max() <= 1
    quarter = look("--style", "calm:0.5", "--alpha", "0.5")
    assert np.array_equal(quarter, look("--style", "calm:0.25"))
    assert np.abs(quarter - look("--mask", f"calm:0.5={whole}", "--alpha", "0.5")).max() <= 1
    assert np.abs(quarter - look("--regions", "kmeans:2", "--assign", "0-1=calm:0.5", "--alpha", "0.5")).max() <= 1


def test_strength_goes_from_the_reconstruction_to_the_style(look: Callable[..., np.ndarray]) -> None:
    identity, style = look("--style", "identity"), look("--style", "calm")
    assert np.abs(look("--style", "calm", "--alpha", "0") - identity).max() <= 1
    assert np.abs(look("--style", "calm", "--alpha", "1") - style).max() <= 1
    assert np.abs(identity - style).max() > 1


def test_well_inside_and_outside_a_mask_each_style_is_as_if_alone(
    look: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    both = look("--mask", f"calm={_mask(tmp_path / 'mask.png', 32)}", "--style", "storm")
    assert np.abs(both[:, :8] - look("--style", "calm")[:, :8]).max() <= 1
    assert np.abs(both[:, -8:] - look("--style", "storm")[:, -8:]).max() <= 1


def test_soft_edges_count_in_the_pictures_pixels(look: Callable[..., np.ndarray], tmp_path: Path) -> None:
    """The same edge painted at another size, as a mask and as a label map, is as soft."""
    mask, twice = _mask(tmp_path / "mask.png", 32), tmp_path / "twice.png"
    with Image.open(mask) as painted:
        painted.resize((4 * SIZE[0], 4 * SIZE[1]), Image.Resampling.NEAREST).save(twice)
    wanted = look("--mask", f"calm={mask}", "--style", "storm", "--feather", "12")
    assert np.abs(wanted - look("--mask", f"calm={twice}", "--style", "storm", "--feather", "12")).max() <= 3
    assert np.abs(wanted - look("--mask", f"calm={mask}", "--style", "storm", "--feather", "48")).max() > 6
    halves = Image.new("RGB", (4 * SIZE[0], 4 * SIZE[1]), (255, 0, 0))  # label 0
    halves.paste((0, 255, 255), (2 * SIZE[0], 0, *halves.size))  # label 1
    halves.save(tmp_path / "halves.png")
    options = ("--label-map", tmp_path / "halves.png", "--assign", "0=calm,1=storm", "--feather", "12")
    assert np.abs(wanted - look(*options)).max() <= 3


def test_outside_original_keeps_the_photograph(look: Callable[..., np.ndarray], tmp_path: Path) -> None:
    output = look("--mask", f"calm={_mask(tmp_path / 'mask.png', 32)}", "--outside", "original")
    photo = pixels(next((tmp_path / "photos").iterdir()))[..., :3].astype(int)
    assert np.abs(output[:, -8:] - photo[:, -8:]).max() <= 1
    assert np.abs(output[:, :8] - photo[:, :8]).max() > 1


def test_luma_gives_a_grey_photograph_a_grey_picture(look: Callable[..., np.ndarray], tmp_path: Path) -> None:
    photo = next((tmp_path / "photos").iterdir())
    Image.open(photo).convert("L").save(photo)
    output = look("--style", "calm", "--preserve-colors", "luma")
    assert np.ptp(output, axis=2).max() <= 2


@pytest.mark.parametrize("options", [("--stroke", "2"), ("--tile", "32"), ("--preserve-colors", "histogram")])
def test_the_size_stays(look: Callable[..., np.ndarray], options: tuple[str, ...]) -> None:
    assert look("--style", "calm", *options).shape == (SIZE[1], SIZE[0], 3)


def test_tiles_change_nothing(look: Callable[..., np.ndarray]) -> None:
    assert np.abs(look("--style", "calm") - look("--style", "calm", "--tile", "32")).max() <= 1


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (("--style", "calm:0.5", "storm"), ["storm:0.5"]),
        (("--style", "calm:x", "storm:1"), ["'x' is not a number"]),
        (("--style", "calm:3"), ["'calm' alone", "strength", "not 3", "mixtures"]),
        (("--style", "calm:-0.5"), ["'calm' alone", "0 to 1"]),
        (("--style", "calm:-1", "storm:2"), ["must not be negative", "raw"]),
        (("--style", "calm:1", "calm:2"), ["twice"]),
        (("--style", "calm", "--alpha", "2"), ["alpha", "between 0 and 1"]),
        (("--style", "calm", "--stroke", "17"), ["0.5 to 16"]),
        (("--mask", "calm"), ["NAME=FILE"]),
        (("--mask", "calm=nowhere.png"), ["nowhere.png"]),
        (("--mask", "gone=mask.png"), ["no style 'gone'"]),
    ],
)
def test_wrong_options_get_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], mentions: list[str]
) -> None:
    bank = write_bank(tmp_path / "bank", "calm", "storm")
    photos = paint(tmp_path / "photos", "photo", size=SIZE)
    out = tmp_path / "out"
    fail(capsys, "stylize", "--bank", bank, "--input", photos, "--output", out, *options, mentions=mentions)
    assert not out.exists()


# -------------------------------------------------------------------------------------------------- regions


def test_a_map_that_was_written_does_the_same_as_the_regions_it_shows(
    look: Callable[..., np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, shown = tmp_path / "photos" / "photo.png", tmp_path / "map.png"
    found = look("--regions", "kmeans:3", "--assign", "0=calm,1-2=storm")
    succeed(
        capsys,
        "stylize",
        "--bank",
        tmp_path / "bank",
        "--input",
        photo,
        "--regions",
        "kmeans:3",
        "--precision",
        "float32",
        "--show-regions",
        shown,
    )
    assert (tmp_path / "map.key.png").is_file()
    assert (tmp_path / "map.key.txt").is_file()
    assert np.array_equal(found, look("--label-map", shown, "--assign", "0=calm,1-2=storm"))


@pytest.mark.parametrize("method", ["kmeans:3", "slic:3"])
def test_regions_are_the_same_with_the_same_seed(look: Callable[..., np.ndarray], method: str) -> None:
    options = ("--regions", method, "--assign", "0=calm,1=storm:0.5,2=identity", "--seed", "3")
    assert np.array_equal(look(*options), look(*options))


def test_all_regions_in_one_style_are_that_style(look: Callable[..., np.ndarray]) -> None:
    everywhere = look("--regions", "kmeans:3", "--assign", "0-2=calm", "--feather", "6")
    assert np.abs(everywhere - look("--style", "calm")).max() <= 1


def test_what_no_region_covers_is_left_to_the_style_or_to_the_photograph(
    look: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    palette = [(255, 0, 0), (0, 255, 255)]  # labels 0 and 1
    halves = Image.new("RGB", SIZE, palette[0])
    halves.paste(palette[1], (32, 0, *SIZE))
    halves.save(tmp_path / "halves.png")
    options = ("--label-map", tmp_path / "halves.png", "--assign", "0=calm")
    styled, kept = look(*options, "--style", "storm"), look(*options, "--outside", "original")
    photo = pixels(tmp_path / "photos" / "photo.png")[..., :3].astype(int)
    assert np.abs(styled[:, -8:] - look("--style", "storm")[:, -8:]).max() <= 1
    assert np.abs(kept[:, -8:] - photo[:, -8:]).max() <= 1
    assert np.abs(kept[:, :8] - look("--style", "calm")[:, :8]).max() <= 1


def test_regions_go_together_with_everything_else(look: Callable[..., np.ndarray], tmp_path: Path) -> None:
    mask = _mask(tmp_path / "mask.png", 16)
    output = look(
        *("--regions", "kmeans:2", "--assign", "0=calm*0.5+storm*0.5", "--mask", f"storm={mask}"),
        *("--style", "identity", "--alpha", "0.5", "--feather", "4", "--preserve-colors", "luma"),
        *("--stroke", "1.5", "--tile", "32"),
    )
    assert output.shape == (SIZE[1], SIZE[0], 3)


def test_a_sweep_is_a_strip_from_one_style_to_the_other(look: Callable[..., np.ndarray]) -> None:
    strip = look("--style", "calm", "storm", "--sweep", "3")
    gap, caption = 6, 22
    pictures = [strip[caption + gap :, gap + i * (SIZE[0] + gap) :][: SIZE[1], : SIZE[0]] for i in range(3)]
    assert np.abs(pictures[0] - look("--style", "calm")).max() <= 1
    assert np.abs(pictures[1] - look("--style", "calm:0.5", "storm:0.5")).max() <= 1
    assert np.abs(pictures[2] - look("--style", "storm")).max() <= 1


def test_a_strip_names_the_styles_at_its_ends_and_the_shares_between(
    look: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    captions: list[str] = []

    def sheet(rows: list[list[Image.Image]], names: list[str], cell: tuple[int, int]) -> Image.Image:
        captions.extend(names)
        return contact_sheet(rows, names, cell)

    monkeypatch.setattr("stylebank.cli.stylize.images.contact_sheet", sheet)
    look("--style", "calm", "storm", "--sweep", "4")
    assert captions == ["calm", "67 : 33", "33 : 67", "storm"]


@pytest.mark.parametrize(
    ("options", "mentions"),
    [
        (("--regions", "kmeans:1", "--assign", "0=calm"), ["kmeans:1", "from 2 to"]),
        (("--regions", "kmeans:3"), ["--assign is missing"]),
        (("--assign", "0=calm"), ["--assign needs"]),
        (("--show-regions", "map.png", "--style", "calm"), ["--show-regions needs"]),
        (("--regions", "kmeans:3", "--show-regions", "new.png", "--sweep", "3"), ["two names", "not none"]),
        (("--regions", "kmeans:3", "--assign", "7=calm"), ["region 7", "0, 1, 2"]),
        (("--regions", "kmeans:3", "--assign", "0=gone"), ["gone", "calm, storm"]),
        (("--regions", "kmeans:3", "--label-map", "map.png", "--assign", "0=calm"), ["--label-map", "one of them"]),
        (("--style", "calm", "--outside", "original"), ["--outside original"]),
        (("--style", "calm", "--sweep", "3"), ["two names, not calm"]),
        (("--style", "calm:0.3", "storm", "--sweep", "3"), ["--style calm:0.3", "all weights", "name alone"]),
        (("--style", "all:0.5"), ["--style all:0.5", "every style by itself", "--alpha"]),
        (("--style", "original"), ["'original' is no style", "--outside original"]),
        (("--style-image", "a/storm.png"), ["a/storm.png", "called 'storm'", "rename the file"]),
        (("--style", "calm", "calm", "--sweep", "3"), ["itself"]),
        (("--style", "calm", "--feather", "-1"), ["-1", "0 to 10000"]),
    ],
)
def test_regions_and_sweeps_that_cannot_be_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], mentions: list[str]
) -> None:
    bank = write_bank(tmp_path / "bank", "calm", "storm")
    photos = paint(tmp_path / "photos", "photo", size=SIZE)
    out = tmp_path / "out"
    code = 2 if "missing" in mentions[0] else 1
    fail(capsys, "stylize", "--bank", bank, "--input", photos, "--output", out, *options, mentions=mentions, code=code)
    assert not out.exists()


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    ("photo", "shown", "output", "named"),
    [
        ("a.png", "b.png", "b.png", "b.png"),  # the picture would take the map's place
        ("a.png", "b.png", "b.key.png", "b.key.png"),
        ("a.png", "a.png", "b.png", "a.png"),  # the map the photograph's
        ("a.key.png", "a.png", "b.png", "a.key.png"),  # and its key, which nobody has named
        ("m.png", "m.png", "b.png", "m.png"),
    ],
)
def test_a_map_never_takes_the_place_of_a_picture_nor_a_picture_its(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    photo: str,
    shown: str,
    output: str,
    named: str,
    overwrite: tuple[str, ...],
) -> None:
    bank, source = write_bank(tmp_path / "bank", "calm", "storm"), tmp_path / photo
    shutil.copy(next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir()), source)
    before = source.read_bytes()
    look = ("--regions", "kmeans:2", "--assign", "0=calm", "--show-regions", tmp_path / shown, *overwrite)
    paths = ("--input", source, "--output", tmp_path / output)
    fail(capsys, "stylize", "--bank", bank, *paths, *look, mentions=["--show-regions", tmp_path / named])
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"bank", "photos", photo}


def test_two_pictures_of_one_name_have_no_map_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = write_bank(tmp_path / "bank", "calm")
    photos = [next(paint(tmp_path / folder, "photo", size=SIZE).iterdir()) for folder in ("a", "b")]
    command = ("stylize", "--bank", bank, "--input", *photos, "--regions", "kmeans:2")
    fail(capsys, *command, "--show-regions", tmp_path / "maps", mentions=[*photos, "rename one"])
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--style", "calm:1", "identity:-1", "--raw-weights"),
        ("--style", "calm:-1", "--raw-weights", "--alpha", "0.5"),
        ("--style", "calm:1", "storm:-1", "--raw-weights", "--alpha", "0.5"),
        ("--style", "calm:0", "storm:0", "--raw-weights"),
        ("--style", "calm:1e-30", "identity:1e30", "--raw-weights"),
        ("--style", "calm:1e30", "storm:-1e30", "--raw-weights", "--alpha", "0.3"),
        ("--style", "calm:0", "identity:0", "--raw-weights", "--alpha", "0"),
    ],
)
def test_raw_weights_of_every_sign_and_size_give_a_picture(
    options: tuple[str, ...], look: Callable[..., np.ndarray]
) -> None:
    assert look(*options).shape == (SIZE[1], SIZE[0], 3)


@pytest.mark.parametrize("weights", [("nan",), ("inf",), ("-1",), ("0", "0"), ("-1", "2"), ("nan", "1")])
def test_weights_that_make_no_mixture_are_told(
    weights: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = write_bank(tmp_path / "bank", "calm", "storm")
    photo = next(paint(tmp_path / "photos", "photo", size=SIZE).iterdir())
    out = tmp_path / "out.png"
    style = [f"{name}:{weight}" for name, weight in zip(("calm", "storm"), weights, strict=False)]
    fail(capsys, "stylize", "--bank", bank, "--input", photo, "--output", out, "--style", *style, mentions=["weight"])
