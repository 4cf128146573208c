"""What goes wrong in a run without ending it: said once, counted for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stylebank.distributed import Processes

SPOKEN = 10  # skipped files named while the run goes on; all are in the report
KINDS = ("restarts", "failed_saves", "lost_workers")


class RunIssues:
    """The faults of a run as one of its processes met them, in the first one also those before the last restart."""

    def __init__(self, skipped: Iterable[str] = ()) -> None:
        self.skipped = list(skipped)
        """Files that could not be used, each with the reason."""
        self.counts = dict.fromkeys(KINDS, 0)
        self.say: Callable[[str], None] = print
        self._said: set[str] = set()
        self._named = 0

    def once(self, text: str, kind: str = "") -> None:
        """Says something that was not said yet; nor anything else of its kind, where one is given."""
        if (kind or text) not in self._said:
            self._said.add(kind or text)
            self.say(text)

    def skip(self, reasons: Iterable[str]) -> None:
        """Notes files that could not be read; the first few are named."""
        for reason in reasons:
            if reason in self.skipped:
                continue
            self.skipped.append(reason)
            self._named += 1
            if self._named <= SPOKEN:
                self.say(f"Skipped: {reason}")
            elif self._named == SPOKEN + 1:
                self.say("More files are skipped; report.json names them all.")

    def go_on_from(self, report: Mapping[str, Any], again: bool) -> None:
        """Takes over what an earlier report of the run counted; if it trains `again`, that is one more restart."""
        counts, skipped = report.get("counts"), report.get("skipped")
        for kind in KINDS:
            if isinstance(counts, dict) and isinstance(counts.get(kind), int):
                self.counts[kind] = counts[kind]
        earlier = [text for text in skipped if isinstance(text, str)] if isinstance(skipped, list) else []
        self.skipped = list(dict.fromkeys([*earlier, *self.skipped]))
        self.counts["restarts"] += again

    def of_all(self, processes: Processes) -> tuple[dict[str, int], list[str]]:
        """Counts and skipped files over all processes; to be called by all of them."""
        everyone = processes.gather((self.counts, self.skipped))
        counts = {kind: sum(counts[kind] for counts, _ in everyone) for kind in KINDS}
        return counts, list(dict.fromkeys(text for _, skipped in everyone for text in skipped))
