"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text: int) -> str:
    """A table, its first `text` columns to the left and the others, being numbers, to the right."""
    lines = [head, ["---" if i < text else "--:" for i in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
