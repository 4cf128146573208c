"""The lists of what the shipped bank was made from fit its records."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

import stylebank
from stylebank.bank.io import load_bank
from stylebank.bank.records import read_manifest, read_style_record
from stylebank.shipped import DEFAULT_BANK

ROOT = Path(stylebank.__file__).parents[1]


def rows_of(name: str) -> list[dict[str, str]]:
    with (ROOT / "docs" / "credits" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_painting_is_named() -> None:
    manifest = read_manifest(DEFAULT_BANK)
    rows = {row["style"]: row for row in rows_of("paintings.csv")}
    assert set(rows) == set(manifest.styles)
    for name, row in rows.items():
        record = read_style_record(DEFAULT_BANK, name, manifest.autoencoder_sha256)
        assert row["sha256"] == record.source_sha256
        assert row["artist"] in record.title
        assert int(row["died"]) + 70 < 2026


def test_every_photograph_is_named_with_its_licence() -> None:
    rows = {row["sha256"]: row for row in rows_of("photographs.csv")}
    measured_on = set(read_manifest(DEFAULT_BANK).measured_on)
    assert measured_on <= {key for key, row in rows.items() if row["use"] == "held out"}
    assert len(rows) == 454
    assert all(row["licence"] and row["source"].startswith("https://") and row["author"] for row in rows.values())


def test_everything_the_predictor_learned_from_is_named() -> None:
    predictor = load_bank(DEFAULT_BANK).predictor
    assert predictor
    rows = rows_of("predictor.csv")
    assert sum(row["use"] == "training" for row in rows) == predictor.info.paintings
    assert sum(row["use"] == "held out" for row in rows) == predictor.info.form.held_out
    assert len({row["sha256"] for row in rows}) == len(rows)
    assert all(
        row["title"] and row["source"] and ("public domain" in row["licence"] or "CC0" in row["licence"])
        for row in rows
    )


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == stylebank.__version__
    assert citation["preferred-citation"]["title"] in (ROOT / "README.md").read_text("utf-8").replace("{", "").replace(
        "}", ""
    )
