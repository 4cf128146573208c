"""Serve a page for photographs, films and new styles on this machine, and the same over HTTP."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from stylebank.cli.arguments import BANK_HELP, at_least
from stylebank.errors import ConfigError
from stylebank.serve import available
from stylebank.serve.settings import Limits, ServeSettings
from stylebank.shipped import DEFAULT_BANK

TOKEN_VARIABLE = "STYLEBANK_TOKEN"
_LIMITS = {
    "upload": ("upload_megabytes", "MB", "of one upload"),
    "stored": ("stored_megabytes", "MB", "of all uploads together, the oldest go first"),
    "cache": ("cache_megabytes", "MB", "of decoded and encoded pictures in memory"),
    "film-seconds": ("film_seconds", "N", "that a film may last"),
    "jobs": ("jobs", "N", "films and paintings in line"),
    "jobs-at-once": ("jobs_at_once", "N", "films and paintings at work"),
    "waiting": ("renders", "N", "pictures in line"),
    "at-once": ("renders_at_once", "N", "pictures at work"),
}
"""Flag, without `--max-` -> field, unit, what it limits."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    what = parser.add_argument_group("what is served")
    what.add_argument("--bank", type=Path, nargs="+", action="extend", metavar="DIR|NAME", help=BANK_HELP)
    what.add_argument(
        "--keep",
        type=Path,
        default=ServeSettings.keep,
        metavar="DIR",
        help="where films and new styles go; they stay, and what was stopped is gone on with from there",
    )
    what.add_argument(
        "--content", type=Path, metavar="DIR", help="photographs to train new styles on; else a few sample photographs"
    )
    what.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    what.add_argument(
        "--precision", choices=("auto", "bfloat16", "float16", "float32"), default="auto", help="of the network"
    )
    where = parser.add_argument_group("where, and to whom")
    where.add_argument(
        "--port", type=at_least(0, highest=65535), default=ServeSettings.port, metavar="N", help="0: any"
    )
    where.add_argument(
        "--host",
        default=ServeSettings.host,
        metavar="ADDRESS",
        help="0.0.0.0 lets other machines in; they need the token that is printed, or is in " + TOKEN_VARIABLE,
    )
    where.add_argument(
        "--allow-host",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="names that browsers may call it by",
    )
    where.add_argument("--allow-paths", action="store_true", help="open files of this machine that requests name")
    where.add_argument("--open", action="store_true", help="show the page in a browser")
    limits = parser.add_argument_group("limits")
    for flag, (field, unit, text) in _LIMITS.items():
        limits.add_argument(
            f"--max-{flag}", dest=field, type=at_least(1), default=getattr(Limits, field), metavar=unit, help=text
        )


def run(options: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    available()
    from stylebank.serve.run import serve

    serve(settings_of(options), lambda text: print(text, flush=True), show=options.open)
    return 0


def settings_of(options: argparse.Namespace) -> ServeSettings:
    """What the arguments ask for.

    Raises:
        ConfigError: the token from the environment is too short, or there is no such folder of photographs.
    """
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        raise ConfigError(f"{TOKEN_VARIABLE} must hold at least 16 letters, digits or signs without spaces.")
    if options.content is not None and not options.content.is_dir():
        raise ConfigError(f"--content {options.content} is no folder.")
    return ServeSettings(
        banks=tuple(options.bank or [DEFAULT_BANK]),
        host=options.host,
        port=options.port,
        allowed_hosts=tuple(options.allow_host),
        token=token,
        keep=options.keep,
        content=options.content,
        allow_paths=options.allow_paths,
        device=options.device,
        precision=options.precision,
        limits=Limits(**{field: getattr(options, field) for field, _, _ in _LIMITS.values()}),
    )
