"""Configurations: strict, all problems at once with their places, safe to read from strangers, and round trips."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from stylebank.config import Config, DataConfig, TrainConfig
from stylebank.config_files import dump_config, load_config, parse_overrides, read_overrides
from stylebank.errors import ConfigError
from stylebank.yaml12 import read_yaml, write_yaml

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.y*ml"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def problems(text: str, file: Path, overrides: tuple[str, ...] = ()) -> list[str]:
    """The problems reported for a YAML text, one per line."""
    file.write_text(text, encoding="utf-8")
    values, wrong = read_overrides(overrides)
    with pytest.raises(ConfigError) as caught:
        load_config(file, values, problems=wrong)
    first, *lines = str(caught.value).split("\n")
    assert str(file) in first
    assert ("given beside it" in first) == bool(values)
    assert first.startswith(f"{len(lines)} problem(s)")
    assert all(line.startswith("  ") for line in lines)
    return [line.strip() for line in lines]


# ------------------------------------------------------------------------------------- the project's own files


def test_there_are_configurations() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_loads_and_says_how_it_is_used(path: Path) -> None:
    assert load_config(path) != Config()
    opening = path.read_text(encoding="utf-8").split("\nmodel", 1)[0]
    assert f"--config configs/{path.name}" in opening


# ------------------------------------------------------------------------------------------------- problems


def test_all_problems_are_reported_at_once_with_their_places(file: Path) -> None:
    text = """
        model: {channels: [32, 0, 128], norm: batch}
        bank: {depth: 9, colour: red}
        loss: {content_weight: -1, style_layers: []}
        data: {scale: [2, 1], workers: many}
        train: {steps: 0, lr: .nan, precision: float64, seed: 1.5}
        trian: {}
    """
    found = problems(text, file, ("train.batch_size=none", "nonsense"))
    places = [
        "model.channels.1",
        "model.norm",
        "bank.depth",
        "bank.colour",
        "loss.content_weight",
        "loss.style_layers",
        "data.scale",
        "data.workers",
        "train.steps",
        "train.lr",
        "train.precision",
        "train.seed",
        "train.batch_size",
        "trian",
        "--set nonsense",
    ]
    for place in places:
        assert sum(line.startswith(f"{place}:") for line in found) == 1, place
    assert len(found) == len(places)


def test_a_problem_says_what_was_received_and_what_is_valid(file: Path) -> None:
    (line,) = problems("model: {norm: batch}", file)
    assert all(word in line for word in ("model.norm", "'batch'", "'instance'", "'pixel'", "'none'"))


def test_unknown_keys_list_the_valid_ones(file: Path) -> None:
    top, inner = problems("trian: {}\ntrain: {stesp: 3}", file)[::-1]
    assert "trian" in top
    assert all(section in top for section in Config.model_fields)
    assert "train.stesp" in inner
    assert all(key in inner for key in TrainConfig.model_fields)


@pytest.mark.parametrize("scale", ["[0, 1]", "[1, 0.5]", "[0.5, 9]", "[.nan, 1]", "[1]", "[1, 2, 3]", "1"])
def test_scale_is_two_numbers_in_order(scale: str, file: Path) -> None:
    assert all(line.startswith("data.scale") for line in problems(f"data: {{scale: {scale}}}", file))


def test_nothing_to_learn_is_refused(file: Path) -> None:
    line, other = problems("loss: {content_weight: 0, style_weight: 0}\ntrain: {steps: 0}", file)
    assert all(word in line for word in ("loss", "content_weight", "style_weight"))
    assert other.startswith("train.steps")


def test_a_key_given_twice_is_refused(file: Path) -> None:
    file.write_text("train:\n  steps: 5\n  lr: 0.1\n  steps: 6\n")
    with refused(ConfigError, file, "duplicate", "steps", "line 4"):
        load_config(file)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("train:\n  steps: 5\n  lr: [0.1", "line 3, column 11"),
        ("train:\n  steps: 5\n  steps: 6", "line 3, column 3"),
        ("'train': {}\ntrain: {}", "line 2, column 1"),
        ("1: a\n0x1: b", "line 2, column 1"),
        ("train:\n\tsteps: 5", "line 2, column 1"),
        ("train:\n  steps: !!int 5", "line 2, column 10"),
        ("train:\n  steps: *five", "line 2, column 10"),
        ("data: {}\ntrain: {steps: " + "1" * 5000 + "}", "line 2, column 16"),
        ("a:\n - " + "[" * 60, "line 2, column 52"),
        ("? [1, 2]\n: 3", "line 1, column 3"),
    ],
)
def test_mistakes_have_a_line_and_a_column(text: str, place: str, file: Path) -> None:
    file.write_text(text)
    with refused(ConfigError, file, "not valid YAML", f"({place})"):
        load_config(file)


@pytest.mark.parametrize(("text", "kind"), [("- 1\n- 2", "list"), ("7", "int"), ("just words", "str")])
def test_a_file_must_hold_sections(text: str, kind: str, file: Path) -> None:
    file.write_text(text)
    with refused(ConfigError, file, kind, *("model", "bank", "loss", "data", "train")):
        load_config(file)


def test_a_section_must_be_a_mapping(file: Path) -> None:
    assert [line.split(":")[0] for line in problems("train: 3\nmodel: [1]", file)] == ["model", "train"]


@pytest.mark.parametrize(
    "text",
    [
        *("a: [1", "a:\n\t- b", "{", "%YAML 9.9\n---\na: 1", "a: 1\n---\nb: 2", "a: *gone", "\0"),
        *('"\\UFFFFFFFF"', '"\\U00110000"', f"%YAML 1.{'1' * 5000}\n--- a"),
    ],
)
def test_broken_yaml_is_one_sentence(text: str, file: Path) -> None:
    file.write_text(text)
    with refused(ConfigError, file, "not valid YAML"):
        load_config(file)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("licence: café".encode("latin-1"))
    for path in (tmp_path / "none.yaml", tmp_path, latin):
        with refused(ConfigError, path):
            load_config(path)


# -------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1E-3", 1e-3), ("1.0e-3", 1e-3), (".5", 0.5), ("1", 1.0), ("5.e-1", 0.5)]
)
def test_numbers_in_every_notation(text: str, value: float, file: Path) -> None:
    file.write_text(f"train: {{lr: {text}}}")
    assert load_config(file).train.lr == value
    assert load_config(None, parse_overrides([f"train.lr={text}"])).train.lr == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False)),
        *((text, text) for text in ("yes", "no", "on", "off", "y", "n", "Yes", "ON", "tRUE", "1:30", "1:30.5", "=")),
        *((text, None) for text in ("null", "Null", "NULL", "~", "")),
        *(("nULL", "nULL"), ("none", "none")),
        *(("012", 12), ("-08", -8), ("+1", 1), ("0o14", 12), ("-0o7", -7), ("0x1F", 31), ("0b11", 3), ("1_000", 1000)),
        *((text, text) for text in ("0o8", "0x", "_1", "1.2.3", "1e", "+", ".", "_", "+_", "٣", "1٣")),
        *(("1e3", 1000.0), ("-1E+3", -1000.0), ("1_0e5", 1e6), (".5e3", 500.0), ("5.", 5.0), ("010.5", 10.5)),
        *((".inf", math.inf), ("-.INF", -math.inf), ("inf", "inf"), ("nan", "nan")),
        *((text, text) for text in ("2020-01-01", "2020-99-99", "2001-12-14t21:59:43.10-05:00")),
        *(("'1'", "1"), ('"true"', "true"), ("'~'", "~"), ('"\\x41"', "A"), ("C:\\x", "C:\\x"), ("a#b", "a#b")),
        *(("[a:b, c]", ["a:b", "c"]), ("{a: 1, b: }", {"a": 1, "b": None}), ("- 1\n- 2", [1, 2])),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
    ],
)
def test_values_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = read_yaml(text)
    assert found == value
    assert type(found) is type(value)


@given(st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none())
def test_json_is_yaml(value: object) -> None:
    found = read_yaml(json.dumps({"value": value}).replace("Infinity", ".inf"))
    assert found == {"value": value}
    assert type(found["value"]) is type(value)


def test_whole_numbers_may_be_written_with_an_exponent(file: Path) -> None:
    file.write_text("train: {steps: 2e4}")
    assert load_config(file).train.steps == 20000


def test_an_empty_file_is_the_defaults(file: Path) -> None:
    for text in ("", "# nothing\n", "{}"):
        file.write_text(text)
        assert load_config(file) == load_config(None) == Config()


# -------------------------------------------------------------------------------------------------- overrides


def test_overrides_win_and_the_last_one_most(file: Path) -> None:
    file.write_text("train: {steps: 5, lr: 0.1}")
    config = load_config(
        file, parse_overrides(["train.steps=7", "train.steps=9", "data.flip=false", "model.norm=none"])
    )
    assert (config.train.steps, config.train.lr, config.data.flip, config.model.norm) == (9, 0.1, False, "none")


def test_overrides_may_be_lists() -> None:
    config = load_config(
        None, parse_overrides(["data.scale=[0.5, 2]", "loss.style_layers=[relu1_1, relu2_1]", "data.styles=[a, b c]"])
    )
    assert config.data.scale == (0.5, 2.0)
    assert config.loss.style_layers == ("relu1_1", "relu2_1")
    assert config.data.styles == (Path("a"), Path("b c"))


def test_an_override_may_hold_an_equals_sign() -> None:
    assert load_config(None, parse_overrides(["data.content=a=b"])).data.content == Path("a=b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train",
        "train.steps",
        "steps=3",
        "a.b.c=1",
        ".=1",
        "train.=1",
        ".steps=1",
        "=",
        "train.steps=[",
        "train.lr=",
    ],
)
def test_overrides_of_the_wrong_form_are_quoted(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, parse_overrides([text]))
    assert len(str(caught.value).split("\n")) == 2
    assert text.split("=")[0] in str(caught.value)


def test_overrides_are_given_by_section() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"train.steps": 7, "train": {"lr": -1}})  # type: ignore[dict-item]
    first, *lines = str(caught.value).split("\n")
    assert first.startswith("2 problem(s)")
    assert [line.split(":")[0].strip() for line in lines] == ["train.steps", "train.lr"]
    assert "by section and key" in lines[0]


@pytest.mark.parametrize("value", ["0", "", "[]", "false", "3"])
def test_overrides_do_not_hide_a_section_that_is_none(value: str, file: Path) -> None:
    (line,) = problems(f"train: {value}", file, ("train.steps=7",))
    assert line.startswith("train: ")


def test_overrides_do_not_change_what_they_start_from() -> None:
    base: dict[str, dict[str, Any]] = {"train": {"steps": 5}}
    assert load_config(None, parse_overrides(["train.steps=7", "data.flip=false"]), base).train.steps == 7
    assert base == {"train": {"steps": 5}}


# ---------------------------------------------------------------------------------------- files from strangers


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir", "!os.mkdir"]
)
def test_no_tag_runs_code(tag: str, file: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    file.write_text(f"licence: {tag} ['{made}']")
    with refused(ConfigError, file):
        load_config(file)
    with pytest.raises(ConfigError):
        load_config(None, parse_overrides([f"data.content={tag} ['{made}']"]))
    assert not made.exists()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("place", ["train: {steps: *i}", "licence: *i", "data: {scale: *i}", "x: *i", "*i : 3"])
def test_an_alias_bomb_is_refused_at_once_and_briefly(place: str, file: Path) -> None:
    levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, after in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{after}: &{after} [{', '.join(['*' + before] * 10)}]")
    file.write_text("\n".join([*levels, place]))
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("text", ["a: &a [*a]", "train: &t {steps: *t}", "train: {steps: &s [[*s]]}", "&x a: *x"])
def test_values_that_hold_themselves_are_refused(text: str, file: Path) -> None:
    assert problems(text, file)


@pytest.mark.parametrize("text", ["!!str x", "!!int 3", "!x y", "! z", "!!python/none", "!<tag:yaml.org,2002:str> a"])
def test_tags_are_refused_by_name(text: str, file: Path) -> None:
    file.write_text(f"licence: {text}")
    with refused(ConfigError, file, "tag", "line 1, column 10"):
        load_config(file)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("value", ["[{}]", "{{<<: [{}]}}"])
def test_bombs_are_named_before_they_are_built(value: str, file: Path) -> None:
    levels = ["a0: &a0 {x: 1}"]
    for i in range(1, 30):
        inner = ", ".join([f"*a{i - 1}"] * 9)
        levels.append(f"a{i}: &a{i} {value.format(inner)}")
    file.write_text("\n".join(levels))
    with refused(ConfigError, file, "not valid YAML", "aliases"):
        load_config(file)


def test_a_long_chain_of_aliases_is_refused(file: Path) -> None:
    """Each value holds the one before: as deep as the file is long."""
    file.write_text("\n".join(["a0: &a0 [1]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000))]))
    with pytest.raises(ConfigError):
        load_config(file)


@pytest.mark.parametrize("depth", [100, 1200])
def test_endless_nesting_is_refused(depth: int, file: Path) -> None:
    file.write_text("train: " + "[" * depth)
    with refused(ConfigError, file):
        load_config(file)
    with pytest.raises(ConfigError):
        load_config(None, parse_overrides(["train.steps=" + "[" * depth]))


@pytest.mark.parametrize(
    "value", ["!!bool x", "!!int x", "!!float x", "!!timestamp x", "2020-99-99", "1" * 5000, "!!binary x"]
)
def test_impossible_values_are_refused(value: str, file: Path) -> None:
    file.write_text(f"train: {{steps: {value}}}")
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_config(file)
    with pytest.raises(ConfigError, match=r"train\.steps"):
        load_config(None, parse_overrides([f"train.steps={value}"]))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)
KEYS = st.sampled_from([*TrainConfig.model_fields, *DataConfig.model_fields, "norm", "channels", "network", "x"])
TREES = st.dictionaries(st.sampled_from([*Config.model_fields, "y"]), st.dictionaries(KEYS, JUNK, max_size=4) | JUNK)


@given(st.text() | TREES.map(json.dumps))
def test_any_text_is_a_configuration_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text, encoding="utf-8")
    with suppress(ConfigError):
        assert isinstance(load_config(file), Config)


# ----------------------------------------------------------------------------------------------- round trips


@given(
    licence=st.text(max_size=30),
    content=st.text(max_size=30).filter(lambda text: "\0" not in text),
    lr=st.floats(0, 1, exclude_min=True),
    scale=st.tuples(st.floats(1e-9, 8), st.floats(1e-9, 8)).map(lambda pair: (min(pair), max(pair))),
    seed=st.integers(0, 2**31 - 1),
    layers=st.lists(st.text(max_size=8), min_size=1, max_size=3),
)
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    licence: str,
    content: str,
    lr: float,
    scale: tuple[float, float],
    seed: int,
    layers: list[str],
) -> None:
    config = Config.model_validate(
        {
            "licence": licence,
            "data": {"content": content, "styles": [content, "b"], "scale": scale},
            "train": {"lr": lr, "seed": seed, "gradient_rescaling": False},
            "loss": {"style_layers": layers},
        }
    )
    file = tmp_path_factory.getbasetemp() / "written.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    assert load_config(file) == config


TEXTS = st.text(max_size=200) | st.text("01 _-+.:eExob~<>=&*!%@`'\"#,[]{}|?\\\n\ttrunfalsyNY", max_size=12)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8))
@settings(max_examples=300)
def test_every_text_comes_back_as_itself(tree: Any) -> None:
    assert read_yaml(write_yaml({"key": tree})) == {"key": tree}


@given(st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none())
def test_every_number_comes_back_as_itself(value: object) -> None:
    found = read_yaml(write_yaml({"key": [value, value]}))["key"]
    assert found == [value, value]
    assert type(found[0]) is type(value)


def test_what_is_written_is_easy_to_read() -> None:
    """A key a line, short lists in brackets, quotes only where without them a text would be something else."""
    text = dump_config(
        load_config(None, parse_overrides(["data.content=my photos", "data.styles=[a b, 'on', '012', '1.5']"]))
    )
    assert text.startswith("model:\n  channels: [32, 64, 128]\n  norm: pixel\n  normalize_features: true\n")
    assert "\n  content: my photos\n  styles: [a b, on, '012', '1.5']\n" in text
    assert text.endswith("\nlicence: ''\n")


@pytest.mark.parametrize(
    "licence", ["yes", "null", "1e3", "~", "0o7", "2020-01-01", "a: b", "# c", "- d", "\u2028", "CC BY 4.0 – ü"]
)
def test_texts_that_look_like_something_else_stay_texts(licence: str, file: Path) -> None:
    file.write_text(dump_config(Config(licence=licence)), encoding="utf-8")
    assert load_config(file).licence == licence


def test_the_settings_of_a_style_are_the_start_of_another_run() -> None:
    config = load_config(
        None, parse_overrides(["loss.style_weight=7", "data.style_size=100", "train.crop_size=64", "train.lr=0.5"])
    )
    again = load_config(None, base=json.loads(json.dumps(config.style_settings())))
    assert again.loss == config.loss
    assert (again.data.style_size, again.train.crop_size) == (100, 64)
    assert again.train.lr == Config().train.lr


@pytest.mark.parametrize(
    "text",
    ["train.batch_size", "train.crop_size", "data.workers", "bank.width", "data.style_size", "data.content_size"],
)
def test_numbers_that_would_fill_the_memory_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace(".", r"\.")):
        load_config(None, parse_overrides([f"{text}={10**9}"]))


def test_of_many_mistakes_the_first_are_shown(file: Path) -> None:
    file.write_text("model:\n" + "".join(f"  k{i}: 1\n" for i in range(20_000)))
    with pytest.raises(ConfigError, match="20000 problem") as caught:
        load_config(file)
    assert len(str(caught.value)) < 10_000
    assert str(caught.value).endswith("... and 19970 more.")
