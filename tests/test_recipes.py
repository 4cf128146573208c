"""Recipes as JSON: the same picture from a file, from options and from Python; what is not valid is one sentence."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import fail, paint, pixels, run, succeed, write_bank

from stylebank import Stylizer, read_recipe
from stylebank.cli import parser
from stylebank.cli.stylize.options import request_of
from stylebank.cli.stylize.recipe_options import looks_in, recipe_from
from stylebank.errors import ConfigError
from stylebank.inference.saved_recipe import SMALLEST, MaskedStyle, SavedRecipe, parse_recipe, save_recipe
from stylebank.network.model import MIN_SIDE
from stylebank.serve.command_text import command_text

LOOK: dict[str, Any] = {
    "style": {"calm": 0.7, "storm": 0.3},
    "strength": 0.8,
    "colors": "luma",
    "stroke": 1.5,
    "size": 32,
    "feather": 3,
    "masks": [{"style": "storm", "strength": 0.5, "mask": "masks/left.png"}],
}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("recipes") / "bank", "calm", "storm")


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    return paint(tmp_path / "pictures", "one", size=(60, 48)) / "one.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "masks" / "left.png"
    path.parent.mkdir()
    Image.fromarray(np.repeat(np.uint8([[255] * 30 + [0] * 30]), 48, 0)).save(path)
    return path


def written(path: Path, **look: Any) -> Path:
    path.write_text(json.dumps(look), encoding="utf-8")
    return path


def test_file_options_and_python_make_the_same_picture(
    bank: Path, photograph: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = written(tmp_path / "look.json", **LOOK)
    common = ("--bank", bank, "--precision", "float32", "--input", photograph, "--output")
    succeed(capsys, "stylize", *common, tmp_path / "file.png", "--recipe", recipe)
    look = ("--style", "calm:0.7", "storm:0.3", "--alpha", 0.8, "--preserve-colors", "luma", "--stroke", 1.5)
    more = ("--size", 32, "--feather", 3, "--mask", f"storm:0.5={mask}")
    succeed(capsys, "stylize", *common, tmp_path / "options.png", *look, *more)
    assert (tmp_path / "file.png").read_bytes() == (tmp_path / "options.png").read_bytes()
    stylizer = Stylizer.load(bank, precision="float32")
    with Image.open(photograph) as image:
        made = stylizer.stylize(image, read_recipe(recipe))
    assert np.array_equal(np.asarray(made), pixels(tmp_path / "file.png"))


def test_what_is_saved_is_read_again(
    bank: Path, photograph: Path, mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "deep" / "saved.json"
    look = ("--style", "calm:0.25", "storm:1", "--mask", f"calm={mask}", "--seed", 5, "--size", 40, "--stroke", 2)
    common = ("stylize", "--bank", bank, "--precision", "float32", "--input", photograph, "--output")
    succeed(capsys, *common, tmp_path / "a.png", *look, "--save-recipe", saved)
    tree = json.loads(saved.read_text())
    assert tree["masks"] == [{"style": "calm", "mask": "../masks/left.png"}]
    assert "strength" not in tree  # what is as usual is not written
    succeed(capsys, *common, tmp_path / "b.png", "--recipe", saved)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    fail(capsys, *common, tmp_path / "c.png", *look, "--save-recipe", saved, mentions=[saved, "--overwrite"])
    assert not (tmp_path / "c.png").exists()


def test_size_and_bank_count_above_the_recipe(
    bank: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = written(tmp_path / "look.json", style="calm", size=32, bank="nowhere")
    succeed(
        *(capsys, "stylize", "--bank", bank, "--size", 24, "--recipe", recipe),
        *("--input", photograph, "--output", tmp_path / "a.png"),
    )
    assert pixels(tmp_path / "a.png").shape == (24, 30, 3)


def test_options_beside_a_recipe_are_refused(
    bank: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = written(tmp_path / "look.json", style="calm")
    command = ("stylize", "--bank", bank, "--input", photograph, "--output", tmp_path / "a.png")
    fail(capsys, *command, "--recipe", recipe, "--style", "storm", "--seed", 3, mentions=["--style, --seed"])
    fail(capsys, *command, "--recipe", tmp_path / "none.json", mentions=["none.json", "cannot be read"])
    fail(capsys, *command, "--style", "all", "--save-recipe", recipe, mentions=["one look"])
    fail(capsys, *command, "--style", "calm", "--alpha", 3, "--save-recipe", tmp_path / "b.json", mentions=["strength"])
    assert (
        run("stylize", "--bank", bank, "--recipe", recipe, "--input", photograph, "--output", tmp_path / "a.png") == 0
    )


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("nope", "JSON"),
        ("[1]", "must be an object"),
        ('{"styl": "a"}', "Did you mean 'style'?"),
        ('{"style": 3}', "a name, or finite weights by name"),
        ('{"style": {"a": NaN}}', "finite weights"),
        ('{"strength": 1.5}', "strength must be less than or equal to 1, not 1.5"),
        ('{"stroke": 99}', "from 0.5 to 16"),
        ('{"size": 3}', "size must be greater than or equal to 16"),
        ('{"seed": -1}', "seed"),
        ('{"feather": Infinity}', "feather"),
        ('{"colors": "no"}', "'none', 'luma' or 'histogram'"),
        ('{"version": 2}', "version"),
        ('{"masks": [{"style": "a"}]}', "'masks.0.mask' is missing"),
        ('{"masks": {}}', "masks must be a list"),
        ('{"style": {}}', "one at least"),
        ('{"style": {"a": true}}', "finite weights"),
        ('{"size": "100"}', "size must be a valid integer, not '100'"),
        ('{"raw_weights": "yes"}', "raw_weights must be a valid boolean"),
        ('{"strength": "1"}', "strength must be a valid number"),
        ('{"style": "a", "style": "b"}', "gives 'style' twice"),
        ('{"masks": [{"style": "a", "mask": "m", "mask": "n"}]}', "gives 'mask' twice"),
        ('{"masks": [{"style": "a", "mask": "m", "alpha": 1}]}', "valid are style, strength, mask"),
    ],
)
def test_what_is_no_recipe_is_one_sentence(text: str, mention: str, tmp_path: Path) -> None:
    file = tmp_path / "look.json"
    file.write_text(text)
    with refused(ConfigError, mention, file):
        read_recipe(file)


def test_a_mark_of_byte_order_is_passed_over(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    file = tmp_path / "look.json"
    file.write_text('{"style": "calm"}', encoding="utf-8-sig")
    assert read_recipe(file).style == parse_recipe(file.read_text(encoding="utf-8")).style == "calm"


@pytest.mark.parametrize(
    ("name", "mention"), [("a.png", "ends in .json"), ("folder.json", "is a folder"), ("file.json/look.json", "")]
)
def test_where_no_recipe_can_be_is_said_before_any_work(
    bank: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, mention: str
) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file.json").write_text("{}")
    command = ("stylize", "--bank", bank, "--style", "calm", "--input", photograph, "--output", tmp_path / "a.png")
    fail(capsys, *command, "--save-recipe", tmp_path / name, "--overwrite", mentions=[tmp_path / name, mention])
    assert not (tmp_path / "a.png").exists()


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json", written(tmp_path / "a.json", style="x" * 2**21)):
        with refused(ConfigError, path):
            read_recipe(path)


def test_nothing_goes_beside_a_saved_recipe_in_python(bank: Path, photograph: Path) -> None:
    stylizer = Stylizer.load(bank, precision="float32")
    image = Image.open(photograph)
    with refused(ConfigError, "nothing but tile"):
        stylizer.stylize(image, SavedRecipe(style="calm"), alpha=0.5)
    with refused(ConfigError, "give it masks"):
        stylizer.stylize(image, SavedRecipe(style="original"))
    assert stylizer.stylize(image, SavedRecipe(style="calm", size=24), tile=16).size == (30, 24)


shares = st.floats(0, 1, width=32)
names = st.sampled_from(["calm", "storm", "identity"])
recipes = st.builds(
    SavedRecipe,
    style=names | st.dictionaries(names, st.floats(0, 100), min_size=1, max_size=3),
    strength=shares,
    seed=st.integers(0, 2**32 - 1),
    stroke=st.just("auto") | st.floats(0.5, 16),
    colors=st.sampled_from(["none", "luma", "histogram"]),
    size=st.none() | st.integers(16, 5000),
    feather=st.floats(0, 100),
    masks=st.lists(
        st.builds(MaskedStyle, style=names, strength=shares, mask=st.sampled_from(["/m/a b.png", "/m/c.png"])),
        max_size=3,
    ),
)


@given(recipes)
def test_a_recipe_goes_through_options_a_command_and_a_file_unchanged(recipe: SavedRecipe) -> None:
    assert recipe_from(looks_in(recipe), recipe.size, None) == recipe
    words = shlex.split(command_text(recipe, Path("/banks/mine"), "photo.jpg"))
    told = request_of(parser().parse_args(words[1:]))
    assert (told.looks, told.size, told.bank) == (looks_in(recipe), recipe.size, Path("/banks/mine"))
    assert parse_recipe(recipe.model_dump_json()) == recipe


def test_saving_never_replaces_unasked_and_its_limit_is_the_networks(tmp_path: Path) -> None:
    save_recipe(SavedRecipe(style="calm"), tmp_path / "a.json")
    with refused(ConfigError, "exists"):
        save_recipe(SavedRecipe(style="storm"), tmp_path / "a.json")
    assert read_recipe(tmp_path / "a.json").style == "calm"
    assert SMALLEST == MIN_SIDE
