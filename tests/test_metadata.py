"""What a photograph's file says of it goes into the stylized file; what it says of its old pixels does not."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import pixels, smooth
from PIL import ExifTags, Image, ImageCms, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational
from tiny import run, succeed, write_bank

from stylebank.errors import StyleBankWarning
from stylebank.images import load_picture, probe, save_picture

EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
READ = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "MPO")
WRITTEN = (".jpg", ".png", ".webp", ".tif")
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:note="http://ns.adobe.com/xmp/note/"
 xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" tiff:Orientation="{orientation}" tiff:ImageWidth="4000"
 xmp:Rating="4" note:HasExtendedXMP="ABC" GCamera:MotionPhoto="1">
<dc:creator><rdf:Seq><rdf:li>Zoë</rdf:li></rdf:Seq></dc:creator>
<tiff:ImageLength>3000</tiff:ImageLength><xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails></rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def camera_exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Nikon", "Z 6", "2021:02:03 04:05:06"
    exif[0x0112] = orientation
    exif[0x013B], exif[0x8298] = "Zoë".encode(), "© Zoë".encode()
    exif[0x9C9B] = "Lärche\0".encode("utf-16-le")
    exif[EXIF] = {
        0x9003: "2021:02:03 04:05:06",
        0x829A: IFDRational(1, 250),
        0x9204: IFDRational(-1, 3),
        0x927C: b"maker's own",
        0xA002: 4000,
        0xA003: 3000,
        0xA434: "NIKKOR Z 24-70mm f/2.8 S",
    }
    exif[GPS] = {1: "N", 2: (IFDRational(47), IFDRational(3), IFDRational(5, 10)), 3: "E"}
    return exif


def photograph(path: Path, kind: str = "JPEG", *, orientation: int = 6, xmp: bool = True) -> Path:
    image, options = smooth(64, 48), dict[str, Any](exif=camera_exif(orientation).tobytes(), dpi=(300, 300))
    packet = XMP.replace("{orientation}", str(orientation))
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    if xmp and kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet)
    elif xmp and kind == "TIFF":
        exif = Image.Exif()
        exif.load(camera_exif(orientation).tobytes())
        exif[0x013B], exif[0x8298] = exif[0x013B].encode("latin-1"), exif[0x8298].encode("latin-1")
        exif[700] = packet.encode()
        options["exif"] = exif
    elif xmp:
        options["xmp"] = packet.encode()
    image.save(path, kind, **options)
    return path


def exif_of(path: Path) -> Image.Exif:
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        exif.get_ifd(EXIF)
        exif.get_ifd(GPS)
        return exif


def xmp_of(path: Path) -> str:
    with Image.open(path) as image:
        image.load()
        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        return packet.decode() if isinstance(packet, bytes) else packet


def carried(source: Path, target: Path, size: tuple[int, int] = (32, 40)) -> Path:
    picture = load_picture(source, with_metadata=True)
    save_picture(picture.rgb.resize(size), target, metadata=picture.metadata)
    return target


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("suffix", WRITTEN)
def test_date_camera_lens_place_author_and_resolution_are_kept(tmp_path: Path, kind: str, suffix: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", StyleBankWarning)
        out = carried(photograph(tmp_path / "in", kind, xmp=kind != "MPO"), tmp_path / f"out{suffix}")
    exif = exif_of(out)
    inner, place = exif.get_ifd(EXIF), exif.get_ifd(GPS)
    assert (exif[0x010F], exif[0x0110], exif[0x0132]) == ("Nikon", "Z 6", "2021:02:03 04:05:06")
    if kind != "AVIF":  # Pillow itself writes such texts to AVIF with question marks
        assert exif[0x013B].encode("latin-1").decode() == "Zoë"
        assert exif[0x8298].encode("latin-1").decode() == "© Zoë"
    assert exif[0x9C9B].decode("utf-16-le") == "Lärche\0"
    assert (inner[0x9003], inner[0xA434]) == ("2021:02:03 04:05:06", "NIKKOR Z 24-70mm f/2.8 S")
    assert inner[0x829A] == IFDRational(1, 250)
    assert inner[0x9204] == pytest.approx(-1 / 3)
    assert (place[1], place[3], tuple(map(float, place[2]))) == ("N", "E", (47, 3, 0.5))
    if kind in ("JPEG", "PNG", "TIFF"):
        assert (float(exif[0x011A]), float(exif[0x011B]), exif[0x0128]) == pytest.approx((300, 300, 2), abs=0.01)
        if suffix != ".webp":
            with Image.open(out) as image:
                assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    if kind != "MPO":
        assert "Zoë" in xmp_of(out)
        assert 'xmp:Rating="4"' in xmp_of(out)


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_describes_the_old_pixels_is_not(tmp_path: Path, kind: str, suffix: str) -> None:
    out = carried(photograph(tmp_path / "in", kind, xmp=kind != "MPO"), tmp_path / f"out{suffix}")
    exif = exif_of(out)
    inner = exif.get_ifd(EXIF)
    assert exif.get(0x0112, 1) == 1
    assert 0x927C not in inner
    assert (inner[0xA002], inner[0xA003], inner[0xA001]) == (32, 40, 1)
    assert not exif.get_ifd(ExifTags.IFD.IFD1)
    for old in ("Orientation", "ImageWidth", "ImageLength", "Thumbnails", "HasExtendedXMP", "MotionPhoto"):
        assert old not in xmp_of(out)
    with Image.open(out) as image:
        assert image.size == (32, 40)
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    np.testing.assert_array_equal(pixels(load_picture(out).rgb).shape, (40, 32, 3))  # read as it lies


def test_bmp_holds_the_resolution_alone(tmp_path: Path) -> None:
    out = carried(photograph(tmp_path / "in"), tmp_path / "out.bmp")
    with Image.open(out) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_in_xmp_alone_turns_the_picture(tmp_path: Path, kind: str, late: bool) -> None:
    packet = XMP.replace("{orientation}", "6")
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet)
    options: dict[str, Any] = {"pnginfo": info} if kind == "PNG" else {"xmp": packet.encode()}
    path = tmp_path / "in"
    smooth(64, 48).save(path, kind, **options)
    if late and kind == "PNG":
        path.write_bytes(_behind_the_pixels(path.read_bytes(), b"iTXt"))
    assert probe(path) == (48, 64)
    picture = load_picture(path, with_metadata=True)
    assert np.abs(pixels(picture.rgb) - pixels(smooth(64, 48).transpose(Image.Transpose.ROTATE_270))).mean() < 8
    out = tmp_path / "out.png"
    save_picture(picture.rgb, out, metadata=picture.metadata)
    assert probe(out) == (48, 64)
    assert "Zoë" in xmp_of(out)


def _behind_the_pixels(data: bytes, kind: bytes) -> bytes:
    at = data.index(kind) - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
    rest = data.replace(chunk, b"")
    end = rest.index(b"IEND") - 4
    return rest[:end] + chunk + rest[end:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_metadata_never_fails_a_picture(tmp_path: Path, kind: str) -> None:
    whole = camera_exif().tobytes()
    rng = np.random.default_rng(0)
    cases = [whole[:length] for length in range(6, len(whole), 7)]
    for _ in range(60):
        flipped = bytearray(whole)
        for at in rng.integers(6, len(whole), 6):
            flipped[at] = rng.integers(256)
        cases.append(bytes(flipped))
    said = []
    for number, exif in enumerate(cases):
        path = tmp_path / "in"
        smooth(16, 16).save(path, kind, exif=exif)
        for suffix in (".jpg", ".tif"):
            with warnings.catch_warnings(record=True) as noticed:
                warnings.simplefilter("always")
                out = carried(path, tmp_path / f"{number}{suffix}")
            assert {warning.category for warning in noticed} <= {StyleBankWarning}
            said += [str(warning.message) for warning in noticed]
            assert load_picture(out, with_metadata=True).rgb.size == (32, 40)
    assert said
    assert all("in'" in text and "\n" not in text and text.endswith(".") for text in said)


@pytest.mark.parametrize(
    "packet",
    [
        b"no XML",
        b"<a><b></a>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>" * 20_000 + b"</a>" * 20_000,
        b"\xff",
    ],
)
def test_a_damaged_packet_is_left_out_in_one_sentence(tmp_path: Path, packet: bytes) -> None:
    smooth(16, 16).save(tmp_path / "in.webp", xmp=packet)
    with pytest.warns(StyleBankWarning, match=r"in\.webp': its XMP packet is damaged and was left out\.$"):
        out = carried(tmp_path / "in.webp", tmp_path / "out.png")
    assert not xmp_of(out)


def test_what_is_too_large_for_a_jpeg_is_left_out_and_named(tmp_path: Path) -> None:
    exif = camera_exif()
    exif[EXIF][0x9286] = b"ASCII\0\0\0" + b"x" * 90_000
    packet = XMP.replace("Zoë", "Zoë" * 30_000).encode()
    smooth(16, 16).save(tmp_path / "in.webp", exif=exif.tobytes(), xmp=packet)
    with pytest.warns(StyleBankWarning) as noticed:
        out = carried(tmp_path / "in.webp", tmp_path / "out.jpg")
    texts = [str(warning.message) for warning in noticed]
    assert any("EXIF block is too large for a JPEG; left out: UserComment." in text for text in texts)
    assert any("is too large for a JPEG and was left out." in text for text in texts)
    assert exif_of(out)[0x0110] == "Z 6"
    assert not xmp_of(out)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StyleBankWarning)
        for suffix in (".png", ".tif", ".webp"):
            out = carried(tmp_path / "in.webp", tmp_path / f"out{suffix}")
            assert len(exif_of(out).get_ifd(EXIF)[0x9286]) > 90_000
            assert len(xmp_of(out)) > 90_000


@pytest.mark.parametrize("dpi", [(0, 0), (1e9, 1e9), (72, 0)])
def test_an_absurd_resolution_is_left_out(tmp_path: Path, dpi: tuple[float, float]) -> None:
    smooth(16, 16).save(tmp_path / "in.tif", x_resolution=dpi[0], y_resolution=dpi[1], resolution_unit=2)
    for suffix in (*WRITTEN, ".bmp"):
        out = carried(tmp_path / "in.tif", tmp_path / f"out{suffix}")
        assert 0x011A not in exif_of(out)


def test_centimetres_become_inches(tmp_path: Path) -> None:
    smooth(16, 16).save(tmp_path / "in.tif", x_resolution=100, y_resolution=100, resolution_unit=3)
    assert load_picture(tmp_path / "in.tif", with_metadata=True).metadata.dpi == pytest.approx((254, 254))


# -------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def stylize(tmp_path: Path) -> tuple[object, ...]:
    bank = write_bank(tmp_path / "bank", "wave", "scream")
    return ("stylize", "--bank", bank, "--device", "cpu", "--size", "16", "--input", photograph(tmp_path / "in.jpg"))


@pytest.mark.parametrize("look", [["--style", "wave"], ["--style", "wave", "scream", "--sweep", "3"]])
def test_the_command_keeps_metadata(
    tmp_path: Path, stylize: tuple[object, ...], look: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    succeed(capsys, *stylize, *look, "--output", tmp_path / "out.jpg")
    assert exif_of(tmp_path / "out.jpg")[0x0110] == "Z 6"
    assert exif_of(tmp_path / "out.jpg").get_ifd(GPS)[1] == "N"


def test_the_command_strips_metadata_if_asked(
    tmp_path: Path, stylize: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in WRITTEN:
        out = tmp_path / f"out{suffix}"
        succeed(capsys, *stylize, "--style", "wave", "--strip-metadata", "--output", out)
        exif = exif_of(out)
        assert not {0x010F, 0x0132, 0x013B, 0x011A} & set(exif)
        assert not exif.get_ifd(EXIF)
        assert not exif.get_ifd(GPS)
        assert not xmp_of(out)
        assert b"Nikon" not in out.read_bytes()
        with Image.open(out) as image:
            assert image.info["icc_profile"]


def test_the_command_says_of_damaged_metadata_in_one_line(
    tmp_path: Path, stylize: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    smooth(32, 32).save(tmp_path / "odd.jpg", exif=b"Exif\0\0no directory")
    assert run(*stylize[:-1], tmp_path / "odd.jpg", "--style", "wave", "--output", tmp_path / "out.png") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Warning:")]
    assert lines == [f"Warning: '{tmp_path / 'odd.jpg'}': its EXIF block is damaged and was left out."]
