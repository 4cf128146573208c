"""`stylebank bank verify`: a bank's numbers measured again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tiny import fail, paint, run, succeed, trainer, write_bank

from stylebank.bank.io import load_bank
from stylebank.images import find_images
from stylebank.training.measuring import measure


@pytest.fixture(scope="module", autouse=True)
def _small_measurements() -> Iterator[None]:
    """Held-out photographs at 32 pixels instead of 256: seconds less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.evaluation.held_out.MEASURE_SIDE", 32)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, _photos: Path, random_vgg_weights: Path) -> Path:
    """A folder with `bank`, the photographs it was trained and measured on, and its paintings."""
    place = tmp_path_factory.mktemp("verify")
    shutil.copytree(_photos, place / "content")
    paintings = paint(place / "styles", "calm", "storm")
    whole = trainer(place / "content", paintings, random_vgg_weights, place / "run", "data.held_out=2")
    whole.fit()
    measure(whole.run)
    assert run("bank", "pack", place / "run", "--out", place / "bank") == 0
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_vgg_weights: Path) -> Path:
    monkeypatch.setenv("STYLEBANK_LOSS_WEIGHTS", str(random_vgg_weights))
    return Path(shutil.copytree(trained, tmp_path / "place"))


def change(path: Path, *keys: str, value: float) -> None:
    record = json.loads(path.read_text())
    part = record
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(record))


def test_a_bank_is_as_good_as_it_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = succeed(
        capsys, "bank", "verify", place / "bank", "--content", place / "content", "--styles", place / "styles"
    )
    for mention in ("every hash agrees", "identity_psnr", "calm", "storm", "style_accuracy", "All 7 numbers agree"):
        assert mention in text
    assert "differs" not in text


def test_styles_are_measured_on_the_photographs_they_say(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], random_vgg_weights: Path
) -> None:
    keys = ("data.held_out=2", "data.measured_pairs=2", "train.steps=2")
    whole = trainer(place / "content", place / "styles", random_vgg_weights, tmp_path / "run", *keys)
    whole.fit()
    measure(whole.run)
    assert whole.run.report()["photographs_per_style"] == 1
    bank = tmp_path / "run" / "bank"
    records = load_bank(bank).records
    assert [records[name].measured_part for name in ("calm", "storm")] == [[0], [1]]
    assert records["calm"].measured_on == records["storm"].measured_on == load_bank(bank).manifest.measured_on
    assert "style_accuracy" in records["calm"].metrics
    arguments = ["bank", "verify", bank, "--content", place / "content", "--styles", place / "styles"]
    assert "All 7 numbers agree" in succeed(capsys, *arguments)
    change(bank / "styles" / "calm.json", "measured_part", value=[1])  # type: ignore[arg-type]
    assert run(*arguments) == 1


def test_the_photographs_are_known_by_their_bytes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, file in enumerate(find_images([place / "content"])):
        file.rename(file.with_name(f"renamed-{number}{file.suffix}"))
    succeed(capsys, "bank", "verify", place / "bank", "--content", place / "content", "--styles", place / "styles")


@pytest.mark.parametrize(
    ("file", "keys", "value"),
    [
        ("bank.json", ("metrics", "identity_psnr"), 40.0),
        ("styles/storm.json", ("metrics", "style_gap_closed"), 0.99),
        ("styles/calm.json", ("metrics", "content_distance"), 0.0),
    ],
)
def test_a_number_that_is_not_true_is_found(
    place: Path, capsys: pytest.CaptureFixture[str], file: str, keys: tuple[str, ...], value: float
) -> None:
    change(place / "bank" / file, *keys, value=value)
    assert run("bank", "verify", place / "bank", "--content", place / "content", "--styles", place / "styles") == 1
    out = capsys.readouterr().out
    assert out.count("  differs") == 1
    assert "1 of 7 numbers differ" in out


def test_without_photographs_the_hashes_are_checked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "every hash agrees" in succeed(capsys, "bank", "verify", place / "bank")
    weights = place / "bank" / "styles" / "calm.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    fail(capsys, "bank", "verify", place / "bank", mentions=["calm.safetensors"])
    fail(capsys, "bank", "verify", place / "bank", "--content", place, mentions=["--content", "--styles"])


def test_what_is_missing_is_named(place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = ["bank", "verify", place / "bank", "--content", place / "content", "--styles", place / "styles"]
    Image.new("RGB", (48, 40)).save(place / "styles" / "calm.png")
    fail(capsys, *whole, mentions=["calm.png", "not the file"])
    (place / "styles" / "calm.png").unlink()
    fail(capsys, *whole, mentions=["no painting", "'calm'", "storm"])
    wanted = load_bank(place / "bank").manifest.measured_on
    assert len(wanted) == 2
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (48, 40)).save(other / "photo.png")
    whole[4] = other
    fail(capsys, *whole, mentions=["2 of the 2 photographs", *wanted])


def test_a_bank_without_numbers_cannot_be_measured_again(
    place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bank = write_bank(tmp_path / "silent", "calm")
    arguments = ["bank", "verify", bank, "--content", place / "content", "--styles", place / "styles"]
    fail(capsys, *arguments, mentions=["does not say which photographs"])


def test_a_bank_with_older_names_of_numbers_is_shown_and_measured_again(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("calm", "storm"):
        record = place / "bank" / "styles" / f"{name}.json"
        text = record.read_text()
        assert "style_accuracy" in text
        record.write_text(text.replace("style_accuracy", "told_apart"))
    assert set(load_bank(place / "bank").records["calm"].metrics) == {
        "style_gap_closed",
        "content_distance",
        "style_accuracy",
    }
    whole = [place / "bank", "--content", place / "content", "--styles", place / "styles"]
    for text in (succeed(capsys, "bank", "show", place / "bank"), succeed(capsys, "bank", "verify", *whole)):
        assert "style_accuracy" in text
        assert "told_apart" not in text
    change(place / "bank" / "styles" / "calm.json", "metrics", "told_apart", value=0.25)
    assert run("bank", "verify", *whole) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "differs" in line]
    assert "calm" in line
    assert "style_accuracy" in line
