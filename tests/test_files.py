"""Whole files or none, whatever goes wrong while they are written."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from conftest import refused

from stylebank.errors import StyleBankError
from stylebank.files import new_file, new_folder, sha256_of, standing_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, text: str) -> None:
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text(text)
    (folder / "deep" / "b.txt").write_text(text)


def content(folder: Path) -> list[str]:
    return [(folder / "a.txt").read_text(), (folder / "deep" / "b.txt").read_text()]


def test_hash_of_a_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "f").write_bytes(data)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(data).hexdigest()


# ---------------------------------------------------------------------------------------------------- files


def test_a_new_file_appears_whole_and_its_folder_with_it(tmp_path: Path) -> None:
    target = tmp_path / "not" / "yet" / "f.txt"
    with new_file(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(target.parent) == ["f.txt"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "f.txt"
    target.write_text("old")
    with new_file(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_a_file_is_replaced_and_never_written_into(tmp_path: Path) -> None:
    target, link = tmp_path / "f.txt", tmp_path / "link"
    target.write_text("old")
    os.link(target, link)
    with new_file(target) as temporary:
        temporary.write_text("new")
    assert (target.read_text(), link.read_text()) == ("new", "old")


def write_half(target: Path, error: BaseException) -> None:
    with new_file(target) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.EIO, "bad disk")])
def test_a_failure_leaves_the_old_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    target = tmp_path / "f.txt"
    target.write_text("old")
    expected = StyleBankError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        write_half(target, error)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["f.txt"]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "f.txt"
    with refused(StyleBankError, target), new_file(target) as temporary:
        temporary.write_text("new")
    with refused(StyleBankError, target), new_folder(target) as temporary:
        fill(temporary, "new")


def test_a_full_disk_is_said_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    fill(tmp_path / "d", "old")
    monkeypatch.setattr(os, "fsync", full)
    with refused(StyleBankError, "full", tmp_path / "d"), new_folder(tmp_path / "d") as temporary:
        fill(temporary, "new")
    assert content(tmp_path / "d") == ["old", "old"]
    assert names(tmp_path) == ["d"]


# -------------------------------------------------------------------------------------------------- folders


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "bank"
    for text in ("first", "second"):
        with new_folder(target) as temporary:
            fill(temporary, text)
        assert content(target) == [text, text]
        assert names(target.parent) == ["bank"]


def fill_half(target: Path, error: BaseException) -> None:
    with new_folder(target) as temporary:
        (temporary / "a.txt").write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_folder_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    fill(tmp_path / "bank", "old")
    with pytest.raises(type(error)):
        fill_half(tmp_path / "bank", error)
    assert content(tmp_path / "bank") == ["old", "old"]
    assert names(tmp_path) == ["bank"]


def test_a_failed_rename_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "bank", "old")
    rename, calls = os.rename, []

    def second_fails(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.EIO, "bad disk")
        rename(source, target)

    monkeypatch.setattr(os, "rename", second_fails)
    with refused(StyleBankError, tmp_path / "bank", "bad disk"), new_folder(tmp_path / "bank") as temporary:
        fill(temporary, "new")
    monkeypatch.undo()
    assert content(standing_folder(tmp_path / "bank")) == ["old", "old"]
    with new_folder(tmp_path / "bank") as temporary:
        fill(temporary, "next")
    assert content(tmp_path / "bank") == ["next", "next"]
    assert names(tmp_path) == ["bank"]


# -------------------------------------------------------------------------------------------------- settling


def interrupted(tmp_path: Path) -> Path:
    """A swap killed between its renames: the old folder is put aside, the new one has no name yet."""
    bank = tmp_path / "bank"
    fill(bank, "old")
    rename = os.rename

    def first_is_the_last(source: Path, target: Path) -> None:
        rename(source, target)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", first_is_the_last)
        with pytest.raises(SystemExit), new_folder(bank) as temporary:
            fill(temporary, "new")
    assert not bank.exists()
    return bank


def test_after_a_swap_cut_short_the_old_folder_is_read_and_nothing_moved(tmp_path: Path) -> None:
    bank = interrupted(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert content(standing_folder(bank)) == ["old", "old"]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_put_aside_is_followed_back(tmp_path: Path) -> None:
    bank = interrupted(tmp_path)
    aside = standing_folder(bank)
    assert standing_folder(aside) == aside != bank
    fill(bank, "new")
    assert standing_folder(aside) == bank


@pytest.mark.parametrize("renamed", [True, False])
def test_a_swap_cut_short_does_not_hinder_the_next(renamed: bool, tmp_path: Path) -> None:
    bank = interrupted(tmp_path)
    if renamed:  # killed after the second rename, before the old folder was removed
        fill(bank, "new")
    with new_folder(bank) as temporary:
        fill(temporary, "next")
    assert content(bank) == ["next", "next"]
    assert names(tmp_path) == ["bank"]


def test_a_finished_swap_is_read_as_it_is(tmp_path: Path) -> None:
    bank = interrupted(tmp_path)
    fill(bank, "new")  # the second rename did happen
    assert standing_folder(bank) == bank


def test_reading_leaves_everything_alone(tmp_path: Path) -> None:
    fill(tmp_path / "bank", "old")
    shutil.copytree(tmp_path / "bank", tmp_path / "other")
    shutil.copytree(tmp_path / "bank", tmp_path / ".bank.previous")
    for name in ("bank", "none", ".", "x" * 300):
        standing_folder(tmp_path / name)
    assert standing_folder(Path()) == Path()
    assert names(tmp_path) == [".bank.previous", "bank", "other"]


def test_the_folder_one_stands_in_can_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "bank", "old")
    monkeypatch.chdir(tmp_path / "bank")
    with new_folder(Path()) as temporary:
        fill(temporary, "new")
    assert content(tmp_path / "bank") == ["new", "new"]
