"""What comes with the program is found by name in any folder; messages say where relative paths were looked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import refused
from tiny import config_file, fail, files_of, paint, succeed, write_bank

from stylebank.bank.find import find_bank, shipped_banks
from stylebank.bank.io import load_bank
from stylebank.config_files import load_config
from stylebank.errors import BankError, ConfigError, relative_to
from stylebank.inference.stylizer import Stylizer
from stylebank.shipped import BANKS, CONFIGS, DEFAULT_BANK, PAINTINGS, VGG19, is_bare, shipped_configs

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_everything_that_ships_is_there() -> None:
    assert VGG19.is_file()
    assert DEFAULT_BANK.name in shipped_banks()
    assert {"cpu", "default", "paper", "smoke"} <= set(shipped_configs())
    assert len(list(PAINTINGS.glob("*.jpg"))) == 4


def test_a_bank_is_found_by_its_name_nearest_first(elsewhere: Path) -> None:
    name = Path(DEFAULT_BANK.name)
    assert find_bank(name) == DEFAULT_BANK
    mine = write_bank(elsewhere / "checkpoints" / name.name, "calm")
    assert find_bank(name).resolve() == mine.resolve()
    assert find_bank(Path("checkpoints", name.name)).resolve() == mine.resolve()
    nearest = write_bank(elsewhere / name.name, "calm")
    assert find_bank(name).resolve() == nearest.resolve()
    assert find_bank(BANKS / name.name) == DEFAULT_BANK
    assert find_bank(DEFAULT_BANK) == DEFAULT_BANK


def test_only_bare_names_stand_for_what_ships(elsewhere: Path) -> None:
    assert is_bare(Path("cpu"))
    for text in ("./a/b", "..", ".", "/cpu", "a/cpu"):
        assert not is_bare(Path(text))
    with refused(BankError, "checkpoints/stylebank-14", "does not exist", f"looked for in {elsewhere}"):
        find_bank(Path("checkpoints/stylebank-14"))
    with refused(BankError, "nope", f"looked for in {elsewhere}", "stylebank-14"):
        find_bank(Path("nope"))
    with refused(BankError, "vgg19", "does not exist"):  # lies among the banks and is none
        find_bank(Path("vgg19"))
    with refused(ConfigError, "configs/cpu.yaml", f"looked for in {elsewhere}", "cpu, default"):
        load_config(Path("configs/cpu.yaml"))


def test_an_absolute_path_needs_no_explanation(elsewhere: Path) -> None:
    assert relative_to(elsewhere / "a") == ""
    assert relative_to(Path("a")) == f" (looked for in {elsewhere})"
    with pytest.raises(BankError) as caught:
        find_bank(elsewhere / "nope")
    assert "looked for" not in str(caught.value)


@pytest.mark.parametrize("name", ["cpu", "cpu.yaml"])
def test_a_configuration_is_found_by_its_name(name: str, elsewhere: Path) -> None:
    assert load_config(Path(name)) == load_config(CONFIGS / "cpu.yaml")
    (elsewhere / "cpu").mkdir()  # a folder of that name is no configuration
    assert load_config(Path(name)) == load_config(CONFIGS / "cpu.yaml")
    config_file(elsewhere / "cpu.yaml", "train.steps=77")
    assert (load_config(Path(name)).train.steps == 77) == (name == "cpu.yaml")


def test_without_a_name_the_shipped_bank_is_loaded(elsewhere: Path) -> None:
    assert "starry_night" in Stylizer.load(device="cpu").styles
    assert Stylizer.load("stylebank-14", "cpu").styles == tuple(load_bank(DEFAULT_BANK).manifest.styles)


def test_styles_shows_names_works_and_artists(elsewhere: Path, capsys: Capture) -> None:
    text = succeed(capsys, "styles")
    assert len(text.splitlines()) == 14
    assert "great_wave                Katsushika Hokusai, The Great Wave off Kanagawa (c. 1831)" in text.splitlines()
    assert succeed(capsys, "stylize", "--list") == text
    bank = write_bank(elsewhere / "mine", "calm")
    assert succeed(capsys, "styles", "--bank", bank) == "calm  Calm\n"


@pytest.mark.parametrize(
    "command",
    [
        ["stylize", "--style", "starry_night", "--input", "a.jpg", "--output", "b.png"],
        ["optimize", "--preset", "gatys", "--content", "a.jpg", "--style", "b.jpg", "--output", "c.png"],
        ["train", "--config", "cpu", "--content", "photos", "--styles", "p.jpg", "--out", "run"],
        ["train", "--config", "mine.yaml", "--out", "run"],
        ["train", "--bank", "banks/mine", "--add-style", "p.jpg", "--out", "run"],
        ["evaluate", "--content", "photos", "--styles", "paintings", "--out", "report"],
        ["stylize", "--style", "starry_night", "--bank", "banks/mine", "--input", "a.jpg", "--output", "b.png"],
    ],
)
def test_what_a_relative_path_is_relative_to_is_said(command: list[str], elsewhere: Path, capsys: Capture) -> None:
    fail(capsys, *command, mentions=[f"looked for in {elsewhere}"])
    assert not files_of(elsewhere)


def test_the_shipped_bank_is_not_changed_in_place(elsewhere: Path, capsys: Capture) -> None:
    painting = next(paint(elsewhere / "paintings", "new").iterdir())
    command = ["train", "--bank", "stylebank-14", "--add-style", painting, "--in-place"]
    fail(capsys, *command, mentions=["stylebank-14", "comes with the program", "--out"])


def test_titles_are_written_while_packing(tmp_path: Path, capsys: Capture) -> None:
    bank, titles = write_bank(tmp_path / "bank", "calm", "storm"), tmp_path / "titles.yaml"
    titles.write_text("storm: Somebody, A Storm (1900)\n")
    succeed(capsys, "bank", "pack", bank, "--titles", titles, "--out", tmp_path / "new")
    records = load_bank(tmp_path / "new").records
    assert [record.title for record in records.values()] == ["Calm", "Somebody, A Storm (1900)"]
    for text, mention in (("nope: x", "no style 'nope'"), ("storm: 1", "name: title"), ("- a", "name: title")):
        titles.write_text(text)
        fail(capsys, "bank", "pack", bank, "--titles", titles, "--out", tmp_path / "other", mentions=[mention])
    missing = tmp_path / "no.yaml"
    fail(capsys, "bank", "pack", bank, "--titles", missing, "--out", tmp_path / "other", mentions=[missing])
    assert not (tmp_path / "other").exists()


def test_the_titles_that_ship_are_those_of_the_bank() -> None:
    titles = yaml.safe_load((BANKS / "titles.yaml").read_text(encoding="utf-8"))
    assert titles == {name: record.title for name, record in load_bank(DEFAULT_BANK).records.items()}


def test_a_bank_in_a_run_that_was_copied_is_found(elsewhere: Path) -> None:
    shutil.copytree(write_bank(elsewhere / "made", "calm"), elsewhere / "run" / "bank")
    assert find_bank(Path("run")).resolve() == elsewhere / "run" / "bank"
