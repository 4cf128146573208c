"""A study as Markdown: a table of all runs, and one over seeds where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stylebank.evaluation.markdown import table
from stylebank.files import new_file, write_csv
from stylebank.sweeps.grid import SEED, short_names, show_value
from stylebank.sweeps.names import CSV, TABLE
from stylebank.sweeps.record import MEASURES, Entry, Study

TITLES = {
    "identity_psnr": "identity PSNR, dB",
    "style_gap_closed": "style gap closed, mean",
    "style_gap_closed_min": "style gap closed, lowest style",
    "content_distance": "content distance",
    "seconds": "seconds",
}
BEST = {"identity_psnr": max, "style_gap_closed": max, "style_gap_closed_min": max, "content_distance": min}
COMMON = ("train.steps", "train.batch_size", "train.crop_size", "loss.network", "data.content_size", "data.held_out")

DEFINITIONS = """\
Measured on photographs that the run did not train on (which ones depends on the seed), at a short side of 256 pixels:

- *identity PSNR*: of the auto-encoder alone; higher is better
- *style gap closed*: 1 - d(output, painting) / d(photograph, painting), d being the relative distance of Gram
  matrices; 0 is the photograph, 1 the painting's own statistics
- *content distance*: relative squared distance on relu4_2; 0 is the photograph, which has no style either
- *seconds*: of training, without measuring

The best value of a column is in bold; differences as small as those between seeds say nothing."""


def write_table(study: Study) -> None:
    """Writes `study.md`, and the same numbers as `study.csv`."""
    rows = [
        {"run": entry.name, "state": entry.state, **entry.values, **dict.fromkeys(MEASURES), **entry.measures}
        for entry in study.entries.values()
    ]
    write_csv(study.folder / CSV, rows)
    with new_file(study.folder / TABLE) as temporary:
        temporary.write_text(markdown(study), encoding="utf-8")


def markdown(study: Study) -> str:
    """The whole page."""
    entries, done = list(study.entries.values()), study.finished()
    short = short_names(study.keys)
    varied = [key for key in study.keys if key != SEED]
    parts = [f"# Study of {', '.join(short[key] for key in varied) or 'seeds'}", _common(study)]
    parts.append(table([*(short[key] for key in study.keys), *TITLES.values()], _rows(study, entries), len(study.keys)))
    if failed := [entry for entry in entries if entry.state == "failed"]:
        parts += ["## Failed", "\n".join(f"- `{entry.name}`: {entry.error}" for entry in failed)]
    seeds = _over_seeds(done, varied)
    if any(len(group) > 1 for group in seeds.values()):
        parts += ["## Over seeds", "Mean (lowest to highest) over the seeds that are done."]
        rows = [[*key, str(len(group)), *_spread(group)] for key, group in seeds.items()]
        parts.append(table([*(short[key] for key in varied), "seeds", *TITLES.values()], rows, len(varied)))
    return "\n\n".join([*parts, "## What the columns mean", DEFINITIONS]) + "\n"


def _common(study: Study) -> str:
    """How many runs there are, and what they have in common."""
    states = [entry.state for entry in study.entries.values()]
    counts = [f"{states.count(state)} {state}" for state in ("done", "failed", "stopped", "waiting") if state in states]
    fixed = {
        f"{section}.{key}": value
        for section, tree in study.base.items()
        if isinstance(tree, dict)
        for key, value in tree.items()
    }
    said = ", ".join(f"{key} {show_value(fixed[key])}" for key in COMMON if key in fixed)
    styles = sorted({style for entry in study.finished() for style in entry.metrics["styles"]})
    about = f" Styles: {', '.join(styles)}." if styles else ""
    return f"{len(states)} runs: {', '.join(counts)}. In all: {said}; the rest is in `study.json`.{about}"


def _rows(study: Study, entries: Sequence[Entry]) -> list[list[str]]:
    found = [entry.measures for entry in entries if entry.state == "done"]
    best = {name: pick(row[name] for row in found) for name, pick in BEST.items() if len(found) > 1}
    rows = []
    for entry in entries:
        values = [show_value(entry.values[key]) for key in study.keys]
        measures = entry.measures or {}
        cells = [_cell(name, measures.get(name), best) for name in MEASURES] if measures else _unfinished(entry)
        rows.append([*values, *cells])
    return rows


def _unfinished(entry: Entry) -> list[str]:
    state = f"stopped after step {entry.steps}" if entry.state == "stopped" else entry.state
    return [state, *[""] * (len(MEASURES) - 1)]


def _cell(name: str, value: float | None, best: Mapping[str, float]) -> str:
    if value is None:
        return ""
    text = _number(name, value)
    return f"**{text}**" if best.get(name) == value else text


def _number(name: str, value: float) -> str:
    digits = {"identity_psnr": 1, "seconds": 0}.get(name, 3)
    return f"{value:.{digits}f}"


def _over_seeds(entries: Sequence[Entry], varied: Sequence[str]) -> dict[tuple[str, ...], list[Entry]]:
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(tuple(show_value(entry.values[key]) for key in varied), []).append(entry)
    return groups


def _spread(group: Sequence[Entry]) -> list[str]:
    cells = []
    for name in MEASURES:
        values = [entry.measures[name] for entry in group]
        mean, lowest, highest = (_number(name, f) for f in (sum(values) / len(values), min(values), max(values)))
        cells.append(f"{mean} ({lowest} to {highest})" if len(group) > 1 else mean)
    return cells
