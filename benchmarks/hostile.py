"""Runs any collection of pictures and films through `infer.py`, each in a process of its own: what became of them?

    python benchmarks/hostile.py --pictures FOLDER --films FOLDER --minutes 10

Every file is stylized under a limit of time and of memory (what a plain run needs, measured first, and `--memory`
more), with an output folder and a working folder of its own; a quarter of the pictures serve as masks instead. A run is
good if its output opens with the right size, or if the file is refused in one sentence with exit code 1 or 2.
Everything else is bad: a traceback or a bug, a crash, memory or time that ran out, a wrong size, a file that does not
open or is half written, something written outside the output, or a source that changed. The exit code is 1 if anything
was bad, and the files behind it are named with their last words. Linux and macOS; memory is limited on Linux alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hostile_case import GOOD, REFUSED, Case, Outcome, judged, run_case
from PIL import Image
from tqdm import tqdm

from stylebank.bank.find import find_bank
from stylebank.bank.records import read_manifest
from stylebank.cli.arguments import at_least
from stylebank.shipped import DEFAULT_BANK

STILL = ("png", "jpg", "webp", "tif", "bmp")
MOVING = ("mp4", "mkv", "webm", "gif", "webp", "apng")
MASKS = 4  # one picture in so many is a mask
MEGABYTE = 2**20
PLAIN_TIMEOUT = 120  # seconds; torch is imported in them
PER_MEGAPIXEL = 15  # seconds beyond the limit of time that the network may take: a line of pixels becomes millions


def main() -> int:
    """Runs the collections and prints the table of classes; 1 if any class is bad."""
    options = _parser().parse_args()
    warnings.simplefilter("ignore")  # of Pillow, which only looks at sizes here
    if not options.pictures and not options.films:
        _parser().error("give --pictures, --films, or both")
    with tempfile.TemporaryDirectory(prefix="hostile") as folder:
        ground = Path(folder)
        plain = _plain(ground, options)
        outcomes = list(_outcomes(_cases(options, plain), ground, options))
    print(_table(outcomes))
    bad = [outcome for outcome in outcomes if outcome.kind not in (GOOD, REFUSED)]
    for outcome in bad:
        print(f"\n{outcome.kind}: {outcome.case.source}")
        print(f"  infer.py {' '.join(outcome.case.arguments())}\n  {outcome.said[-600:]}")
    return int(bool(bad))


def _plain(ground: Path, options: argparse.Namespace) -> Case:
    """A run of a whole photograph, which all others are like; its memory is what every run may have, and more."""
    photograph = ground / "photograph.png"
    Image.linear_gradient("L").convert("RGB").resize((96, 80)).save(photograph)
    bank = find_bank(options.bank).absolute()
    style = read_manifest(bank).styles[0]
    case = Case(photograph, photograph, "png", False, str(bank), style, options.size, options.max_megapixels)
    outcome = _run(case, ground / "plain", PLAIN_TIMEOUT)
    if outcome.kind != GOOD:
        raise SystemExit(f"a whole photograph is not stylized ({outcome.kind}): {outcome.said}")
    print(f"A plain run takes {outcome.seconds:.1f} s and {outcome.memory / MEGABYTE:,.0f} MB of addresses.")
    return replace(case, memory=outcome.memory + options.memory * MEGABYTE if outcome.memory else 0)


def _cases(options: argparse.Namespace, plain: Case) -> list[Case]:
    """The runs, in an order that the seed decides."""
    rng = random.Random(options.seed)
    cases = []
    for path in _files(options.pictures):
        is_mask = rng.randrange(MASKS) == 0
        cases.append(replace(plain, source=path, suffix=rng.choice(STILL), as_mask=is_mask))
    for path in _files(options.films):
        cases.append(replace(plain, source=path, suffix=rng.choice(MOVING), film=True))
    rng.shuffle(cases)
    return cases


def _files(folder: Path | None) -> list[Path]:
    return sorted(path.absolute() for path in folder.rglob("*") if path.is_file()) if folder else []


def _outcomes(cases: Sequence[Case], ground: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """What became of each, until the time is over."""
    over = time.monotonic() + 60 * options.minutes
    for number, case in enumerate(tqdm(cases, unit="file", disable=None)):
        if time.monotonic() > over:
            print(f"The time is over after {number} of {len(cases)} files.")
            return
        yield _run(case, ground / str(number), options.timeout)


def _run(case: Case, ground: Path, timeout: float) -> Outcome:
    """One run in a process of its own, which is killed when its time is over."""
    for name in ("out", "work", "tmp"):
        (ground / name).mkdir(parents=True)
    context = multiprocessing.get_context("forkserver")  # which imports torch once for all of them
    context.set_forkserver_preload(["hostile_case", "stylebank.cli.stylize.work"])
    before, began = case.fingerprint(), time.monotonic()
    process = context.Process(target=run_case, args=(case, ground))
    process.start()
    process.join(timeout + PER_MEGAPIXEL * case.megapixels_to_make())
    timed_out = process.is_alive()
    process.kill()
    process.join()
    seconds = time.monotonic() - began
    return judged(case, ground, None if timed_out else process.exitcode, seconds, changed=case.fingerprint() != before)


def _table(outcomes: Sequence[Outcome]) -> str:
    classes: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        classes[outcome.kind].append(outcome.seconds)
    lines = [f"{'outcome':<36} {'runs':>6} {'median s':>9} {'longest s':>9}"]
    for kind in sorted(classes, key=lambda kind: (kind not in (GOOD, REFUSED), kind)):
        times = classes[kind]
        lines.append(f"{kind:<36} {len(times):>6} {statistics.median(times):>9.1f} {max(times):>9.1f}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="a tree of files to take for pictures and masks")
    parser.add_argument("--films", type=Path, metavar="DIR", help="a tree of files to take for films and animations")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="stop then")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of the order, and of what is written")
    parser.add_argument("--bank", type=Path, default=DEFAULT_BANK, metavar="DIR", help="the bank to stylize with")
    parser.add_argument("--size", type=at_least(16, "pixels"), default=32, metavar="N", help="short side of outputs")
    parser.add_argument("--timeout", type=float, default=60, metavar="S", help="seconds for one file")
    parser.add_argument(
        "--memory", type=at_least(1), default=1500, metavar="MB", help="for one file, beyond what a plain run needs"
    )
    parser.add_argument("--max-megapixels", type=float, default=40, metavar="N", help="limit that the runs are given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
