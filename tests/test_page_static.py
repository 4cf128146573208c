"""The page as a static folder in a real browser, which paints by itself: pictures and files are those of Python."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from pictures import smooth
from PIL import ExifTags, Image, ImageCms
from test_metadata import camera_exif, exif_of, photograph, xmp_of
from tiny import pixels, run, write_bank

pytest.importorskip("onnxscript", reason="needs the extra 'export'")
from browsing import (
    PATIENCE,
    apart,
    choose,
    chromium,
    downloaded,
    drop,
    open_photo,
    page_at,
    painted,
    playwright,
    rest,
    static_files,
    stroke,
    write_shore,
)

from stylebank.images.convert import srgb_profile
from stylebank.inference.stylizer import Stylizer

RUNTIME = Path(__file__).parent / "web" / "node_modules" / "onnxruntime-web" / "dist"
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("static")


@pytest.fixture(scope="module")
def photo(folder: Path) -> Path:
    return write_shore(folder / "shore.png")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The static folder of a tiny bank with noise, on a server that knows nothing but files."""
    if not RUNTIME.is_dir():
        pytest.skip("needs npm install --prefix tests/web")
    write_bank(folder / "noisy", "calm", "storm", noise_channels=2)
    where = ("--out", folder / "web", "--runtime", RUNTIME, "--precision", "float32")
    assert run("export", folder / "noisy", "--format", "web", *where) == 0
    with static_files(folder / "web") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(*CAMERA, *SOFTWARE_GPU) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    """One page for most tests, as a browser takes seconds to compile the runtime."""
    with page_at(browser, f"{address}?engine=wasm") as page:
        page.set_default_timeout(4 * PATIENCE)
        yield page


def opened(page: Any, file: Path, kind: str) -> None:
    """Opens another photograph, and waits for its picture."""
    count = painted(page)
    drop(page, file, kind)
    rest(page, count + 1)


def stylized(folder: Path, source: Path, target: Path) -> Path:
    """What the command line makes of it."""
    bank = ("--bank", folder / "noisy", "--device", "cpu", "--precision", "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run("stylize", *bank, "--style", "calm", "--input", source, "--output", target) == 0
    return target


def test_it_makes_python_s_pictures(page: Any, folder: Path, photo: Path, tmp_path: Path) -> None:
    """Plain, in pieces, and with all there is."""
    stylizer = Stylizer.load(folder / "noisy", "cpu", "float32")

    def differs(name: str, source: Image.Image, style: Any, **look: Any) -> tuple[float, int]:
        made = downloaded(page, page.locator("#download"), tmp_path / name)
        return apart(pixels(made)[..., :3], np.asarray(stylizer.stylize(source, style, **look)))

    large = Image.open(photo).resize((890, 610))  # more than half a megapixel is painted in pieces
    large.save(tmp_path / "large.png")
    open_photo(page, tmp_path / "large.png")
    assert differs("pieces", large, "calm")[1] <= 1
    drop(page, photo)
    rest(page, 2)
    small = Image.open(photo)
    assert differs("plain", small, "calm")[1] <= 1
    page.get_by_role("button", name="Add Storm to the mixture").click()
    page.get_by_role("tab", name="Look").click()
    page.get_by_role("radio", name="Its palette").check()
    page.get_by_label("Seed of the strokes").fill("70000")
    page.get_by_role("radio", name="Set").check()
    page.get_by_role("slider", name="Width").fill("1")
    page.get_by_role("tab", name="Brush").click()
    choose(page, "Storm")
    stroke(page, (0.2, 0.3), (0.8, 0.6))
    mask = downloaded(page, page.get_by_role("button", name="Save the mask"), tmp_path)
    look: dict[str, Any] = {"seed": 70000, "stroke": 2.0, "colors": "histogram"}
    look["masks"] = {"storm": Image.open(mask).convert("L")}
    mean, largest = differs("all", small, {"calm": 0.5, "storm": 0.5}, **look)
    assert mean < 0.1
    assert largest <= 8  # levels of the palette are rounded differently
    page.reload()


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 6), ("PNG", 5), ("WEBP", 3)])
def test_what_a_file_says_goes_into_downloads_as_infer_py_does_it(
    page: Any, folder: Path, tmp_path: Path, kind: str, orientation: int
) -> None:
    source = photograph(tmp_path / f"in.{kind.lower()}", kind, orientation=orientation)
    opened(page, source, f"image/{kind.lower()}")
    for form, suffix in SUFFIXES.items():
        page.locator("#format").select_option(form)
        made = downloaded(page, page.locator("#download"), tmp_path)
        assert made.suffix == suffix
        wanted = stylized(folder, source, tmp_path / f"wanted{suffix}")
        assert told_of(made) == told_of(wanted)
        with Image.open(made) as one, Image.open(wanted) as other:
            assert one.info["icc_profile"] == srgb_profile()
            # Decoders of the photograph differ a little, encoders more: the tiny bank's pictures are all grain.
            assert apart(np.asarray(one.convert("RGB")), np.asarray(other))[0] < (1 if form == "png" else 15)
    page.locator("#format").select_option("png")


def told_of(file: Path) -> dict[str, Any]:
    """All metadata of a picture, but where its parts lie in the file."""
    exif = exif_of(file)
    told: dict[str, Any] = {ExifTags.TAGS.get(tag, str(tag)): value for tag, value in exif.items()}
    for key in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        told[key.name] = exif.get_ifd(key)
        told.pop(ExifTags.TAGS[key], None)
    with Image.open(file) as image:
        told["dpi"] = image.info.get("dpi")
    for key in ("dpi", "XResolution", "YResolution"):
        if told.get(key) is not None:
            told[key] = np.round(np.array(told[key], float), 2).tolist()
    told["xmp"] = ElementTree.canonicalize(xmp_of(file))
    return told


def test_transparency_and_profiles_are_those_of_infer_py(page: Any, folder: Path, tmp_path: Path) -> None:
    """Of a picture that is black where it is clear, as browsers have no colours there."""
    alpha = np.zeros((48, 64), np.uint8)
    alpha[8:40, 8:56], alpha[10:38, 10:54] = 128, 255
    picture = Image.fromarray(np.where(alpha[..., None] > 0, np.asarray(smooth(64, 48)), 0))
    picture.putalpha(Image.fromarray(alpha))
    # A profile whose red and blue are exchanged: whoever does not obey it paints another picture.
    data = bytearray(srgb_profile())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    swapped = ImageCms.ImageCmsProfile(io.BytesIO(bytes(data))).tobytes()
    picture.save(tmp_path / "in.png", icc_profile=swapped)
    opened(page, tmp_path / "in.png", "image/png")
    for form, suffix in SUFFIXES.items():
        page.locator("#format").select_option(form)
        made = Image.open(downloaded(page, page.locator("#download"), tmp_path))
        wanted = Image.open(stylized(folder, tmp_path / "in.png", tmp_path / f"wanted{suffix}"))
        assert made.mode == wanted.mode == ("RGB" if form == "jpeg" else "RGBA")
        if form != "jpeg":
            np.testing.assert_array_equal(np.asarray(made)[..., 3], np.asarray(wanted)[..., 3])
        colors = (np.asarray(each.convert("RGB"))[alpha == 255] for each in (made, wanted))
        assert apart(*colors)[0] < (1 if form == "png" else 15)
    page.locator("#format").select_option("png")


def test_damaged_metadata_costs_no_picture(page: Any, tmp_path: Path) -> None:
    block = camera_exif().tobytes()
    for number, exif in enumerate((block[:40], b"Exif\0\0no directory", block[:200] + bytes(range(100)))):
        smooth(32, 24).save(tmp_path / f"{number}.jpg", exif=exif, xmp=b"no XML")
        opened(page, tmp_path / f"{number}.jpg", "image/jpeg")
        made = downloaded(page, page.locator("#download"), tmp_path)
        assert sorted(pixels(made).shape[:2]) == [24, 32]
        assert not xmp_of(made)
        exif_of(made)
        playwright.expect(page.get_by_role("alert")).to_be_hidden()


def test_the_camera_is_live_and_takes_a_photograph(page: Any, tmp_path: Path) -> None:
    """Chromium's camera for tests shows a disc that turns."""
    page.locator("#camera").click()
    dialog = page.get_by_role("dialog", name="Camera")
    live = dialog.get_by_role("img", name="The camera's picture in the style")
    dialog.get_by_label("Live style").select_option("storm")
    live.wait_for()
    playwright.expect(dialog.get_by_text("pictures a second")).to_be_visible()
    first = live.get_attribute("src")
    playwright.expect(live).not_to_have_attribute("src", first)  # the next frame
    assert max(live.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")) == 256
    dialog.get_by_label("Live style").select_option("")
    playwright.expect(live).to_be_hidden()
    count = painted(page)
    dialog.get_by_role("button", name="Take the photograph").click()
    rest(page, count + 1)
    playwright.expect(page.locator("#photo-name")).to_contain_text("camera.png")
    assert page.evaluate("document.querySelector('#camera-dialog video').srcObject?.active ?? false") is False
    made = pixels(downloaded(page, page.locator("#download"), tmp_path))
    assert made.shape[0] >= 480
    assert made.std() > 5  # no black frame


def test_on_webgpu_it_makes_the_same_picture(browser: Any, address: str, folder: Path, tmp_path: Path) -> None:
    """On the GPU that Chromium computes in software: slow, but the code is the one of a real one."""
    small = smooth(96, 64)
    small.save(tmp_path / "small.png")
    with page_at(browser, address) as page:
        if not page.evaluate("navigator.gpu?.requestAdapter().then(Boolean)"):
            pytest.skip("this Chromium has no WebGPU")
        page.set_default_timeout(4 * PATIENCE)
        open_photo(page, tmp_path / "small.png")
        playwright.expect(page.locator("#engine")).to_have_text("In this browser: WebGPU")
        made = downloaded(page, page.locator("#download"), tmp_path)
    right = Stylizer.load(folder / "noisy", "cpu", "float32").stylize(small, "calm")
    assert apart(pixels(made)[..., :3], np.asarray(right))[1] <= 1
