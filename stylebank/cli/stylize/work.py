"""The work itself, in one process or in several: everything of a request that needs the network."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch

from stylebank.cli.arguments import require
from stylebank.cli.stylize.bulk import INTERRUPTED, Outcome, stylize_all, summary, what_is_missing
from stylebank.cli.stylize.films import check_films
from stylebank.cli.stylize.images import show_regions
from stylebank.cli.stylize.jobs import Job, find_sources, plan, plan_maps, what_is_unread
from stylebank.cli.stylize.loading import load_stylizer
from stylebank.cli.stylize.look_options import names_of
from stylebank.cli.stylize.looks import Looks
from stylebank.cli.stylize.options import StylizeOptions, request_of
from stylebank.distributed import Processes, SaidElsewhere, join
from stylebank.errors import ConfigError
from stylebank.films.optical_flow import load_opencv

PATIENCE = timedelta(days=30)  # of a process that has done its share, until the others have


def carry_out(options: argparse.Namespace) -> int:
    """Stylizes everything in every look asked for; 1 if any of it failed, 130 if interrupted."""
    with join(options.device, PATIENCE) as (processes, device):
        try:
            with processes.together():
                request = request_of(options)
            return stylize(request, processes, device)
        except SaidElsewhere:
            time.sleep(1)  # torchrun ends all with the first that fails: let the one speak that has to
            return 1


def stylize(options: StylizeOptions, processes: Processes, device: torch.device) -> int:
    """Stylizes this process's share, and says what became of everything.

    Returns:
        The exit code.

    Raises:
        StyleBankError: something in the request cannot be done; nothing is begun then.
    """
    with processes.together():  # nobody begins before everybody has seen what exists
        if options.films.stabilize == "flow":
            load_opencv()  # before anything else is loaded
        stylizer = load_stylizer(options.bank, str(device), options.precision)
        looks = Looks(options.looks, stylizer)
        sources = find_sources(options.inputs, options.output, options.films.frames)
        _check(options, looks, sources)
        names = names_of(options.looks, stylizer.styles)
        jobs = plan(sources, names, options.output, options.existing, frames=options.films.frames) if names else []
        if options.looks.regions.show and processes.is_main:
            _show_regions(looks, list(sources), jobs, options.looks.regions.show, options)
        if not names:
            return 0
    to_do = [job for job in jobs if job.targets]
    share = to_do[processes.rank :: processes.world_size]
    own = stylize_all(stylizer, looks, share, options, quiet=not processes.is_main)
    unread = [] if options.films.frames else what_is_unread(options.inputs)
    own.failures += unread if processes.is_main else []
    outcomes = processes.gather(own)
    code = max(outcome.code for outcome in outcomes)
    if processes.is_main:
        text = summary(outcomes, len(to_do) + len(unread), len(jobs) - len(to_do))
        _say(f"{text}, in {', '.join(names)}: {options.output}{what_is_missing(outcomes)}", outcomes, code)
    elif code:
        time.sleep(1)  # as in `carry_out`
    return code


def _say(text: str, outcomes: Sequence[Outcome], code: int) -> None:
    print(text, file=sys.stderr if code == INTERRUPTED else sys.stdout)
    for failure in (failure for outcome in outcomes for failure in outcome.failures):
        print(f"Error: {failure}", file=sys.stderr)


def _check(options: StylizeOptions, looks: Looks, sources: dict[Path, bool]) -> None:
    """Raises ConfigError for options that do not go with what was found."""
    if any(sources.values()):
        check_films(options.looks)
    else:
        looks.check_still()
    if not looks.names and not options.looks.regions.show:
        require(style=None)
    if options.films.fps and not any(source.is_dir() for source in sources):
        raise ConfigError("--fps says how fast folders of frames are shown; films keep the times that they have.")
    if not all(sources.values()) and options.quality is not None and not 1 <= options.quality <= 100:
        raise ConfigError(f"--quality {options.quality} is out of range; valid is 1 to 100 for pictures.")


def _show_regions(
    looks: Looks, sources: Sequence[Path], jobs: Sequence[Job], path: Path, options: StylizeOptions
) -> None:
    maps = plan_maps(sources, path, jobs, options.looks.files, options.existing.overwrite)
    for source, target in maps.items():
        print("Wrote " + ", ".join(map(str, show_regions(looks, source, target, options))))
