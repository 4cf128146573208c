"""The runs of a study: every combination of the values given for some configuration keys."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylebank.config import Config
from stylebank.config_files import Overrides, load_config, parse_overrides
from stylebank.errors import ConfigError

SEED = "train.seed"
LONGEST_NAME = 120  # characters; with less than the 255 bytes of most file systems there is room for a suffix

Tree = dict[str, Any]
"""A configuration as nested dictionaries of plain values."""


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    name: str
    """Also its folder's: `steps_per_cycle=1,seed=0`."""
    values: dict[str, Any]
    """The varied keys (`train.steps_per_cycle`) and their values, as the configuration understood them."""
    config: Config

    @property
    def base(self) -> Tree:
        """What does not vary: the configuration without the varied keys."""
        tree: Tree = self.config.model_dump(mode="json")
        for key in self.values:
            section, name = key.split(".")
            del tree[section][name]
        return tree


def make_grid(
    path: Path | None, overrides: Overrides, vary: Sequence[str], seeds: Sequence[int] | None = None
) -> list[Cell]:
    """Every combination, the last key changing fastest; the seed is always among the keys, last unless `vary` has it.

    Args:
        path: the YAML file that holds for every run.
        overrides: values on top of it, by section and key.
        vary: `section.key=value,value,...`; the values are YAML, so `[0.6, 1],[1, 1]` are two lists.
        seeds: values of train.seed, else the configuration's one.

    Raises:
        ConfigError: a value is missing or refused; all refused combinations are named together.
    """
    axes, common = dict(_axes(vary)), load_config(path, overrides)
    if SEED not in axes:
        axes[SEED] = [(str(seed), seed) for seed in seeds or [common.train.seed]]
    elif seeds:
        raise ConfigError(f"--seeds and --vary {SEED} say the same; give one of them.")
    cells: dict[str, Cell] = {}
    problems: dict[str, list[str]] = {}  # problem -> the combinations that have it
    for combination in itertools.product(*axes.values()):
        tree: Tree = {section: dict(values) for section, values in overrides.items()}
        for key, (_, value) in zip(axes, combination, strict=True):
            section, name = key.split(".")
            tree.setdefault(section, {})[name] = value
        try:
            cell = _cell(load_config(path, tree), list(axes))
            cells.setdefault(cell.name, cell)
        except ConfigError as error:
            said = " ".join(f"{key}={text}" for key, (text, _) in zip(axes, combination, strict=True))
            for line in str(error).split("\n")[1:]:
                problems.setdefault(line.strip(), []).append(said)
    if problems:
        lines = [f"{line} ({_some(combinations)})" for line, combinations in problems.items()]
        raise ConfigError("\n  ".join(["The study has combinations that cannot be trained:", *lines]))
    return list(cells.values())


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Keys without their section, where only one section of the configuration has such a key."""
    sections = [field.annotation for field in Config.model_fields.values()]
    found = Counter(name for section in sections for name in getattr(section, "model_fields", ()))
    return {key: name if found[name := key.split(".")[1]] == 1 else key for key in keys}


def show_value(value: Any) -> str:
    """A value as a person would write it: `true`, `0.5`, `relu1_2 relu2_2`."""
    if isinstance(value, list):
        return " ".join(map(show_value, value))
    return value if isinstance(value, str) else json.dumps(value)


def _axes(vary: Sequence[str]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Every key with its values, as written and as understood."""
    axes: list[tuple[str, list[tuple[str, Any]]]] = []
    for text in vary:
        key, equals, rest = (part.strip() for part in text.partition("="))
        # Up to each comma outside of brackets and quotes.
        found = re.findall(r"""((?:\[[^\]]*\]|"[^"]*"|'[^']*'|[^,])*),""", f"{rest},")
        values = [value.strip() for value in found]
        if not equals or not all(values) or key.count(".") != 1:
            raise ConfigError(f"--vary {text}: write section.key=value,value,... as in train.steps_per_cycle=1,2,4.")
        if key in dict(axes):
            raise ConfigError(f"--vary gives {key} twice; put all its values into one list.")
        axes.append((key, [(value, _value(key, value)) for value in values]))
    return axes


def _value(key: str, text: str) -> Any:
    section, name = key.split(".")
    return parse_overrides([f"{key}={text}"], "--vary")[section][name]


def _cell(config: Config, keys: Sequence[str]) -> Cell:
    tree = config.model_dump(mode="json")
    values = {key: tree[section][name] for key in keys for section, name in [key.split(".")]}
    return Cell(_name(values), values, config)


def _name(values: Mapping[str, Any]) -> str:
    """A folder name that is the same in every study with these keys, and no other run's."""
    short = short_names(list(values))
    name = ",".join(f"{short[key]}={show_value(value)}" for key, value in values.items())
    safe = re.sub(r"[^\w.,=+-]+", "-", name)[:LONGEST_NAME]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]}"


def _some(combinations: Sequence[str]) -> str:
    more = len(combinations) - 1
    return f"{combinations[0]}{f', and {more} more' if more else ''}"
