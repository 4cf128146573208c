"""What can be said of the page and its static folder without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tiny import fail, write_bank

from stylebank.shipped import PAGE

MODULES = sorted(PAGE.rglob("*.js"))
PAIRS = (("text", "surface"), ("text", "ground"), ("faint", "surface"), ("faint", "ground"), ("accent", "surface"))
PAIRS += (("accent", "accent-soft"), ("on-accent", "accent"), ("warn", "warn-soft"))


def luminance(color: str) -> float:
    """Relative luminance of `#rrggbb`, after WCAG 2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS, ids=" on ".join)
def test_text_can_be_read(scheme: int, text: str, ground: str) -> None:
    block = re.findall(r":root \{(.*?)\}", (PAGE / "css" / "base.css").read_text("utf-8"), re.S)[scheme]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    lights = sorted(luminance(colors[name]) for name in (text, ground))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_modules_import_what_there_is(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    for names, place in re.findall(r'import \{([^}]*)\} from "([^"]+)";', text):
        source = (module.parent / place).resolve()
        assert source.is_file(), place
        exported = re.findall(r"export (?:async )?(?:function|const|class) (\w+)", source.read_text(encoding="utf-8"))
        assert {name.strip() for name in names.split(",") if name.strip()} <= set(exported)
    assert len(text.splitlines()) <= 170


def test_nothing_comes_from_elsewhere_or_stands_inline() -> None:
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', index)
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", index)  # what the server's policy forbids
    for file in [*MODULES, *PAGE.rglob("*.css")]:
        assert "https://" not in file.read_text(encoding="utf-8")


def test_what_the_static_folder_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = write_bank(tmp_path / "bank", "calm")
    out = ("--out", tmp_path / "web")
    fail(capsys, "export", bank, "--format", "web", *out, "--runtime", tmp_path, mentions=["npm install", tmp_path])
    fail(capsys, "export", bank, *out, "--runtime", tmp_path, mentions=["--format web"])
    deep = write_bank(tmp_path / "deep", "calm", depth=2, width=8)
    address = ("--runtime", "https://example.org/dist")
    fail(capsys, "export", deep, "--format", "web", *out, *address, mentions=["depth 1"])
    fail(capsys, "export", bank, "--format", "web", *out, "--size", "64", mentions=["--size"])
    assert not (tmp_path / "web").exists()
