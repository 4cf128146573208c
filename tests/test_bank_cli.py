"""`stylebank bank`: looking at banks, and moving styles between them as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import fail, files_of, paint, pixels, succeed, write_bank

from stylebank.bank.io import load_bank
from stylebank.bank.operations import copy_bank, extract_style, merge_banks
from stylebank.inference.stylizer import Stylizer


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write_bank(tmp_path / "bank", "calm", "storm", "foggy")


@pytest.fixture
def cousin(tmp_path: Path, bank: Path) -> Path:
    """A bank with the same auto-encoder and only one style, `storm`, under the name `gale`."""
    copy_bank(bank, tmp_path / "cousin")
    folder = tmp_path / "cousin"
    for name in ("calm", "foggy", "storm"):
        record = json.loads((folder / "styles" / f"{name}.json").read_text())
        for suffix in (".json", ".safetensors"):
            file = folder / "styles" / f"{name}{suffix}"
            file.rename(file.with_name(f"gale{suffix}")) if name == "storm" else file.unlink()
        if name == "storm":
            (folder / "styles" / "gale.json").write_text(json.dumps({**record, "name": "gale"}))
    manifest = json.loads((folder / "bank.json").read_text())
    (folder / "bank.json").write_text(json.dumps({**manifest, "styles": ["gale"]}))
    return folder


def same_picture(one: Path, style: str, other: Path, other_style: str) -> bool:
    picture = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(1))
    outputs = [Stylizer.load(b, "cpu", "float32").stylize(picture, s) for b, s in ((one, style), (other, other_style))]
    return torch.equal(*outputs)


# ------------------------------------------------------------------------------------------------------- show


def test_show_says_what_is_in_a_bank(bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = succeed(capsys, "bank", "show", bank)
    sha = json.loads((bank / "bank.json").read_text())["autoencoder_sha256"]
    for mention in ("3 style(s)", "Calm", "storm", "7 crops", "gap 0.5", "CC0-1.0", sha[:12], "(8, 8, 16)", "20.5"):
        assert mention in text
    assert succeed(capsys, "bank", "show", write_bank(bank.parent / "run" / "bank", "a")) == succeed(
        capsys, "bank", "show", bank.parent / "run"
    )


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _foreign(path: Path) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "autoencoder_sha256": "0" * 64}))


@pytest.mark.parametrize(
    ("name", "tamper", "mentions"),
    [
        ("autoencoder.safetensors", _flip, ["changed or damaged"]),
        ("autoencoder.safetensors", Path.unlink, ["missing"]),
        ("styles/storm.safetensors", _flip, ["changed or damaged"]),
        ("styles/storm.safetensors", Path.unlink, ["missing"]),
        ("styles/storm.json", Path.unlink, ["missing"]),
        ("styles/storm.json", lambda path: path.write_text("{"), ["damaged"]),
        ("styles/storm.json", _foreign, ["auto-encoder", "000000000000"]),
        ("bank.json", lambda path: path.write_text("[]"), ["damaged"]),
        ("bank.json", lambda path: path.write_text('{"format": 99}'), ["format 99"]),
    ],
)
def test_what_was_tampered_with_is_named(
    bank: Path, name: str, tamper: Callable[[Path], object], mentions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(bank.parent.iterdir())
    tamper(bank / name)
    storm = "storm" if "storm" in name else bank / name if name != "bank.json" else bank
    fail(capsys, "bank", "show", bank, mentions=[storm, *mentions])
    options = ["--style", "calm", "--input", bank, "--output", bank.parent / "new"]
    fail(capsys, "stylize", "--bank", bank, *options, mentions=mentions)
    line = fail(capsys, "bank", "remove", bank, "calm", "--out", bank.parent / "new", mentions=[storm, *mentions])
    assert ".tmp" not in line  # the copy that was being made is nobody's business
    fail(capsys, "bank", "pack", bank, "--out", bank.parent / "new", mentions=mentions)
    assert set(bank.parent.iterdir()) == before


# ---------------------------------------------------------------------------------------------------- extract


def test_an_extracted_style_works_in_a_bank_of_the_same_autoencoder(
    bank: Path, cousin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(bank), files_of(cousin)
    files, out = tmp_path / "files", tmp_path / "merged"
    text = succeed(capsys, "bank", "extract", bank, "calm", "foggy", "--out", files)
    assert str(files / "calm.safetensors") in text
    assert set(files_of(files)) == {f"{n}{s}" for n in ("calm", "foggy") for s in (".json", ".safetensors")}
    succeed(capsys, "bank", "merge", cousin, files / "foggy.safetensors", files / "calm.json", "--out", out)
    assert load_bank(out).model.names == ["gale", "foggy", "calm"]
    for style, other in (("gale", "storm"), ("calm", "calm"), ("foggy", "foggy"), ("identity", "identity")):
        assert same_picture(out, style, bank, other)
    assert not same_picture(out, "gale", bank, "calm")
    assert (files_of(bank), files_of(cousin)) == before

    picture = paint(tmp_path / "pictures", "one") / "one.png"
    succeed(capsys, "stylize", "--bank", out, "--style", "calm", "--input", picture, "--output", tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").shape == pixels(picture).shape


def test_extracting_overwrites_nothing(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "files"
    fail(capsys, "bank", "extract", bank, "sunny", "--out", out, mentions=["'sunny'", "calm, storm, foggy"])
    assert not out.exists()
    out.mkdir()
    (out / "calm.json").write_text("mine")
    fail(capsys, "bank", "extract", bank, "calm", "--out", out, mentions=[out / "calm.json", "exists"])
    assert files_of(out) == {"calm.json": b"mine"}


# ------------------------------------------------------------------------------------------------------ merge


def test_banks_of_one_autoencoder_merge(
    bank: Path, cousin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    assert "calm, storm, foggy, gale" in succeed(capsys, "bank", "merge", bank, cousin, "--out", out)
    merged = load_bank(out)
    assert merged.model.names == ["calm", "storm", "foggy", "gale"]
    assert merged.manifest.licence == "CC0-1.0"
    before = files_of(bank)
    assert {name: files_of(out)[name] for name in before if name != "bank.json"} == {
        name: content for name, content in before.items() if name != "bank.json"
    }


def test_foreign_styles_are_refused(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign, out = write_bank(tmp_path / "foreign", "sunny", seed=1), tmp_path / "merged"
    hashes = [json.loads((b / "bank.json").read_text())["autoencoder_sha256"][:12] for b in (bank, foreign)]
    line = fail(capsys, "bank", "merge", bank, foreign, "--out", out, mentions=["'sunny'", foreign, *hashes])
    assert ".tmp" not in line
    file = extract_style(foreign, "sunny", tmp_path / "files")
    fail(capsys, "bank", "merge", bank, file, "--out", out, mentions=["'sunny'", file.parent, *hashes])
    assert not out.exists()


def test_what_cannot_be_merged_is_refused(
    bank: Path, cousin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(bank)
    fail(capsys, "bank", "merge", bank, bank, "--out", tmp_path / "new", mentions=["'calm'", "both"])
    fail(capsys, "bank", "merge", bank, tmp_path / "no", "--out", tmp_path / "new", mentions=[tmp_path / "no"])
    fail(capsys, "bank", "merge", bank, cousin, "--out", bank, mentions=[bank, "exists"])
    file = extract_style(cousin, "gale", tmp_path / "files")
    file.with_suffix(".json").unlink()
    fail(
        capsys, "bank", "merge", bank, file, "--out", tmp_path / "new", mentions=[file.parent / "gale.json", "missing"]
    )
    assert files_of(bank) == before
    assert not (tmp_path / "new").exists()


# ------------------------------------------------------------------------------------------------ remove, pack


def test_removing_leaves_the_others_byte_for_byte(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = files_of(bank), tmp_path / "fewer"
    succeed(capsys, "bank", "remove", bank, "storm", "--out", out)
    assert files_of(bank) == before
    after = files_of(out)
    assert set(before) - set(after) == {str(Path("styles", f"storm{suffix}")) for suffix in (".json", ".safetensors")}
    assert all(after[name] == before[name] for name in after if name != "bank.json")
    assert load_bank(out).model.names == ["calm", "foggy"]
    fail(capsys, "bank", "remove", bank, "sunny", "--out", tmp_path / "new", mentions=["'sunny'", "calm"])
    fail(capsys, "bank", "remove", bank, "calm", "--out", out, mentions=[out, "exists"])


def test_a_damaged_style_can_be_removed(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _flip(bank / "styles" / "storm.safetensors")
    succeed(capsys, "bank", "remove", bank, "storm", "--out", tmp_path / "mended")
    assert load_bank(tmp_path / "mended").model.names == ["calm", "foggy"]


def test_packing_halves_the_weights_and_hardly_changes_a_picture(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = files_of(bank), tmp_path / "packed"
    succeed(capsys, "bank", "pack", bank, "--out", out, "--licence", "CC BY 4.0")
    assert files_of(bank) == before
    assert {value.dtype for file in out.rglob("*.safetensors") for value in load_file(file).values()} == {torch.float16}
    packed, full = load_bank(out), load_bank(bank)
    assert packed.manifest.licence == "CC BY 4.0"
    assert packed.manifest.metrics == full.manifest.metrics
    for name, record in full.records.items():
        hashes = {"sha256", "autoencoder_sha256"}
        assert packed.records[name].model_dump(exclude=hashes) == record.model_dump(exclude=hashes)
    picture = torch.rand(3, 32, 40, generator=torch.Generator().manual_seed(1))
    for style in (*full.model.names, "identity"):
        outputs = [Stylizer.load(folder, "cpu", "float32").stylize(picture, style) for folder in (bank, out)]
        assert (outputs[0] - outputs[1]).abs().max() < 0.02
    fail(capsys, "bank", "pack", bank, "--out", out, mentions=[out, "exists"])


def test_styles_of_a_packed_bank_are_not_exchanged_with_the_original(
    bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, fewer = tmp_path / "packed", tmp_path / "fewer"
    succeed(capsys, "bank", "pack", bank, "--out", packed)
    succeed(capsys, "bank", "remove", bank, "calm", "--out", fewer)
    file = extract_style(packed, "calm", tmp_path / "files")
    fail(capsys, "bank", "merge", fewer, file, "--out", tmp_path / "new", mentions=["'calm'", "auto-encoder"])


# ------------------------------------------------------------------------------------------------ older formats


@pytest.mark.parametrize("command", [["merge", "OTHER"], ["remove", "storm"], ["pack"]], ids=lambda words: words[0])
def test_what_is_written_is_of_todays_format(
    command: list[str], bank: Path, cousin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also from a bank of the first one, whose architecture was flat."""
    for folder in (bank, cousin):
        manifest = json.loads((folder / "bank.json").read_text())
        sections = manifest["architecture"]
        names = {"kernel_size": "kernel_size", "depth": "depth", "width": "width", "norm": "filter_norm"}
        form = {old: sections["bank"][today] for today, old in names.items()}
        old = {**manifest, "format": 1, "architecture": {**sections["model"], **form}}
        (folder / "bank.json").write_text(json.dumps(old))
    before, out = files_of(bank), tmp_path / "out"
    assert "format 1" in succeed(capsys, "bank", "show", bank)
    name, *rest = command
    succeed(capsys, "bank", name, bank, *(cousin if word == "OTHER" else word for word in rest), "--out", out)
    assert files_of(bank) == before
    written = json.loads((out / "bank.json").read_text())
    assert (written["format"], written["architecture"]) == (2, sections)
    assert "format 2" in succeed(capsys, "bank", "show", out)
    if name != "pack":
        assert same_picture(out, "calm", bank, "calm")


# ------------------------------------------------------------------------------------------------------- copies


def test_a_copy_keeps_what_is_no_part_of_a_bank(bank: Path, tmp_path: Path) -> None:
    other = write_bank(tmp_path / "other", "calm", seed=3)
    (other / "README.md").write_text("mine")
    copy_bank(bank, other)
    assert files_of(other) == {**files_of(bank), "README.md": b"mine"}
    assert merge_banks(other, [], tmp_path / "same") == ["calm", "storm", "foggy"]
