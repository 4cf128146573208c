"""The command line: one module per command, each with `add_arguments` and `run`.

argparse, because an option such as `--styles` takes as many values as the shell expands a pattern to.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import torch

from stylebank import __version__
from stylebank.cli import bank, demo, evaluate, optimize, study, stylize, train
from stylebank.errors import StyleBankError
from stylebank.memory import keep_freed_memory

COMMANDS = {
    "train": train,
    "stylize": stylize,
    "optimize": optimize,
    "evaluate": evaluate,
    "bank": bank,
    "demo": demo,
    "study": study,
}


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs one command and returns the exit code: 0 done, 1 some or all of it failed, 2 wrong usage, 130 Ctrl-C.

    Args:
        arguments: as on the command line, `sys.argv[1:]` if None.
        prog: name of the program if it stands for one command (`train.py`, `infer.py`).
    """
    parser = _parser(prog)
    options = parser.parse_args(arguments)
    keep_freed_memory()
    try:
        code: int = options.run(options)
        return code
    except StyleBankError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, torch.OutOfMemoryError):
        print("Error: Out of memory; lower train.batch_size, train.crop_size or --size.", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _parser(prog: str | None) -> argparse.ArgumentParser:
    single = {"train.py": train, "infer.py": stylize}.get(prog or "")
    if single:
        parser = _command_parser(argparse.ArgumentParser(prog=prog, description=_summary(single)), single)
    else:
        parser = argparse.ArgumentParser(prog="stylebank", description="Multi-style neural style transfer.")
        commands = parser.add_subparsers(required=True, metavar="COMMAND")
        for name, module in COMMANDS.items():
            _command_parser(commands.add_parser(name, help=_summary(module), description=_summary(module)), module)
    parser.add_argument("--version", action="version", version=f"stylebank {__version__}")
    return parser


def _command_parser(parser: argparse.ArgumentParser, module: object) -> argparse.ArgumentParser:
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    module.add_arguments(parser)  # type: ignore[attr-defined]
    parser.set_defaults(run=module.run)  # type: ignore[attr-defined]
    return parser


def _summary(module: object) -> str:
    return (module.__doc__ or "").split("\n", 1)[0]
