"""Stylize pictures and films with a bank."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path

from stylebank.bank.find import find_bank
from stylebank.bank.records import read_manifest
from stylebank.bars import load_torch
from stylebank.cli.styles import run as show_styles
from stylebank.cli.stylize.jobs import find_sources, plan, plan_maps
from stylebank.cli.stylize.look_options import LookOptions, names_of
from stylebank.cli.stylize.options import StylizeOptions, add_arguments, request_of, webcam_of
from stylebank.errors import BankError
from stylebank.inference.saved_recipe import check_recipe_file, save_recipe

__all__ = ["add_arguments", "run"]


def run(options: argparse.Namespace) -> int:
    """Stylizes everything in every look asked for; 1 if any of it failed, 130 if interrupted."""
    if options.list:
        return show_styles(options)
    if options.webcam is not None:
        camera = webcam_of(options)
        load_torch(line=False)
        from stylebank.cli.stylize.webcam import show_camera

        show_camera(camera)
        return 0
    if os.environ.get("WORLD_SIZE", "1") == "1":  # of several processes one speaks for all, later
        refuse_what_exists(request_of(options))
    if options.save_recipe is not None:
        check_recipe_file(options.save_recipe, overwrite=options.overwrite)
    load_torch(line=False)
    from stylebank.cli.stylize.work import carry_out

    code = carry_out(options)
    if options.save_recipe is not None and code == 0 and os.environ.get("RANK", "0") == "0":
        recipe = request_of(options).recipe
        assert recipe is not None
        save_recipe(recipe, options.save_recipe, overwrite=options.overwrite)
    return code


def refuse_what_exists(request: StylizeOptions) -> None:
    """Looks, before torch is imported and the bank loaded, whether outputs are there already; all else comes later.

    Raises:
        StyleBankError: as `plan` does.
    """
    existing, output, show = request.existing, request.output, request.looks.regions.show
    stands = os.path.lexists(output) and not (existing.overwrite or existing.resume)
    if not stands and not show:
        return
    sources = find_sources(request.inputs, output, request.films.frames)
    names = names_of(request.looks, _styles(request.bank, request.looks))
    jobs = plan(sources, names, output, existing, frames=request.films.frames) if names else []
    if show:
        plan_maps(list(sources), show, jobs, request.looks.files, existing.overwrite)


def _styles(bank: Path, looks: LookOptions) -> list[str]:
    """The bank's styles if all are wanted; none if it cannot be read, which is said later."""
    if any(style.name == "all" for style in looks.styles):
        with suppress(BankError):
            return read_manifest(find_bank(bank)).styles
    return []
