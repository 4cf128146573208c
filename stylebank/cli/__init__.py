"""The command line: one module per command, each with `add_arguments` and `run`.

Commands are imported when they are called, torch when there is work for it: what needs neither is said at once.

argparse, because an option such as `--styles` takes as many values as the shell expands a pattern to.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from stylebank import __version__
from stylebank.cli import messages
from stylebank.cli.arguments import UsageError
from stylebank.cli.examples import HEADING, epilog
from stylebank.errors import ConfigError, did_you_mean
from stylebank.images import DEFAULT_MEGAPIXELS, LIMIT_VARIABLE, limit_megapixels, parse_megapixels
from stylebank.inference.allocator import keep_freed_memory


class Command(Protocol):
    """What a command's module has; the first line of its docstring is its help."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declares the command's options."""

    def run(self, options: argparse.Namespace, /) -> int:
        """Runs the command and returns its exit code."""


COMMANDS: dict[str, str] = {
    "train": "stylebank.cli.train",
    "stylize": "stylebank.cli.stylize.command",
    "optimize": "stylebank.cli.optimize",
    "evaluate": "stylebank.cli.evaluate",
    "bank": "stylebank.cli.bank",
    "styles": "stylebank.cli.styles",
    "serve": "stylebank.cli.serve",
    "export": "stylebank.cli.export",
    "demo": "stylebank.cli.demo.command",
    "study": "stylebank.cli.study",
    "doctor": "stylebank.cli.doctor",
    "completion": "stylebank.cli.completion",
}
"""Command -> its module."""
PROGRAMS: dict[str, str] = {"train.py": "train", "infer.py": "stylize"}
"""Programs that are one command."""


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs one command and returns the exit code: 0 done, 1 some or all of it failed, 2 wrong usage, 130 Ctrl-C.

    Args:
        arguments: as on the command line, `sys.argv[1:]` if None.
        prog: name of the program if it stands for one command (`train.py`, `infer.py`).
    """
    options = parser(prog).parse_args(arguments, argparse.Namespace(verbose=False, max_megapixels=None))
    keep_freed_memory()
    with messages.tracebacks(options.verbose), messages.warnings_in_a_line():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        with limit_megapixels(options.max_megapixels):
            code: int = options.run(options)
        return code
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - a bug, too, is to be said in one sentence
        messages.tell(error)
        return 2 if isinstance(error, UsageError) else 1


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help with the defaults, where there is one to tell, and examples line by line."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if default is None or default is False or default == []:
            return action.help
        if isinstance(default, list | tuple):
            return f"{action.help} (default: {' '.join(map(str, default))})".replace("%", "%%")
        return super()._get_help_string(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(HEADING) else super()._fill_text(text, width, indent)


class CommandParser(argparse.ArgumentParser):
    """With the options that every command has, at whatever level: parsers of commands are of this class, too.

    Args:
        command: the module whose options it has; it is imported when something is parsed, or its help printed.
    """

    def __init__(self, command: str = "", **options: Any) -> None:
        super().__init__(**{"formatter_class": _Help, **options})
        self._command = command
        self.epilog = epilog(self.prog)
        self._optionals.title = "of every command"
        # Suppressed: the default of an inner parser would undo what an outer one was given.
        self.add_argument(
            "--verbose",
            action="store_true",
            default=argparse.SUPPRESS,
            help="print what is loaded, and where an error was raised",
        )
        self.add_argument(
            "--max-megapixels",
            type=_megapixels,
            default=argparse.SUPPRESS,
            metavar="N",
            help=f"refuse larger pictures and frames ({DEFAULT_MEGAPIXELS:g}, or what {LIMIT_VARIABLE} says)",
        )

    def whole(self) -> CommandParser:
        """Itself, with the options of all its commands declared."""
        self._declare()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    command.whole()
        return self

    def _declare(self) -> None:
        if self._command:
            command = cast(Command, importlib.import_module(self._command))
            self._command = ""
            command.add_arguments(self)
            self.set_defaults(run=command.run)

    def format_help(self) -> str:
        """What every command has comes last."""
        self._declare()
        self._action_groups.sort(key=lambda group: group is self._optionals)
        return super().format_help()

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """As argparse does, with a guess at what was meant."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if guess := did_you_mean(str(value), map(str, action.choices or ())):
                error.message += f".{guess}"
            raise

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but what is not known is refused here, by the command it was given to."""
        self._declare()
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
            guesses = {did_you_mean(word.partition("=")[0], flags): None for word in unknown if word.startswith("--")}
            self.error(f"unrecognized arguments: {' '.join(map(str, unknown))}.{''.join(guesses)}")
        return found, unknown


def parser(prog: str | None = None) -> CommandParser:
    """The whole command line, or that of `train.py` or `infer.py`."""
    if prog in PROGRAMS:
        module = COMMANDS[PROGRAMS[prog]]
        made = CommandParser(module, prog=prog, description=_summary(module))
    else:
        made = CommandParser(prog="stylebank", description="Multi-style neural style transfer.")
        commands = made.add_subparsers(required=True, metavar="COMMAND")
        for name, module in COMMANDS.items():
            summary = _summary(module)
            commands.add_parser(name, command=module, help=summary, description=summary)
        commands.choices["completion"].set_defaults(whole=made.whole)
    made.add_argument("--version", action="version", version=f"stylebank {__version__}")
    return made


def _megapixels(text: str) -> float:
    try:
        return parse_megapixels(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _summary(module: str) -> str:
    """The first line of a module's docstring, which is read without importing it."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_bytes()))
    return (text or "").split("\n", 1)[0]
