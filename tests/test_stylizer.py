"""The Stylizer: the same kind of picture out as in, whatever is asked of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import refused
from PIL import Image
from tiny import write_bank

from stylebank.errors import BankError, ConfigError, ImageError
from stylebank.images import load_picture, to_image, to_tensor
from stylebank.inference.stylizer import Stylizer

STYLES = ("calm", "storm")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("stylizer") / "bank", *STYLES)


@pytest.fixture(scope="module")
def stylizer(bank: Path) -> Stylizer:
    return Stylizer.load(bank, "cpu", "float32")


@pytest.fixture
def picture(photos: Path) -> Image.Image:
    return Image.open(photos / "waves.jpg").resize((50, 37))


def test_it_knows_its_styles(stylizer: Stylizer, bank: Path) -> None:
    assert stylizer.styles == STYLES
    assert Stylizer.load(str(bank)).styles == STYLES
    assert not stylizer.model.training
    assert not any(parameter.requires_grad for parameter in stylizer.model.parameters())


@pytest.mark.parametrize("style", [*STYLES, "identity"])
def test_the_same_kind_and_size_comes_out(stylizer: Stylizer, picture: Image.Image, style: str) -> None:
    expected = np.asarray(stylizer.stylize(picture, style))
    result = stylizer.stylize(picture, style)
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size) == ("RGB", picture.size)

    array = stylizer.stylize(np.asarray(picture), style)
    assert isinstance(array, np.ndarray)
    assert (array.dtype, array.shape) == (np.uint8, (37, 50, 3))
    assert (array == expected).all()
    array[0, 0] = 0  # it is the caller's own

    tensor = stylizer.stylize(to_tensor(picture), style)
    assert isinstance(tensor, torch.Tensor)
    assert (tensor.dtype, tensor.shape) == (torch.float32, (3, 37, 50))
    assert 0 <= tensor.min() <= tensor.max() <= 1
    assert (np.asarray(to_image(tensor)) == expected).all()

    batch = torch.stack([to_tensor(picture), to_tensor(picture).flip(2)])
    both = stylizer.stylize(batch, style)
    assert both.shape == batch.shape
    torch.testing.assert_close(both[0], tensor, atol=1e-5, rtol=1e-4)


def test_styles_differ(stylizer: Stylizer, picture: Image.Image) -> None:
    results = [np.asarray(stylizer.stylize(picture, style)).astype(int) for style in (*STYLES, "identity")]
    for i in range(3):
        assert np.abs(results[i] - results[i - 1]).mean() > 2


def test_encoding_once_gives_the_same_pictures(stylizer: Stylizer, picture: Image.Image) -> None:
    encoded = stylizer.encode(picture)
    for style in (*STYLES, "identity", *STYLES):
        assert encoded.stylize(style).tobytes() == stylizer.stylize(picture, style).tobytes()
        assert torch.equal(encoded.decode(style)[0], stylizer.stylize(to_tensor(picture), style))


def test_the_input_is_left_alone(stylizer: Stylizer, picture: Image.Image) -> None:
    tensor = to_tensor(picture)
    before = tensor.clone()
    stylizer.stylize(tensor, "calm")
    stylizer.stylize(tensor[None], "identity")
    assert torch.equal(tensor, before)


def test_results_do_not_vary(bank: Path, picture: Image.Image) -> None:
    first, second = (Stylizer.load(bank, "cpu", "float32").stylize(picture, "calm") for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_half_precision_looks_the_same(bank: Path, stylizer: Stylizer, picture: Image.Image) -> None:
    tensor = to_tensor(picture)
    half = Stylizer.load(bank, "cpu", "bfloat16").stylize(tensor, "identity")
    assert half.dtype == torch.float32
    assert (half - stylizer.stylize(tensor, "identity")).abs().mean() < 0.02


def test_pictures_of_any_mode_are_taken(stylizer: Stylizer, picture: Image.Image) -> None:
    gray = picture.convert("L")
    expected = stylizer.stylize(gray.convert("RGB"), "calm").tobytes()
    assert stylizer.stylize(gray, "calm").tobytes() == expected
    levels = np.asarray(gray).astype(np.uint16) * 257
    for deep in (
        Image.fromarray(levels),
        Image.fromarray(levels.astype(np.int32)),
        Image.fromarray(levels / np.float32(65535)),
    ):
        assert deep.mode in ("I;16", "I", "F")
        assert stylizer.stylize(deep, "calm").tobytes() == expected, deep.mode
    for mode in ("1", "P", "CMYK", "YCbCr", "LAB", "HSV"):
        assert stylizer.stylize(picture.convert("RGB").convert(mode), "calm").mode == "RGB"


def test_alpha_comes_back(stylizer: Stylizer, picture: Image.Image) -> None:
    alpha = Image.linear_gradient("L").resize(picture.size)
    clear = picture.copy()
    clear.putalpha(alpha)
    expected = np.asarray(stylizer.stylize(picture, "calm"))
    result = stylizer.stylize(clear, "calm")
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result)[..., :3], expected)
    assert result.getchannel("A").tobytes() == alpha.tobytes()
    assert stylizer.stylize(clear.convert("LA"), "calm").mode == "RGBA"
    array = stylizer.stylize(np.asarray(clear), "calm")
    assert np.array_equal(array, np.asarray(result))


def test_pictures_are_turned_as_their_files_would_be(stylizer: Stylizer, picture: Image.Image, tmp_path: Path) -> None:
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    picture.save(tmp_path / "lying.png", exif=exif)
    with Image.open(tmp_path / "lying.png") as lying:
        result = stylizer.stylize(lying, "calm")
        lying.load()
        assert lying.getexif()[0x0112] == 6
    assert result.size == (37, 50)
    expected = stylizer.stylize(load_picture(tmp_path / "lying.png").rgb, "calm")
    assert result.tobytes() == expected.tobytes()


def test_what_is_loaded_is_logged(bank: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="stylebank"):
        Stylizer.load(bank, "cpu", "float32")
    assert caplog.messages == [f"Bank {bank}: 2 styles, on cpu in float32."]


@pytest.mark.parametrize(
    ("options", "mention"),
    [
        ({"style": {"calm": "much"}}, "'much'"),
        ({"style": {"calm": 0.0, "storm": 0.0}}, "not all 0"),
        ({"alpha": "much"}, "'much'"),
        ({"stroke": "wide"}, "'wide'"),
        ({"seed": "x"}, "'x'"),
        ({"seed": 0.5}, "0.5"),
    ],
)
def test_wrong_values_are_refused_in_words_of_python(
    stylizer: Stylizer, picture: Image.Image, options: dict[str, Any], mention: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(mention)) as error:
        stylizer.stylize(picture, **{"style": "calm", **options})
    assert "--" not in str(error.value)


def test_arrays_of_every_shape_and_kind(stylizer: Stylizer, picture: Image.Image) -> None:
    levels = np.asarray(picture)
    expected = stylizer.stylize(levels, "calm")
    for kind in (np.float32, np.float64, np.float16):
        out = stylizer.stylize((levels / 255).astype(kind), "calm")
        assert (out.dtype, out.shape) == (kind, levels.shape)
        assert np.abs(out.astype(float) * 255 - expected).max() < 2
    batch = stylizer.stylize(np.stack([levels, levels[::-1], levels]), "calm")
    assert batch.shape == (3, *levels.shape)
    assert np.array_equal(batch[0], expected)
    assert np.array_equal(batch[2], expected)
    gray = np.asarray(picture.convert("L"))
    assert stylizer.stylize(gray, "calm").shape == levels.shape
    assert stylizer.stylize(gray[..., None], "calm").shape == levels.shape


def test_the_weight_of_one_style_alone_is_its_strength(stylizer: Stylizer, picture: Image.Image) -> None:
    half = stylizer.stylize(picture, {"calm": 0.5}).tobytes()
    assert half == stylizer.stylize(picture, "calm", alpha=0.5).tobytes() != stylizer.stylize(picture, "calm").tobytes()
    with refused(ConfigError, "'calm' alone", "not 2"):
        stylizer.stylize(picture, {"calm": 2})


def test_the_looks_of_the_command_work_here(stylizer: Stylizer, picture: Image.Image) -> None:
    large = picture.resize((120, 90))
    plain = stylizer.stylize(large, "calm")
    for looks in ({"colors": "luma"}, {"colors": "histogram"}, {"stroke": 2}, {"stroke": 0.5}):
        out = stylizer.stylize(large, "calm", **looks)  # type: ignore[arg-type]
        assert out.size == large.size
        assert out.tobytes() != plain.tobytes()
    assert stylizer.stylize(large, "calm", size=45).size == (60, 45)
    assert stylizer.stylize(np.asarray(large), "calm", size=45).shape == (45, 60, 3)
    with refused(ConfigError, "stroke"):
        stylizer.stylize(to_tensor(large), "calm", stroke=2)
    with refused(ConfigError, "17"):
        stylizer.stylize(large, "calm", stroke=17)
    with refused(ConfigError, "sepia"):
        stylizer.stylize(large, "calm", colors="sepia")  # type: ignore[arg-type]
    with refused(ConfigError, "NoneType"):
        stylizer.stylize(large, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "mention"),
    [
        ("photo.jpg", "str"),
        (None, "NoneType"),
        (np.full((20, 20, 3), 200, np.float32), "divide by 255"),
        (np.full((20, 20, 3), np.nan), "nan"),
        (np.full((20, 20, 3), -1.0), "-1"),
        (np.zeros((20, 20, 3), np.int64), "int64"),
        (np.zeros((20, 20, 3), bool), "bool"),
        (np.zeros((20, 20, 2), np.uint8), "2x20"),
        (np.zeros((0, 20, 20, 3), np.uint8), "(0, 20, 20, 3)"),
        (np.zeros(20, np.uint8), "(20,)"),
        (np.zeros((2, 2, 20, 20, 3), np.uint8), "(2, 2, 20, 20, 3)"),
        (torch.full((3, 20, 20), 255.0), "divide by 255"),
        (torch.full((3, 20, 20), float("nan")), "nan"),
        (torch.zeros(3, 20, 20, dtype=torch.uint8), "uint8"),
        (torch.zeros(1, 20, 20), "(1, 20, 20)"),
        (torch.zeros(20, 20), "(20, 20)"),
        (torch.zeros(1, 1, 3, 20, 20), "(1, 1, 3, 20, 20)"),
        (torch.zeros(3, 15, 20), "20x15"),
        (Image.new("RGB", (15, 20)), "15x20"),
        (np.zeros((15, 20, 3), np.uint8), "20x15"),
    ],
)
def test_other_kinds_are_refused(stylizer: Stylizer, wrong: object, mention: str) -> None:
    with refused(ImageError, mention):
        stylizer.stylize(wrong, "calm")  # type: ignore[type-var]
    with refused(ImageError, mention):
        stylizer.encode(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["float16", "half"])
def test_precisions_that_are_not_there_are_refused(bank: Path, precision: str) -> None:
    with refused(ConfigError, precision, "cpu", "float32"):
        Stylizer.load(bank, "cpu", precision)


def test_unknown_styles_are_refused(stylizer: Stylizer, picture: Image.Image) -> None:
    with refused(BankError, "'sunny'", "calm, storm", "identity"):
        stylizer.stylize(picture, "sunny")
    with refused(BankError, "'sunny'"):
        stylizer.encode(picture).stylize("sunny")


def test_banks_and_devices_that_are_not_there_are_refused(bank: Path, tmp_path: Path) -> None:
    with refused(BankError, tmp_path / "none"):
        Stylizer.load(tmp_path / "none")
    with refused(ConfigError, "abacus"):
        Stylizer.load(bank, device="abacus")
