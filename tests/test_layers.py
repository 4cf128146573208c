"""The order of the rooms: imports run only downward, and nowhere in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import stylebank

PACKAGE = Path(stylebank.__file__).parent
LAYERS = (
    ("cli",),
    ("serve",),
    ("sweeps", "doctor"),
    ("training", "export"),
    ("evaluation",),
    ("films", "regions", "optimize"),
    ("inference",),
    ("bank",),
    ("losses",),
    ("network",),
    ("styles",),
    ("video",),
    ("images", "distributed"),
    ("config_files",),
    ("config",),
    ("device", "signals", "files", "folder_lock", "shipped", "yaml12"),
    ("bars", "errors", "late"),
)
"""From the top down, as in docs/architecture.md; rooms of one line know nothing of each other."""
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
DOORS = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}  # of the package itself, which may open any room
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path not in DOORS)


def room_of(path: Path) -> str:
    """The package, or the module beside them, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """The modules of the project that a file imports, wherever in it, those for types only included."""
    known = {name_of(each) for each in MODULES}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "stylebank":
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & known
            yield from inner or {node.module}
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "stylebank")


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in MODULES} == set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downward(path: Path) -> None:
    own = room_of(path)
    for module in imported(path):
        parts = module.split(".")
        if len(parts) == 1 or parts[1] == own:  # the package itself holds the version and the front doors
            continue
        assert LEVEL[parts[1]] > LEVEL[own], f"{name_of(path)} imports {module}, which is no lower"


def test_no_module_comes_back_to_itself() -> None:
    arrows = {name_of(path): sorted(set(imported(path))) for path in MODULES}
    done: set[str] = set()

    def follow(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for target in arrows.get(module, ()):
                # A package's own __init__ gathers what its modules offer; they don't import it.
                follow(target, (*way, module))
            done.add(module)

    for module in arrows:
        follow(module, ())


def test_only_the_command_line_knows_argparse() -> None:
    for path in MODULES:
        if room_of(path) != "cli":
            text = path.read_text(encoding="utf-8")
            assert "argparse" not in text, f"{name_of(path)} is below the command line"
