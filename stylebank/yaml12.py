"""YAML 1.2 for configurations: plain data only, and every mistake with its line and column.

PyYAML follows YAML 1.1, where `on` is a truth value, `012` is ten, `1:30` is ninety and `1e-3` a text. Here the rules
of YAML 1.2 (its core schema) say what is a number, a truth value or nothing, and all else is text, dates as well.
Numbers may have underscores: `20_000`.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, YAMLError
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from stylebank.errors import ConfigError

DEEPEST = 50  # levels; a configuration has four
LARGEST = 1_000_000  # values, with each alias counted as all that it stands for

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_RESOLVERS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0b[01][01_]*|0o[0-7][0-7_]*|0x[\da-fA-F][\da-fA-F_]*|\d[\d_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|[-+]?\d[\d_]*[eE][-+]?\d+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": ("<<", "<"),
}
_DATE = r"\d{4}-\d\d?-\d\d?(?:[Tt\s].*)?"


def read_yaml(text: str) -> Any:
    """The dictionaries, lists, texts, numbers and truth values that a text describes.

    Raises:
        ConfigError: what is wrong, and where in the text: it is not YAML, gives a key twice, has tags (elsewhere they
            can run code), is nested too deeply, or makes a few lines endless with aliases.
    """
    try:
        return yaml.load(text, _Loader)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ConfigError(f"{' '.join(str(error.problem or error.context).split())}{place}") from error
    except YAMLError as error:  # characters that no YAML may have
        raise ConfigError(" ".join(str(error).split())) from error
    except (ValueError, OverflowError) as error:  # of `chr` and `int`, which PyYAML asks without looking
        raise ConfigError("found a version or the code of a character that is too large") from error


def write_yaml(tree: dict[str, Any]) -> str:
    """A text that `read_yaml` reads as `tree`: a key a line, innermost lists and sections in brackets."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None)


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise ComposerError(None, None, f"found the tag {event.tag!r}; tags are not allowed", event.start_mark)
        self._depth += 1
        if self._depth > DEEPEST:
            raise ComposerError(None, None, f"nested deeper than {DEEPEST} levels", event.start_mark)
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def get_single_node(self) -> Node | None:
        node: Node | None = super().get_single_node()
        if node is not None:
            _expanded(node, {})
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = set[Any]()
        for key_node, _ in node.value:
            if isinstance(key_node, ScalarNode) and key_node.tag != _MERGE:
                key = self.construct_object(key_node)
                if key in given:
                    raise ConstructorError(None, None, f'found duplicate key "{key}"', key_node.start_mark)
                given.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: ScalarNode) -> int:
        digits = self.construct_scalar(node).replace("_", "")
        try:
            return int(digits, 0 if re.match("[-+]?0[box]", digits) else 10)
        except ValueError as error:
            raise ConstructorError(None, None, "found a number of too many digits", node.start_mark) from error


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> ScalarNode:
        # Ends of lines in YAML 1.1, which come back as others unless they are written as escapes.
        return self.represent_scalar(f"{_TAG}str", text, '"' if re.search("[\x85\u2028\u2029]", text) else None)


def _expanded(node: Node, counted: dict[Node, int]) -> int:
    """How many values a node stands for. Those that hold themselves count once: what reads them refuses them."""
    if node in counted:
        return counted[node]
    counted[node] = 1
    if not isinstance(node, ScalarNode):
        children = [child for pair in node.value for child in pair] if isinstance(node, MappingNode) else node.value
        counted[node] += sum(_expanded(child, counted) for child in children)
    if counted[node] > LARGEST:
        raise ComposerError(None, None, f"found more than {LARGEST} values, aliases included", node.start_mark)
    return counted[node]


def _configure() -> None:
    for each in (_Loader, _Dumper):
        each.yaml_implicit_resolvers = {}  # none of YAML 1.1
        for kind, (pattern, first) in _RESOLVERS.items():
            each.add_implicit_resolver(f"{_TAG}{kind}", re.compile(f"(?:{pattern})\\Z", re.ASCII), list(first))
    # Not read as dates here, but quoted for those who do.
    _Dumper.add_implicit_resolver(f"{_TAG}timestamp", re.compile(f"(?:{_DATE})\\Z", re.ASCII), list("0123456789"))
    _Loader.add_constructor(f"{_TAG}int", _Loader.construct_yaml_int)
    _Dumper.add_representer(str, _Dumper.represent_text)


_configure()
