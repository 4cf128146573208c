"""Pictures in and out: whatever a file does differently, inside they are upright 8-bit sRGB."""

from __future__ import annotations

import io
import os
import re
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused as refusal
from pictures import noise, pixels, smooth
from PIL import Image, ImageCms, ImageFile

from stylebank.errors import ImageError, StyleBankError
from stylebank.images import (
    IMAGE_SUFFIXES,
    SAVE_FORMATS,
    check_writable,
    find_images,
    load_picture,
    probe,
    resize_long_side,
    resize_short_side,
    save_picture,
    to_image,
    to_tensor,
)
from stylebank.images.convert import srgb_profile


def png(path: Path, width: int, height: int, depth: int, color: int, samples: bytes, extra: bytes = b"") -> Path:
    """A PNG written by hand, for the kinds Pillow reads but cannot write. `samples`: big-endian scanlines."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    stride = len(samples) // height
    lines = b"".join(b"\0" + samples[i * stride : (i + 1) * stride] for i in range(height))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    clear = chunk(b"tRNS", extra) if extra else b""
    body = header + clear + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


# ---------------------------------------------------------------------------------------------- finding


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "a10.png",
        "a2.PNG",
        "A1.jpg",
        "note.txt",
        ".hidden.png",
        "sub/b.webp",
        "sub/deep/c.bmp",
        ".git/d.png",
    ):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "tree"


def names(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_a_folder_is_walked_naturally_without_hidden_or_foreign_files(tree: Path) -> None:
    expected = ["A1.jpg", "a2.PNG", "a10.png", "sub/b.webp", "sub/deep/c.bmp"]
    assert names(find_images([tree]), tree) == expected
    assert names(find_images([f"{tree}/**"]), tree) == expected
    assert find_images(str(tree)) == find_images([tree])


def test_globs_stay_in_their_folder_unless_recursive(tree: Path) -> None:
    assert names(find_images([f"{tree}/*"]), tree) == ["A1.jpg", "a2.PNG", "a10.png"]
    assert names(find_images([f"{tree}/**/*.bmp"]), tree) == ["sub/deep/c.bmp"]


def test_inputs_keep_their_order_and_a_file_comes_once(tree: Path) -> None:
    found = find_images([tree / "sub" / "b.webp", tree / "a10.png", tree, tree / "sub" / ".." / "a2.PNG"])
    assert names(found, tree) == ["sub/b.webp", "a10.png", "A1.jpg", "a2.PNG", "sub/deep/c.bmp"]


def test_a_file_named_outright_needs_no_suffix_and_may_look_like_a_glob(tree: Path) -> None:
    odd = tree / "photo[1].png"
    odd.write_bytes(b"x")
    assert find_images([tree / "note.txt", tree / ".hidden.png", odd]) == [
        tree / "note.txt",
        tree / ".hidden.png",
        odd,
    ]


def test_links_back_up_the_tree_end(tree: Path) -> None:
    for name in ("loop", "again"):  # two: the system itself would end a single one, after forty rounds
        (tree / "sub" / name).symlink_to(tree, target_is_directory=True)
    assert len(find_images([tree])) == 5


def test_linked_folders_are_walked(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "linked").symlink_to(tree, target_is_directory=True)
    assert len(find_images([tmp_path / "other"])) == 5


@pytest.mark.parametrize("missing", ["gone.png", "tree/.git/nothing", "tree/*.tiff", "tree/empty", ""])
def test_an_input_without_pictures_is_named(tree: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "empty").mkdir()
    (tree / "empty" / "note.txt").write_text("no picture")
    monkeypatch.chdir(tree.parent)
    with pytest.raises(ImageError) as caught:
        find_images([tree, missing])
    assert f"'{missing}'" in str(caught.value)


def test_a_dangling_link_is_missing(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"x\.png"):
        find_images([tmp_path / "x.png"])


def test_every_suffix_saved_is_also_found() -> None:
    assert set(SAVE_FORMATS) | {".gif", ".ppm", ".pgm"} <= IMAGE_SUFFIXES
    assert not {".eps", ".ps", ".pdf", ".mpg"} & IMAGE_SUFFIXES


# ---------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_probe_agrees(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = smooth(48, 24)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL transpositions that the orientation takes back
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"x{suffix}", exif=exif, quality=95)
    picture = load_picture(tmp_path / f"x{suffix}")
    assert picture.rgb.size == probe(tmp_path / f"x{suffix}") == (48, 24)
    assert np.abs(pixels(picture.rgb) - pixels(upright)).mean() < 3


def test_alpha_turns_with_the_picture(tmp_path: Path) -> None:
    rgba = noise(6, 4, channels=4)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba.save(tmp_path / "x.png", exif=exif)
    picture = load_picture(tmp_path / "x.png")
    turned = rgba.transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(pixels(picture.rgb), pixels(turned)[..., :3])
    assert np.array_equal(pixels(picture.alpha), pixels(turned)[..., 3])


def test_damaged_exif_is_upright(tmp_path: Path) -> None:
    smooth(32, 16).save(tmp_path / "x.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff damaged")
    assert load_picture(tmp_path / "x.jpg").rgb.size == probe(tmp_path / "x.jpg") == (32, 16)


def test_probe_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    for suffix in (".png", ".jpg", ".bmp", ".gif"):
        noise(9, 3).save(tmp_path / f"x{suffix}")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image))
    for suffix in (".png", ".jpg", ".bmp", ".gif"):
        assert probe(tmp_path / f"x{suffix}") == (9, 3)
    assert decoded == []


def test_exif_after_the_pixels_of_a_png_counts_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth(48, 24).save(tmp_path / "x.png", exif=exif)
    data = (tmp_path / "x.png").read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + struct.unpack(">I", data[start : start + 4])[0]
    late, rest = data[start:end], data[:start] + data[end:]
    last = rest.index(b"IEND") - 4
    (tmp_path / "x.png").write_bytes(rest[:last] + late + rest[last:])
    assert load_picture(tmp_path / "x.png").rgb.size == probe(tmp_path / "x.png") == (24, 48)


def test_rgb_and_path_come_through_unchanged(tmp_path: Path) -> None:
    image = noise()
    image.save(tmp_path / "x.png", dpi=(300, 300))
    picture = load_picture(str(tmp_path / "x.png"))
    assert np.array_equal(pixels(picture.rgb), pixels(image))
    assert (picture.alpha, picture.path, picture.rgb.info) == (None, tmp_path / "x.png", {})


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    levels = np.array([[0, 257, 300, 32768, 65000, 65535]], dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / name)
    expected = np.rint(levels / 257)
    rgb = pixels(load_picture(tmp_path / name).rgb)
    assert np.array_equal(rgb, np.repeat(expected[..., None], 3, axis=-1))


def test_16_bit_pgm_is_scaled_by_its_own_white(tmp_path: Path) -> None:
    (tmp_path / "x.pgm").write_bytes(b"P5 3 1 1023\n" + np.array([0, 512, 1023], ">u2").tobytes())
    assert pixels(load_picture(tmp_path / "x.pgm").rgb)[0, :, 0].tolist() == [0, 128, 255]


def test_16_bit_big_endian_and_white_is_zero_tiff(tmp_path: Path) -> None:
    levels = np.array([[0, 16384, 65535]], dtype=np.uint16)
    Image.frombytes("I;16B", (3, 1), levels.astype(">u2").tobytes()).save(tmp_path / "big.tif")
    Image.fromarray(levels).save(tmp_path / "inverted.tif")
    data = bytearray((tmp_path / "inverted.tif").read_bytes())
    at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
    data[at] = 0
    (tmp_path / "inverted.tif").write_bytes(data)
    assert pixels(load_picture(tmp_path / "big.tif").rgb)[0, :, 1].tolist() == [0, 64, 255]
    assert pixels(load_picture(tmp_path / "inverted.tif").rgb)[0, :, 1].tolist() == [255, 191, 0]


def test_16_bit_colour_keeps_the_high_byte(tmp_path: Path) -> None:
    samples = np.array([[[0, 0x8000, 0xFFFF], [0x1234, 0x00FF, 0xFF00]]], dtype=">u2")
    path = png(tmp_path / "x.png", 2, 1, 16, 2, samples.tobytes())
    assert np.abs(pixels(load_picture(path).rgb) - samples / 257).max() <= 1


def test_16_bit_grey_with_a_transparent_level(tmp_path: Path) -> None:
    samples = np.array([[0, 1000, 65535]], dtype=">u2")
    picture = load_picture(png(tmp_path / "x.png", 3, 1, 16, 0, samples.tobytes(), struct.pack(">H", 1000)))
    assert pixels(picture.alpha).tolist() == [[255, 0, 255]]
    assert pixels(picture.rgb)[0, :, 0].tolist() == [0, 4, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 127, 255], [0, 127, 255]),
        ([0, 25700, 65535], [0, 100, 255]),
        ([0, 2**30, 2**31 - 1], [0, 128, 255]),
        ([-5, 100, 255], [0, 100, 255]),
    ],
)
def test_32_bit_integers_find_their_white(tmp_path: Path, values: list[int], expected: list[int]) -> None:
    Image.fromarray(np.array([values], dtype=np.int32)).save(tmp_path / "x.tif")
    assert pixels(load_picture(tmp_path / "x.tif").rgb)[0, :, 2].tolist() == expected


def test_unsigned_32_bit_integers_use_the_top_bit(tmp_path: Path) -> None:
    values = np.array([[0, 2**31, 2**32 - 1]], dtype=np.uint32)
    Image.fromarray(values.view(np.int32)).save(tmp_path / "x.tif")
    data = bytearray((tmp_path / "x.tif").read_bytes())
    data[data.index(struct.pack("<HHI", 339, 3, 1)) + 8] = 1  # sample format: unsigned
    (tmp_path / "x.tif").write_bytes(data)
    assert pixels(load_picture(tmp_path / "x.tif").rgb)[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([-0.2, 1.02, 1.0], [0, 255, 255]),
        ([0.4, 99.6, 300.0], [0, 100, 255]),
        ([float("nan"), 1.0, 0.0], [0, 255, 0]),
    ],
)
def test_floats_are_read_as_0_to_1_or_0_to_255(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    Image.fromarray(np.array([values], dtype=np.float32)).save(tmp_path / "x.tif")
    assert pixels(load_picture(tmp_path / "x.tif").rgb)[0, :, 0].tolist() == expected


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    for color, cmyk in {
        (255, 255, 255): (0, 0, 0, 0),
        (0, 255, 255): (255, 0, 0, 0),
        (0, 0, 0): (0, 0, 0, 255),
    }.items():
        Image.new("CMYK", (16, 16), cmyk).save(tmp_path / "x.jpg", quality=100)
        assert np.abs(pixels(load_picture(tmp_path / "x.jpg").rgb) - color).max() <= 2


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        smooth(8, 8), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    lab.save(tmp_path / "x.tif")
    assert np.abs(pixels(load_picture(tmp_path / "x.tif").rgb) - pixels(smooth(8, 8))).mean() < 3


def test_grey_1_bit_and_palette_become_rgb(tmp_path: Path) -> None:
    gray = noise(channels=1)
    for mode in ("L", "1"):
        image = gray.convert(mode)
        image.save(tmp_path / "x.png")
        picture = load_picture(tmp_path / "x.png")
        assert picture.rgb.mode == "RGB"
        assert picture.alpha is None
        assert np.array_equal(pixels(picture.rgb), pixels(image.convert("RGB")))
    few = smooth(8, 8).quantize(16)
    few.save(tmp_path / "x.gif")
    assert np.array_equal(pixels(load_picture(tmp_path / "x.gif").rgb), pixels(few.convert("RGB")))


def test_palette_transparency_becomes_alpha_and_keeps_colours(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "one.png", transparency=1)
    image.save(tmp_path / "many.png", transparency=bytes([10, 128, 255]))
    for name, alpha in {"one.png": [255, 0, 255], "many.png": [10, 128, 255]}.items():
        picture = load_picture(tmp_path / name)
        assert pixels(picture.alpha).tolist() == [alpha]
        assert pixels(picture.rgb).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


def test_one_transparent_colour_becomes_alpha(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1), (9, 8, 7))
    image.putpixel((1, 0), (200, 0, 0))
    image.save(tmp_path / "x.png", transparency=(200, 0, 0))
    picture = load_picture(tmp_path / "x.png")
    assert pixels(picture.alpha).tolist() == [[255, 0]]
    assert pixels(picture.rgb).tolist() == [[[9, 8, 7], [200, 0, 0]]]


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = noise(channels=2)
    assert image.mode == "LA"
    image.save(tmp_path / "x.png")
    picture = load_picture(tmp_path / "x.png")
    assert np.array_equal(pixels(picture.rgb), np.repeat(pixels(image)[..., :1], 3, axis=-1))
    assert np.array_equal(pixels(picture.alpha), pixels(image)[..., 1])


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (1, 1)])
def test_one_pixel_wide(tmp_path: Path, size: tuple[int, int]) -> None:
    image = noise(*size)
    save_picture(image, tmp_path / "x.png")
    assert probe(tmp_path / "x.png") == size
    assert to_image(to_tensor(load_picture(tmp_path / "x.png").rgb)) == image


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    first.save(tmp_path / "x.gif", save_all=True, append_images=[second])
    assert pixels(load_picture(tmp_path / "x.gif").rgb)[0, 0].tolist() == [255, 0, 0]


def test_draft_decodes_smaller_but_never_below_the_short_side(tmp_path: Path) -> None:
    smooth(640, 320).save(tmp_path / "x.jpg")
    sizes = {side: load_picture(tmp_path / "x.jpg", draft_short_side=side).rgb.size for side in (1, 100, 160, 161, 400)}
    assert sizes == {1: (80, 40), 100: (320, 160), 160: (320, 160), 161: (640, 320), 400: (640, 320)}


# ---------------------------------------------------------------------------------------- colour profiles


def swapped_profile() -> bytes:
    """The sRGB profile with the red and green primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_converted_to_srgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (4, 4), (255, 0, 0)).convert(mode).save(tmp_path / "x.png", icc_profile=swapped_profile())
    rgb = pixels(load_picture(tmp_path / "x.png").rgb)
    assert np.abs(rgb - (0, 255, 0)).max() <= 2


def test_the_profile_of_saved_files_changes_nothing(tmp_path: Path) -> None:
    image = noise(64, 64)
    save_picture(image, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as stored:
        assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(stored.info["icc_profile"]))
    assert np.array_equal(pixels(load_picture(tmp_path / "x.png").rgb), pixels(image))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_broken_or_foreign_profile_is_ignored(tmp_path: Path, mode: str) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"no profile at all", swapped_profile()[:200], lab):
        image = noise().convert(mode)
        image.save(tmp_path / "x.png", icc_profile=profile)
        assert np.array_equal(pixels(load_picture(tmp_path / "x.png").rgb), pixels(image.convert("RGB")))


# ---------------------------------------------------------------------------------------- unreadable files


def refused(path: Path) -> str:
    """The one sentence with which reading fails; no warning may be printed beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            load_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("this is not a picture\n" * 20)
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "valid formats are" in refused(tmp_path / "text.png")
    assert "empty" in refused(tmp_path / "zero.jpg")
    assert "PostScript" in refused(tmp_path / "page.png")
    assert "folder" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "gone.png")
    for name in ("text.png", "zero.jpg", "gone.png", "."):
        with pytest.raises(ImageError):
            probe(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "regular file" in refused(tmp_path / "pipe.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    noise(64, 64).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(path)


def test_random_damage_raises_nothing_but_image_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for suffix in (".jpg", ".png", ".webp", ".gif", ".bmp", ".ppm"):
        noise(32, 32).save(tmp_path / f"good{suffix}")
        good = np.frombuffer((tmp_path / f"good{suffix}").read_bytes(), dtype=np.uint8)
        for _ in range(30):
            bad = good.copy()
            bad[rng.integers(0, min(len(bad), 200), 4)] = rng.integers(0, 256, 4)
            (tmp_path / f"bad{suffix}").write_bytes(bad.tobytes())
            with suppress(ImageError):  # anything else it may raise fails the test
                assert load_picture(tmp_path / f"bad{suffix}").rgb.mode == "RGB"


@pytest.mark.parametrize(
    ("error", "told"), [(PermissionError(13, "Permission denied"), "denied"), (MemoryError(), "memory")]
)
def test_failures_of_the_system_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, told: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    noise().save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "open", fail)
    assert told in refused(tmp_path / "x.png")


# ---------------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize("channels", [3, 1])
def test_image_to_tensor(channels: int) -> None:
    image = noise(7, 5, channels)
    tensor = to_tensor(image)
    assert tensor.shape == (channels, 5, 7)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert tensor[0, 2, 3].item() * 255 == pytest.approx(pixels(image).reshape(5, 7, channels)[2, 3, 0])


def test_tensor_round_trip_is_exact() -> None:
    levels = np.arange(256 * 3, dtype=np.uint32).astype(np.uint8).reshape(16, 16, 3)
    for image in (Image.fromarray(levels), noise(33, 17)):
        assert to_image(to_tensor(image)) == image
        assert to_image(to_tensor(image)[None]) == image


def test_a_tensor_does_not_share_memory_with_the_image() -> None:
    image = noise()
    before = pixels(image)
    to_tensor(image).zero_()
    assert np.array_equal(pixels(image), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_to_image_clamps_and_rounds(dtype: torch.dtype) -> None:
    values = torch.tensor([-3.0, 0.0, 0.25, 1.0, 7.5], dtype=dtype)
    image = to_image(values.expand(3, 2, 5).requires_grad_())
    assert pixels(image)[0, :, 0].tolist() == [0, 0, 64, 255, 255]
    assert pixels(to_image(torch.full((3, 1, 1), 99.7 / 255)))[0, 0, 0] == 100
    assert pixels(to_image(torch.full((3, 1, 1), 99.3 / 255)))[0, 0, 0] == 99


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1, 4, 4),
        torch.zeros(2, 3, 4, 4),
        torch.zeros(4, 4, 3),
        torch.zeros(4, 4),
        torch.zeros(3, 0, 4),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.full((3, 4, 4), float("nan")),
        torch.full((3, 4, 4), float("inf")),
    ],
)
def test_to_image_refuses_what_is_no_picture(tensor: torch.Tensor) -> None:
    with pytest.raises(ImageError):
        to_image(tensor)


def test_to_tensor_refuses_other_modes() -> None:
    with pytest.raises(ImageError, match="RGBA"):
        to_tensor(noise(channels=4))


# ---------------------------------------------------------------------------------------------- resizing


@pytest.mark.parametrize(
    ("size", "short", "long"),
    [
        ((40, 20), (20, 10), (10, 5)),
        ((20, 40), (10, 20), (5, 10)),
        ((5, 5), (10, 10), (10, 10)),
        ((300, 1), (3000, 10), (10, 1)),
    ],
)
def test_resizing_keeps_the_shape(size: tuple[int, int], short: tuple[int, int], long: tuple[int, int]) -> None:
    image = noise(*size)
    assert resize_short_side(image, 10).size == short
    assert resize_long_side(image, 10).size == long


def test_resizing_to_the_same_size_is_the_image_itself() -> None:
    image = noise(7, 5)
    assert resize_short_side(image, 5) is image
    assert resize_long_side(image, 7) is image


def test_resizing_averages_instead_of_skipping() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = pixels(resize_short_side(Image.fromarray(stripes), 8))
    assert np.abs(small - 127.5).max() < 20


@pytest.mark.parametrize("size", [0, -4])
def test_resizing_to_nothing_is_refused(size: int) -> None:
    with pytest.raises(ImageError, match=str(size)):
        resize_short_side(noise(), size)


# ---------------------------------------------------------------------------------------------- saving


@pytest.mark.parametrize("suffix", SAVE_FORMATS)
def test_saved_pictures_read_back(tmp_path: Path, suffix: str) -> None:
    image, path = smooth(40, 24), tmp_path / "new" / "folder" / f"X{suffix.upper()}"
    save_picture(image, path)
    with Image.open(path) as stored:
        assert stored.format == SAVE_FORMATS[suffix]
        assert ("icc_profile" in stored.info) == (suffix != ".bmp")
    back = load_picture(path)
    assert back.alpha is None
    worst = np.abs(pixels(back.rgb) - pixels(image)).max()
    assert worst <= (16 if SAVE_FORMATS[suffix] in ("JPEG", "WEBP") else 0)


def test_jpeg_keeps_full_colour_resolution(tmp_path: Path) -> None:
    save_picture(noise(), tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as stored:
        assert {component[1:3] for component in stored.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_quality_counts_and_is_checked(tmp_path: Path) -> None:
    save_picture(noise(64, 64), tmp_path / "low.jpg", quality=20)
    save_picture(noise(64, 64), tmp_path / "high.jpg")
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size / 2
    with pytest.raises(ImageError, match="101"):
        save_picture(noise(), tmp_path / "x.jpg", quality=101)


def test_equal_pictures_make_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ImageCms.ImageCmsProfile.tobytes

    def aged(profile: ImageCms.ImageCmsProfile) -> bytes:
        data = bytearray(real(profile))
        data[24:36] = os.urandom(12)  # the time of creation
        return bytes(data)

    monkeypatch.setattr(ImageCms.ImageCmsProfile, "tobytes", aged)
    for name in ("a.png", "b.png"):
        srgb_profile.cache_clear()
        save_picture(noise(), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_alpha_is_kept_where_the_format_can(tmp_path: Path, suffix: str) -> None:
    image, alpha = smooth(16, 16), noise(16, 16, channels=1)
    alpha.putpixel((3, 3), 0)
    save_picture(image, tmp_path / f"x{suffix}", alpha=alpha)
    back = load_picture(tmp_path / f"x{suffix}")
    assert np.array_equal(pixels(back.alpha), pixels(alpha))
    assert np.abs(pixels(back.rgb) - pixels(image)).max() <= (12 if suffix == ".webp" else 0)
    assert image.mode == "RGB"


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_alpha_is_laid_on_white_elsewhere(tmp_path: Path, suffix: str) -> None:
    alpha = Image.new("L", (16, 16), 0)
    alpha.paste(255, (0, 0, 8, 16))
    save_picture(Image.new("RGB", (16, 16), (200, 0, 0)), tmp_path / f"x{suffix}", alpha=alpha)
    back = load_picture(tmp_path / f"x{suffix}")
    assert back.alpha is None
    assert np.abs(pixels(back.rgb)[8, 2] - (200, 0, 0)).max() <= 4
    assert np.abs(pixels(back.rgb)[8, 13] - 255).max() <= 4


def test_grey_is_saved_as_grey(tmp_path: Path) -> None:
    for suffix in (".png", ".tif", ".bmp"):
        save_picture(noise(channels=1), tmp_path / f"x{suffix}")
        with Image.open(tmp_path / f"x{suffix}") as stored:
            assert stored.mode == "L"
            assert np.array_equal(pixels(stored), pixels(noise(channels=1)))


def test_metadata_of_the_image_is_not_written(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4), (1, 2, 3))
    image.info["transparency"] = (1, 2, 3)
    save_picture(image, tmp_path / "x.png")
    assert load_picture(tmp_path / "x.png").alpha is None
    assert "transparency" in image.info


def test_unknown_suffix_and_wrong_pictures_are_refused(tmp_path: Path) -> None:
    for name in ("x", "x.xyz", "x.gif"):
        with pytest.raises(ImageError, match=r"\.png .*\.bmp"):
            save_picture(noise(), tmp_path / name)
    with pytest.raises(ImageError, match="RGBA"):
        save_picture(noise(channels=4), tmp_path / "x.png")
    with pytest.raises(ImageError, match="alpha"):
        save_picture(noise(7, 5), tmp_path / "x.png", alpha=noise(5, 7, channels=1))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    save_picture(noise(seed=1), path)
    before = path.read_bytes()
    with pytest.raises(ImageError, match="exists; pass --overwrite to replace it"):
        save_picture(noise(seed=2), path)
    with pytest.raises(ImageError, match="exists"):
        check_writable(path)
    assert path.read_bytes() == before
    save_picture(noise(seed=2), path, overwrite=True)
    assert load_picture(path).rgb == noise(seed=2)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="folder"):
        save_picture(noise(), tmp_path / "x.png", overwrite=True)
    for place in ("file/x.png", "file/sub/x.png", f"{'long' * 99}.png"):
        with pytest.raises(ImageError, match="cannot be written"):
            check_writable(tmp_path / place)


def test_what_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"20000x1 pixels.*WEBP"):
        save_picture(Image.new("RGB", (20000, 1)), tmp_path / "x.webp")


@pytest.mark.parametrize("place", ["encode", "write", "sync", "rename"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "No space left on device|disk is full"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (KeyboardInterrupt(), None),
    ],
    ids=["full", "broken", "interrupted"],
)
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException, told: str | None
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    def write_a_part(path: Path, data: bytes) -> None:
        with path.open("xb") as file:
            file.write(data[:9])
        raise error

    path = tmp_path / "x.png"
    path.write_bytes(b"old")
    owner, name, replacement = {
        "encode": (Image.Image, "save", fail),
        "write": (Path, "write_bytes", write_a_part),
        "sync": (os, "fsync", fail),
        "rename": (os, "replace", fail),
    }[place]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, replacement)
        with pytest.raises(StyleBankError if told else KeyboardInterrupt) as caught:
            save_picture(noise(), path, overwrite=True)
    if told:
        assert re.search(told, str(caught.value))
        assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX systems")
def test_saved_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        save_picture(noise(), tmp_path / "x.png")
    finally:
        os.umask(old)
    assert (tmp_path / "x.png").stat().st_mode & 0o777 == 0o644


# ------------------------------------------------------------------------------------- bytes and open files


@pytest.mark.parametrize("suffix", SAVE_FORMATS)
def test_bytes_and_open_files_give_the_picture_of_the_path(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    save_picture(smooth(24, 16), path)
    wanted = pixels(load_picture(path).rgb)
    data = path.read_bytes()
    with path.open("rb") as file:
        sources = [data, bytearray(data), io.BytesIO(data), file]
        for source in sources:
            picture = load_picture(source)  # type: ignore[arg-type]
            assert np.array_equal(pixels(picture.rgb), wanted)
            assert picture.path is None
        assert not file.closed
    assert probe(data) == (24, 16)


def test_an_open_file_is_read_from_where_it_stands() -> None:
    buffer = io.BytesIO()
    save_picture(noise(), buffer, suffix=".png")
    behind = io.BytesIO(b"a header of another kind" + buffer.getvalue())
    behind.seek(24)
    assert np.array_equal(pixels(load_picture(behind).rgb), pixels(noise()))


def test_bytes_are_turned_upright_like_files(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("x.jpg", "x.png"):
        smooth(32, 16).save(tmp_path / name, exif=exif)
        from_path, from_bytes = load_picture(tmp_path / name), load_picture((tmp_path / name).read_bytes())
        assert from_bytes.rgb.size == (16, 32)
        assert np.array_equal(pixels(from_bytes.rgb), pixels(from_path.rgb))


def test_pictures_are_written_to_open_files(tmp_path: Path) -> None:
    for suffix in SAVE_FORMATS:
        buffer = io.BytesIO()
        save_picture(smooth(16, 16), buffer, suffix=suffix)
        save_picture(smooth(16, 16), tmp_path / f"x{suffix}")
        assert buffer.getvalue() == (tmp_path / f"x{suffix}").read_bytes()
        assert not buffer.closed


@pytest.mark.parametrize(
    ("source", "mentions"),
    [
        (b"", ["empty"]),
        (b"no picture at all", ["no picture", "PNG"]),
        (io.StringIO("text"), ["text", "rb"]),
        (7, ["path", "int"]),
        (None, ["path", "NoneType"]),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(source: object, mentions: list[str]) -> None:
    with refusal(ImageError, *mentions):
        load_picture(source)  # type: ignore[arg-type]


def test_damaged_bytes_are_refused() -> None:
    buffer = io.BytesIO()
    save_picture(noise(64, 64), buffer, suffix=".png")
    with refusal(ImageError, "damaged"):
        load_picture(buffer.getvalue()[:200])


def test_an_open_file_needs_a_format_and_gets_nothing_if_encoding_fails() -> None:
    buffer = io.BytesIO()
    with refusal(ImageError, "suffix", ".png"):
        save_picture(noise(), buffer)
    with refusal(ImageError, "mode CMYK"):
        save_picture(Image.new("CMYK", (4, 4)), buffer, suffix=".png")
    assert buffer.getvalue() == b""
    with refusal(StyleBankError, "could not be written"):
        save_picture(noise(), ReadOnly(), suffix=".png")


class ReadOnly(io.BytesIO):
    def write(self, data: object) -> int:
        raise io.UnsupportedOperation("not writable")
