"""The files that the documentation's commands speak of can be made, and nothing that is there is made anew."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from test_docs import PAGES, ROOT, commands_in, fenced

from stylebank.images import find_images
from stylebank.video import open_reader

OWN = ("data/content", "data/styles", "data/samples")
TRIED = ("stylizing.md", "video.md", "optimize.md", "faq.md")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("examples", ROOT / "data" / "samples" / "examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "painting.jpg").write_bytes(b"somebody's own")
    assert set(script.make_examples(folder)) == set(script.EXAMPLES) - {"painting.jpg"}
    return folder


def test_they_are_what_they_are_called(made: Path, script: ModuleType) -> None:
    assert {path.name for path in made.iterdir()} == set(script.EXAMPLES)
    assert (made / "painting.jpg").read_bytes() == b"somebody's own"
    assert script.make_examples(made) == []
    assert len(find_images([made / "photos"])) == 5
    film, masks = (open_reader(made / name) for name in ("film.mp4", "sky.mp4"))
    assert film.expected == masks.expected == len(list((made / "sky_masks").iterdir()))
    with Image.open(made / "sky.png") as sky, Image.open(made / "photo.jpg") as photograph:
        assert sky.mode == "L"
        assert sky.size == photograph.size
        assert sky.getpixel((320, 60)) == 255
        assert sky.getpixel((320, 300)) == 0  # the rocket


def names_in(words: list[str]) -> set[str]:
    """The files that a command reads, without those in folders of the project's and the user's."""
    found, option = set(), ""
    for word in words:
        if word.startswith("--"):
            option = word
        elif option in ("--input", "--content", "--add-style", "--video", "--mask"):
            name = word.partition("=")[2] if option == "--mask" else word
            if not name.startswith(OWN) and "=" not in name:
                found.add(name.split("/")[0])
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if page.name in TRIED])
def test_every_file_that_a_page_names_is_among_them(page: Path, script: ModuleType) -> None:
    commands = [words for block in fenced(page, "sh") for _, words in commands_in(block)]
    named = set().union(*map(names_in, commands))
    assert named
    assert named - {"frames"} <= set(script.EXAMPLES)
