"""Writes docs/configuration.md: every key of a configuration with its default, what is valid, and what it means.

    python docs/configuration_table.py            # writes it anew
    python docs/configuration_table.py --check    # exit code 1 if it is not what the code says

Made from `stylebank.config`, so that it cannot say anything else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stylebank.config import Config

PAGE = Path(__file__).with_name("configuration.md")
INTRODUCTION = """\
# Every key of a configuration

Made from the code by `python docs/configuration_table.py`. A configuration is a YAML file with these sections; what it
leaves out has its default, and `--set section.key=value` stands above it. The files in `configs/` say why they differ
from the defaults, which are also those of banks that were written before a key existed.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    loose = []
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            about = (section.__doc__ or "").split(" See `Architecture`")[0].strip()
            rows = [_row(f"{name}.{key}", each, section) for key, each in section.model_fields.items()]
            parts.append(f"## {name}\n\n{about}\n\n{_table(rows)}")
        else:
            loose.append(_row(name, field, Config))
    parts.append(f"## Beside the sections\n\n{_table(loose)}")
    return "\n".join(parts)


def _table(rows: list[str]) -> str:
    return "\n".join(["| key | default | valid | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _row(key: str, field: FieldInfo, section: type[BaseModel]) -> str:
    default = section().model_dump(mode="json")[key.split(".")[-1]]
    written = default or "''" if isinstance(default, str) else json.dumps(default)
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| `{key}` | `{written}` | {_valid(key, section)} | {meaning} |"


def _valid(key: str, section: type[BaseModel]) -> str:
    """What the JSON schema of a section says is valid for a key."""
    schema: dict[str, Any] = section.model_json_schema()["properties"][key.split(".")[-1]]
    return _of_schema(schema).replace("|", "\\|")


def _of_schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "")
    if kind == "array":
        inner = schema.get("prefixItems") or [schema.get("items", {})]
        count = f"{len(inner)} x " if "prefixItems" in schema else "list of "
        return count + _of_schema(inner[0])
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    if kind == "object":
        return f"name: {_of_schema(schema.get('additionalProperties', {}))}"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = ", ".join(f"{sign} {schema[name]}" for name, sign in signs.items() if name in schema)
    name = "path" if schema.get("format") == "path" else words.get(kind, kind)
    return f"{name} {limits}".strip()


def main() -> int:
    """Writes the page, or says whether it is as it should be."""
    text = page()
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
