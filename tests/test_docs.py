"""What the documentation prints works: command lines parse, Python snippets run, links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from films import make_film
from PIL import Image
from tiny import with_predictor, write_bank

from stylebank.cli import parser
from stylebank.config import LossConfig
from stylebank.images import save_picture
from stylebank.inference.stylizer import Stylizer
from stylebank.losses.objective import Objective, style_grams
from stylebank.losses.vgg import load_loss_network
from stylebank.styles import find_styles

ROOT = Path(__file__).parents[1]
MARKDOWN = ("*.md", "docs/*.md", "checkpoints/**/*.md", "data/*.md")
PAGES = sorted(page for pattern in MARKDOWN for page in ROOT.glob(pattern))
SCRIPTS = sorted([*(ROOT / "configs").iterdir(), *(ROOT / "benchmarks").glob("*.py")])
PROGRAMS = {"train.py": "train.py", "infer.py": "infer.py", "stylebank": None}


def fenced(page: Path, *languages: str) -> list[str]:
    """The blocks of a page in these languages."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    return [text for language, text in blocks if language in languages]


def commands_in(text: str) -> Iterator[tuple[str | None, list[str]]]:
    """(program, arguments) of every command of ours in a shell text."""
    joined = re.sub(r"\s*\\\n\s*#?\s*", " ", text)
    for line in re.split(r"\n(?!     )", joined):  # a value in quotes may go on, indented, on the next line
        with contextlib.suppress(ValueError):  # prose with an apostrophe
            words = shlex.split(line.lstrip("# "), comments=True)
            words = [part for word in words for part in (word.split() if " train.py " in word else [word])]
            for program, prog in PROGRAMS.items():
                if program in words[:14] and (program != "stylebank" or words[0] == program):
                    rest = words[words.index(program) + 1 :]
                    end = rest.index(">") if ">" in rest else len(rest)  # of what is ours
                    yield prog, [word for word in rest[:end] if word not in ("OTHER=VALUE",)]


def all_commands() -> list[Any]:
    found = []
    for page in PAGES:
        for block in fenced(page, "sh", "bash", ""):
            found += [pytest.param(*command, id=f"{page.name}-{command[1][:3]}") for command in commands_in(block)]
    for script in SCRIPTS:
        opening = "\n".join(re.findall(r"^#.*", script.read_text(encoding="utf-8"), re.M))
        for command in commands_in(opening):
            if not any("[" in word and "=" not in word for word in command[1]):  # a usage line
                found.append(pytest.param(*command, id=f"{script.name}-{command[1][:3]}"))
    return found


def test_there_are_commands() -> None:
    assert len(all_commands()) > 60


@pytest.mark.parametrize(("prog", "arguments"), all_commands())
def test_printed_commands_are_understood(prog: str | None, arguments: list[str]) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser(prog).parse_args(arguments)
    except SystemExit as error:
        raise AssertionError(f"{prog or 'stylebank'} {' '.join(arguments)}\n{said.getvalue()}") from error


# ----------------------------------------------------------------------------------------------------- snippets


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the snippets speak of, in a folder of its own: small, so that they take seconds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").symlink_to(ROOT / "checkpoints")
    rng = np.random.default_rng(0)
    photograph = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    (tmp_path / "paintings").mkdir()
    for name in ("scan.tif", "photo.jpg", "painting.jpg", "paintings/painting.png"):
        save_picture(photograph, tmp_path / name)
    for folder in ("photos", "data/content"):
        for i in range(3):
            save_picture(photograph.rotate(90 * i), tmp_path / folder / f"{i}.png")
    make_film(tmp_path / "film.mp4", 21, times=[12800 * i for i in range(21)])  # one frame a second
    with_predictor(write_bank(tmp_path / "banks" / "plain", "the_scream"), tmp_path / "runs" / "predictor")
    network = load_loss_network("vgg19", LossConfig().style_layers)
    grams = style_grams(network, find_styles([tmp_path / "paintings"]), LossConfig().style_layers, 32)
    stylizer = Stylizer.load("checkpoints/stylebank-14", "cpu")
    return {
        "photograph": photograph,
        "painting": photograph.rotate(180),
        "stylizer": stylizer,
        "recipe": stylizer.recipe("great_wave"),
        "batches": [torch.rand(2, 3, 32, 32) for _ in range(2)],
        "photo": torch.rand(1, 3, 32, 32),
        "objective": Objective(network, grams, LossConfig(network="vgg19")),
        "keep": lambda progress: None,
    }


def snippets() -> list[Any]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, text in enumerate(fenced(page, "python", "py"))
    ]


@pytest.mark.parametrize("text", snippets())
def test_python_snippets_run(text: str, names: dict[str, Any]) -> None:
    """With fewer iterations than printed, which changes nothing but the time."""
    exec(compile(re.sub(r"\b[35]00\b", "2", text), "snippet", "exec"), names)


# -------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def anchors_of(page: Path) -> set[str]:
    """What headings can be linked to by."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.S | re.M), re.M)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_anchors_are_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
        assert anchor in anchors_of(page.parent / target if target else page), f"{page.name} links to {target}#{anchor}"


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index)}
    assert set(PAGES) - linked == {ROOT / "docs" / "README.md"}
    assert "(docs/README.md)" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_and_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"`(stylebank/[\w/]+(?:\.py|/)?)`", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_the_table_of_configuration_keys_is_what_the_code_says() -> None:
    command = [sys.executable, "docs/configuration_table.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0, "run: python docs/configuration_table.py"


# --------------------------------------------------------------------------------------------------------- site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it: a broken link or reference is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


def test_the_site_has_every_page_and_leads_to_it(site: Path) -> None:
    start = (site / "index.html").read_text("utf-8")
    pages = {page.name for page in site.glob("*.html")}
    assert len(pages - {"404.html"}) == len(PAGES)
    for name in pages - {"404.html", "index.html"}:
        assert f'href="{name}"' in start, f"{name} is missing in the navigation"


def test_links_on_the_site_lead_somewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text("utf-8")):
            if not re.match(r"\w+:|/", target) and target != ".":
                assert (page.parent / unquote(target)).exists(), f"{page.name}: {target}"


def test_the_reference_is_made_from_docstrings(site: Path) -> None:
    reference = (site / "api.html").read_text("utf-8")
    for name in re.findall(r"<!-- api: ([\w.]+) -->", (ROOT / "docs" / "api.md").read_text("utf-8")):
        assert f'id="{name}"' in reference
    assert 'id="stylebank.inference.stylizer.Stylizer.stylize"' in reference
    assert "strokes as the style has them" in reference
    assert "<!-- api" not in reference
