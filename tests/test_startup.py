"""What can be said without the network is said before torch is imported, which takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from films import make_film
from pictures import smooth
from tiny import write_bank

from stylebank.cli import COMMANDS, parser
from stylebank.cli.preset_choice import OPTIMIZERS
from stylebank.cli.preset_options import OPTIMIZERS as OPTIMIZER_NAMES
from stylebank.cli.preset_options import PRESETS as PRESET_NAMES
from stylebank.cli.stylize.look_options import looks_of, names_of
from stylebank.cli.stylize.looks import Looks
from stylebank.inference.stylizer import Stylizer
from stylebank.optimize import PRESETS

CHILD = """
import sys
from stylebank.cli import main
try:
    code = main(sys.argv[2:], prog=sys.argv[1] or None)
except SystemExit as leaving:
    code = leaving.code
heavy = sorted({"torch", "scipy", "skimage"} & set(sys.modules))
print("imported", *heavy)
sys.exit(code)
"""


def without_torch(prog: str, *arguments: object, code: int) -> str:
    """Runs a command in a process of its own and returns what it printed; it must not have imported torch."""
    command = [sys.executable, "-c", CHILD, prog, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == code, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "imported"
    return done.stderr if code else done.stdout


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    return write_bank(tmp_path / "bank", "wave", "scream")


def test_help_and_version_name_every_command() -> None:
    text = without_torch("", "--help", code=0)
    assert all(name in text for name in COMMANDS)
    assert "Train a bank on photographs and paintings" in text
    assert without_torch("", "--version", code=0).startswith("stylebank ")


@pytest.mark.parametrize("command", [*COMMANDS, "bank verify"])
def test_every_command_explains_itself(command: str) -> None:
    assert "usage: stylebank" in without_torch("", *command.split(), "--help", code=0)


@pytest.mark.parametrize("program", ["infer.py", "train.py", ""])
def test_wrong_usage_is_said_at_once(program: str) -> None:
    command = () if program else ("optimize",)
    assert "--nonsense" in without_torch(program, *command, "--nonsense", "--help-me", code=2) or not program


def test_a_bank_is_listed(bank: Path) -> None:
    assert without_torch("infer.py", "--bank", bank, "--list", code=0).splitlines()[:2] == [
        "wave    Wave",
        "scream  Scream",
    ]
    (bank / "styles" / "wave.safetensors").write_bytes(b"other weights")
    assert "was changed or damaged" in without_torch("infer.py", "--bank", bank, "--list", code=1)


@pytest.mark.parametrize(
    ("source", "output", "existing", "options"),
    [
        ("in.png", "out.png", "out.png", ["--style", "wave"]),
        ("in.png", "out.png", "out.png", ["--style", "wave", "scream", "--sweep", "3"]),
        ("in.png", "out.png", "out.png", ["--style", "wave:1", "scream:2"]),
        ("in.png", "out.png", "out.png", ["--mask", "wave=in.png"]),
        ("in.png", "out", "out/in.png", ["--style", "wave:1", "scream:2"]),
        ("in.png", "out", "out/scream/in.png", ["--style", "wave", "scream"]),
        ("folder", "out", "out/wave/b.png", ["--style", "all"]),
        ("in.mp4", "out.mp4", "out.mp4", ["--style", "wave"]),
        ("in.mp4", "out", "out/in.mp4", ["--style", "wave"]),
        ("in.mp4", "out", "out/000000.png", ["--style", "wave", "--frames"]),
    ],
)
def test_an_output_that_exists_is_refused_before_torch(
    tmp_path: Path, bank: Path, source: str, output: str, existing: str, options: list[str]
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("in.png", "folder/a.png", "folder/b.png"):
        smooth(20, 16).save(tmp_path / name)
    if source.endswith("mp4"):
        make_film(tmp_path / source, 3)
    there = tmp_path / existing
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_bytes(b"the user's own")
    options = [option.replace("in.png", str(tmp_path / "in.png")) for option in options]
    arguments = ["--bank", bank, "--input", tmp_path / source, "--output", tmp_path / output, *options]
    refusal = without_torch("infer.py", *arguments, code=1)
    named = there.parent if "--frames" in options else there
    assert refusal == f"Error: '{named}' exists; pass --overwrite to replace it\n" or refusal == (
        f"Error: '{named}' exists; pass --overwrite to replace it.\n"
    )
    assert there.read_bytes() == b"the user's own"


def test_optimize_refuses_an_output_that_exists_before_torch(tmp_path: Path) -> None:
    smooth(20, 16).save(tmp_path / "in.png")
    named = ["--content", tmp_path / "in.png", "--style", tmp_path / "in.png", "--output", tmp_path / "in.png"]
    refusal = without_torch("", "optimize", "--preset", "gatys", *named, code=1)
    assert refusal == f"Error: '{tmp_path / 'in.png'}' exists; pass --overwrite to replace it\n"


@pytest.mark.parametrize(
    "options",
    [
        ["--style", "wave"],
        ["--style", "all"],
        ["--style", "all", "identity", "wave"],
        ["--style", "wave:0.5", "identity:2"],
        ["--style", "scream", "--mask", "wave=in.png"],
        ["--mask", "wave=in.png"],
        ["--regions", "kmeans:2", "--assign", "0=wave"],
        ["--regions", "kmeans:2", "--show-regions", "map.png"],
    ],
)
def test_looks_are_called_the_same_with_and_without_the_bank(
    tmp_path: Path, bank: Path, options: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    smooth(20, 16).convert("L").save("in.png")
    looks = looks_of(parser("infer.py").parse_args(options))
    stylizer = Stylizer.load(bank, "cpu")
    assert names_of(looks, stylizer.styles) == list(Looks(looks, stylizer).names)


def test_presets_and_optimizers_are_offered_by_their_names() -> None:
    assert tuple(PRESETS) == PRESET_NAMES
    assert tuple(OPTIMIZERS) == OPTIMIZER_NAMES


def test_the_package_offers_torch_s_names_late() -> None:
    code = (
        "import sys, stylebank, stylebank.images, stylebank.regions, stylebank.video\n"
        "assert 'torch' not in sys.modules\n"
        "from stylebank.images import to_tensor; from stylebank.regions import find_regions; import torch"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=500, env={**os.environ})


def test_seconds_of_importing_torch_are_announced() -> None:
    code = "from stylebank.bars import load_torch; load_torch(); load_torch()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=True)
    assert done.stderr == "Loading PyTorch ...\n"


def test_loading_a_bank_does_not_import_torch_s_compiler(bank: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stylebank.bank.io import load_bank\n"
        f"load_bank(Path({str(bank)!r})); assert not {{'torch._dynamo', 'sympy'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=500)
