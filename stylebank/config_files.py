"""Reading and writing configurations, YAML files and `section.key=value`: every mistake at once, with its place."""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stylebank.config import Config
from stylebank.errors import ConfigError, did_you_mean, relative_to
from stylebank.shipped import CONFIGS, is_bare, shipped_configs
from stylebank.yaml12 import read_yaml, write_yaml

MOST_PROBLEMS = 30  # that are shown at once

# Cuts while it writes: aliases can make a value of a few lines endless.
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80

Overrides = Mapping[str, Mapping[str, Any]]
"""Section -> key -> a value that stands above that of the file."""


def load_config(
    path: Path | None,
    overrides: Overrides | None = None,
    base: Overrides | None = None,
    problems: Sequence[str] = (),
) -> Config:
    """Reads a YAML file (or starts from `base`, or the defaults) and puts other values in places of it.

    Args:
        path: a file, or the bare name of a configuration that comes with the program: `cpu`.
        problems: what is known to be wrong already, see `read_overrides`; said with the rest.

    Raises:
        ConfigError: with every problem found, one line each.
    """
    tree: dict[str, Any] = _read_file(path) if path else copy.deepcopy(dict(base or {}))
    found = list(problems)
    for section, values in (overrides or {}).items():
        here = tree.get(section, {})
        if not isinstance(values, Mapping):
            found.append(f"{section}: values are given by section and key, as in {{'train': {{'steps': 1000}}}}")
        elif isinstance(here, Mapping):  # else the file's own mistake is reported
            tree[section] = {**here, **values}
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        found += [_describe(detail["loc"], detail) for detail in error.errors()]
    if found:
        source = str(path or "configuration")
        raise _all_of(found, f"{source} and what is given beside it" if path and overrides else source)
    return config


def parse_overrides(texts: Sequence[str], option: str = "--set") -> dict[str, dict[str, Any]]:
    """The values of `read_overrides`.

    Raises:
        ConfigError: with every text that is not of its form, one line each.
    """
    tree, problems = read_overrides(texts, option)
    if problems:
        raise _all_of(problems, "configuration")
    return tree


def read_overrides(texts: Sequence[str], option: str = "--set") -> tuple[dict[str, dict[str, Any]], list[str]]:
    """`section.key=value` as nested values, each read as YAML; of a key given twice the last one counts.

    Args:
        option: what the person wrote them behind, for messages.

    Returns:
        The values, and what is wrong with texts of another form: for `load_config`, to be said with the rest.
    """
    tree: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for text in texts:
        place, equals, value = text.partition("=")
        keys = place.strip().split(".")
        if not equals or len(keys) != 2 or not all(keys):
            problems.append(f"{option} {text}: write section.key=value, for example train.steps=1000")
            continue
        try:
            tree.setdefault(keys[0], {})[keys[1]] = read_yaml(value)
        except ConfigError as error:
            problems.append(f"{option} {text}: the value is not valid YAML: {error}")
    return tree, problems


def _all_of(problems: Sequence[str], source: str) -> ConfigError:
    more = len(problems) - MOST_PROBLEMS
    shown = [*problems[:MOST_PROBLEMS], *([f"... and {more} more."] if more > 0 else [])]
    return ConfigError("\n  ".join([f"{len(problems)} problem(s) in {source}:", *shown]))


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML."""
    return write_yaml(config.model_dump(mode="json"))


def _find_file(path: Path) -> Path:
    """The file itself, or for a bare name that is no file the program's own configuration of that name."""
    own = CONFIGS / f"{path.name.removesuffix('.yaml')}.yaml"
    return own if is_bare(path) and not path.is_file() and own.is_file() else path


def _read_file(path: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(_find_file(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        own = ", ".join(shipped_configs())
        raise ConfigError(f"Config {path} does not exist{relative_to(path)}; the program's own: {own}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Config {path} cannot be read ({error}).") from error
    except ConfigError as error:
        raise ConfigError(f"Config {path} is not valid YAML: {error}.") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(
            f"Config {path} must hold sections (model, bank, loss, data, train), not a {type(tree).__name__}."
        )
    return tree


def _describe(location: Sequence[int | str], detail: Any) -> str:
    place = ".".join(str(part)[:100] for part in location) or "config"
    if detail["type"] == "extra_forbidden":
        valid = _keys_at(location[:-1])
        guess = did_you_mean(str(location[-1]), valid)
        return f"{place}: unknown key; valid here: {', '.join(valid)}{'.' * bool(guess)}{guess}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}, got {_SHORT.repr(detail['input'])}"


def _keys_at(location: Sequence[int | str]) -> list[str]:
    model: Any = Config
    for part in location:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
