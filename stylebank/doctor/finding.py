"""What a check came to, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "off"]
"""`note` is worth knowing and nothing to mend; `off` is."""


@dataclass(frozen=True)
class Finding:
    """A row of the table."""

    check: str
    """What was looked at or done."""
    result: str
    """What was found: a number, a place, or what is wrong and what to do."""
    state: State = "ok"
    seconds: float | None = None
    """How long it took, where work was done."""


class Off(Exception):
    """A check's result is not what it must be; the text says what was found and what is right."""


def row(finding: Finding, width: int) -> str:
    """A line: state, time, check in `width` columns, result."""
    seconds = "" if finding.seconds is None else f"{finding.seconds:.1f} s"
    return f"{finding.state:<5}{seconds:>8}  {finding.check:<{width}}  {finding.result}"


def is_off(findings: Iterable[Finding]) -> bool:
    """Whether anything is to be mended."""
    return any(finding.state == "off" for finding in findings)
