"""Help pages: options in groups, examples that parse, defaults that are true; and the shells' completion."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import fail, run, succeed

from stylebank.cli import PROGRAMS, parser
from stylebank.cli.completion import SHELLS
from stylebank.cli.examples import EXAMPLES, HEADING
from stylebank.cli.stylize.options import DEFAULT_QUALITY
from stylebank.evaluation.choices import SIZES
from stylebank.images import DEFAULT_MEGAPIXELS
from stylebank.optimize import PRESETS
from stylebank.video.folders import DEFAULT_FPS

ROOT = Path(__file__).parents[1]
FEW = 4  # options need no groups


def parsers(made: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its commands."""
    yield made
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


ALL = [*parsers(parser().whole()), *(made for prog in PROGRAMS for made in parsers(parser(prog).whole()))]
each = pytest.mark.parametrize("made", ALL, ids=[made.prog for made in ALL])


def own_options(made: argparse.ArgumentParser) -> list[argparse.Action]:
    """Options that are not of every command."""
    general = {"help", "verbose", "max_megapixels", "version"}
    return [action for action in made._actions if action.option_strings and action.dest not in general]


def described(made: argparse.ArgumentParser) -> list[argparse.Action]:
    """Options and arguments; commands have summaries of their own."""
    return [action for action in made._actions if not isinstance(action, argparse._SubParsersAction)]


def told(made: argparse.ArgumentParser, action: argparse.Action) -> str:
    """The help of one option as it is printed."""
    return " ".join(made._get_formatter()._expand_help(action).split())


@each
def test_every_option_says_what_it_is_and_stands_in_a_group(made: argparse.ArgumentParser) -> None:
    grouped = {action for group in made._action_groups[2:] for action in group._group_actions}
    for action in described(made):
        assert action.help, (made.prog, action.dest)
    if len(own_options(made)) > FEW:
        assert not [action.dest for action in own_options(made) if action not in grouped]
    titles = re.findall(r"^(\S.*):$", made.format_help(), re.M)
    assert titles[-2:] == ["of every command", HEADING.rstrip(":")]


@each
def test_every_help_ends_with_an_example_that_parses(
    made: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = made.format_help().split(HEADING)[1].strip().splitlines()
    assert examples
    for line in examples:
        words = shlex.split(line.split(" > ")[0], comments=True)
        start = made.prog.split() if made.prog not in PROGRAMS else ["python", made.prog]
        assert words[: len(start)] == start
        given = words[2:] if made.prog in PROGRAMS else words[1:]
        if given[-1] != "--help":
            parser(made.prog if made.prog in PROGRAMS else None).parse_args(given)


def test_no_example_is_of_a_command_that_does_not_exist() -> None:
    assert {made.prog.removeprefix("stylebank").strip() for made in parsers(parser().whole())} == set(EXAMPLES)


@each
def test_defaults_that_are_told_are_the_parsers(made: argparse.ArgumentParser) -> None:
    """Those that argparse knows: each is told, and nothing else is."""
    for action in described(made):
        found = re.search(r"\(default: (.*)\)$", told(made, action))
        default = None if action.default is argparse.SUPPRESS else action.default
        if default is None or default is False or default == []:
            assert found is None, (made.prog, action.dest)
            continue
        assert found, (made.prog, action.dest)
        words = default if isinstance(default, list | tuple) else [default]
        assert found[1] == " ".join(map(str, words))
        assert made.get_default(action.dest) == default


WRITTEN = {
    ("stylize", "quality"): str(DEFAULT_QUALITY),
    ("stylize", "fps"): str(DEFAULT_FPS),
    ("evaluate", "sizes"): " ".join(f"{side}:{count}" for side, count in SIZES.items()),
    ("evaluate", "network"): "vgg19",
}


def test_defaults_that_the_program_finds_later_are_told_as_they_are() -> None:
    """What stands behind "else" is no default of argparse's."""
    for made in parsers(parser().whole()):
        for action in own_options(made):
            if found := re.search(r"\belse ([\d:x ]*\d|vgg\d\d)", told(made, action)):
                assert WRITTEN[made.prog.split()[-1], action.dest] == found[1].strip()
    assert f"({DEFAULT_MEGAPIXELS:g}, or" in parser().format_help()


def test_presets_of_the_optimisation_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("optimize", "--help")
    assert "{" + ",".join(PRESETS) + "}" in capsys.readouterr().out


# ----------------------------------------------------------------------------------------------- completion


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash, as the command prints it in the checkout."""
    pytest.importorskip("shtab")
    code = "import sys; from stylebank.cli import main; sys.exit(main(['completion', 'bash']))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    script = tmp_path_factory.mktemp("completion") / "stylebank.bash"
    script.write_bytes(made.stdout)
    return script


def completed(script: Path, cwd: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    asked = " ".join(shlex.quote(word) for word in words)
    lines = (
        f"source {shlex.quote(str(script))}\n"
        f"COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; COMP_LINE={shlex.quote(' '.join(words))}\n"
        "COMP_POINT=${#COMP_LINE}; COMPREPLY=(); compopt() { :; }\n"
        '_shtab_stylebank stylebank "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"\n'
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    ended = subprocess.run(["bash", "-c", lines], cwd=cwd, capture_output=True, text=True, check=False)
    assert not ended.stderr, ended.stderr
    return set(ended.stdout.split())


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_completes_commands_options_styles_and_files(bash: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "photos").mkdir()
    assert completed(bash, tmp_path, "stylebank", "st") == {"stylize", "styles", "study"}
    assert completed(bash, tmp_path, "stylebank", "bank", "s") == {"show"}
    assert {"--style", "--stroke", "--stabilize"} <= completed(bash, tmp_path, "stylebank", "stylize", "--st")
    assert completed(bash, tmp_path, "stylebank", "stylize", "--preserve-colors", "l") == {"luma"}
    assert completed(bash, tmp_path, "stylebank", "stylize", "--style", "the") == {"the_scream"}
    assert completed(bash, tmp_path, "stylebank", "stylize", "--input", "ph") == {"photo.jpg", "photos"}
    assert completed(bash, tmp_path, "stylebank", "stylize", "--bank", "ph") == {"photos"}


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_every_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    printed = succeed(capsys, "completion", shell)
    for word in ("stylize", "preserve-colors", "histogram"):
        assert word in printed


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    modules: dict[str, Any] = {"shtab": None}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    fail(capsys, "completion", "bash", mentions=["stylebank[completion]"])
