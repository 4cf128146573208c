"""Paintings on disk: what a style is called, which files it is, and which names are refused."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stylebank.errors import ConfigError, ImageError
from stylebank.styles import RESERVED, StyleSource, check_name, find_styles, name_from_path


def paint(*paths: Path) -> None:
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24), (40 * i, 90, 200)).save(path)


# ---------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("starry_night.jpg", "starry_night"),
        ("The Scream (1893).jpg", "the_scream_1893"),
        ("Crème brûlée.png", "creme_brulee"),
        ("Ångström.tif", "angstrom"),
        ("--a--b--.png", "a--b"),
        ("a.b.c.jpg", "a_b_c"),
        ("2 ships.webp", "2_ships"),
        ("x" * 90 + ".jpg", "x" * 64),
        ("UPPER.JPG", "upper"),
    ],
)
def test_names_come_from_files(file: str, name: str) -> None:
    assert name_from_path(Path("some/folder", file)) == name


def test_names_come_from_folders_whole(tmp_path: Path) -> None:
    folder = tmp_path / "Vol. 2"
    folder.mkdir()
    assert name_from_path(folder) == "vol_2"


@given(st.text(min_size=1, max_size=80).filter(lambda text: not set(text) & {"/", "\0", "\\"}))
def test_any_file_name_gives_a_valid_name_or_is_refused(text: str) -> None:
    path = Path("folder", text + ".jpg")
    with suppress(ConfigError):  # and nothing else
        name = name_from_path(path)
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)
        assert check_name(name) == name


@pytest.mark.parametrize("file", ["星空.jpg", "___.png", "!!!.jpg", *(f"{name}.png" for name in sorted(RESERVED))])
def test_files_that_give_no_valid_name_are_named(file: str) -> None:
    path = Path("paintings", file)
    with refused(ConfigError, path, *RESERVED):
        name_from_path(path)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/b",
        "a\\b",
        ".hidden",
        "-dash",
        "_x",
        "Upper",
        "ümlaut",
        "a b",
        "a.b",
        "x" * 65,
        "a\n",
        *sorted(RESERVED),
    ],
)
def test_unsafe_and_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "0", "the_scream", "no-5", "x" * 64])
def test_plain_names_pass(name: str) -> None:
    assert check_name(name) == name


# --------------------------------------------------------------------------------------------------- finding


def test_pictures_and_subfolders_of_a_folder_are_styles(tmp_path: Path) -> None:
    paint(tmp_path / "b.png", tmp_path / "a.jpg", tmp_path / "Ten Views" / "2.png", tmp_path / "Ten Views" / "10.png")
    paint(tmp_path / "Ten Views" / "deep" / "1.png")
    sources = {source.name: source.files for source in find_styles([tmp_path])}
    views = tmp_path / "Ten Views"
    assert sources == {
        "a": (tmp_path / "a.jpg",),
        "b": (tmp_path / "b.png",),
        "ten_views": (views / "2.png", views / "10.png", views / "deep" / "1.png"),
    }


def test_files_and_folders_may_be_mixed_and_keep_their_order(tmp_path: Path) -> None:
    paint(tmp_path / "z.png", tmp_path / "folder" / "m.png", tmp_path / "a.png")
    names = [s.name for s in find_styles([tmp_path / "z.png", tmp_path / "folder", tmp_path / "a.png"])]
    assert names == ["z", "m", "a"]


@pytest.mark.parametrize("pair", [("a.png", "a.jpg"), ("a b.png", "a_b.png"), ("é.png", "e.png"), ("a.png", "A/1.png")])
def test_two_styles_of_one_name_are_refused_with_both_files(pair: tuple[str, str], tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in pair)
    paint(first, second)
    with refused(ConfigError, first, second):
        find_styles([tmp_path])


def test_missing_empty_and_no_inputs_are_refused(tmp_path: Path) -> None:
    with refused(ImageError, tmp_path / "none.jpg"):
        find_styles([tmp_path / "none.jpg"])
    with refused(ImageError, tmp_path):
        find_styles([tmp_path])
    with refused(ImageError):
        find_styles([])


# -------------------------------------------------------------------------------------------------- identity


def test_the_hash_follows_the_bytes_of_all_pictures(tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    paint(one, two)
    both = StyleSource("x", (one, two)).sha256()
    assert both != StyleSource("x", (one,)).sha256()
    assert both == StyleSource("y", (one, two)).sha256()
    two.write_bytes(two.read_bytes() + b"\0")
    assert both != StyleSource("x", (one, two)).sha256()


def test_titles_are_readable() -> None:
    assert StyleSource("the_scream", ()).title == "The scream"
