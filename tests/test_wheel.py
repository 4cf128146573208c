"""What people install: an sdist, the wheel made from it, and the commands in a clean folder, without a connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import paint

from stylebank.shipped import BANKS

ROOT = Path(__file__).parents[1]
SOURCES = ("stylebank", "checkpoints", "configs", "data/samples", "train.py", "infer.py", "Makefile", "constraints.txt")
SOURCES += ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
SHIPPED = ("checkpoints/vgg19/features.safetensors", "checkpoints/vgg19/LICENSE", "checkpoints/vgg19/README.md")
SHIPPED += ("checkpoints/stylebank-14/bank.json", "configs/cpu.yaml", "data/samples/styles/mosaic.jpg")


def call(*words: object, folder: Path, **more: str) -> str:
    """Runs a program that must end well, cut off from the network, and returns what it printed."""
    nowhere = "http://127.0.0.1:9"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("STYLEBANK_", "PYTHON"))}
    environment |= {
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "https_proxy": nowhere,
        "OMP_NUM_THREADS": "1",
        **more,
    }
    done = subprocess.run([*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from a copy of the project, so that nothing is left behind in it."""
    pytest.importorskip("setuptools", "77", "building needs the extra 'test'")
    place = tmp_path_factory.mktemp("sdist")
    for name in SOURCES:
        source, target = ROOT / name, place / "project" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(source, target)
    build = "from setuptools import build_meta; build_meta.build_sdist('../dist')"
    call(sys.executable, "-c", build, folder=place / "project")
    [archive] = (place / "dist").glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    call(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", place, sdist, folder=place)
    [archive] = place.glob("*.whl")
    return archive


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed package; what it needs comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("site")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    call(*pip, "install", "--no-deps", "--no-index", "--target", folder, wheel, folder=folder)
    return folder


@pytest.fixture
def stylebank(site: Path, tmp_path: Path) -> object:
    """stylebank(words...): runs the installed command in a clean folder that is nobody's home."""

    def _stylebank(*words: object) -> str:
        home = {"HOME": str(tmp_path), "TORCH_HOME": str(tmp_path / "torch"), "PYTHONPATH": str(site)}
        return call(sys.executable, site / "bin" / "stylebank", *words, folder=tmp_path, **home)

    return _stylebank


def test_sdist_and_wheel_hold_what_ships(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    for name in SHIPPED:
        assert name in packed
        assert f"stylebank/_data/{name}" in installed
    styles = [file.relative_to(BANKS) for file in (BANKS / "stylebank-14" / "styles").iterdir()]
    assert {f"stylebank/_data/checkpoints/{name.as_posix()}" for name in styles} <= installed
    assert {"train.py", "infer.py", "data/samples/draw.py", "constraints.txt"} <= packed
    assert not [name for name in installed if "__pycache__" in name or name.startswith(("tests", "docs", "build"))]
    assert any(name.endswith("licenses/checkpoints/vgg19/LICENSE") for name in installed)
    assert wheel.stat().st_size < 40e6


def test_the_installed_command_works_in_any_folder(site: Path, stylebank: object, tmp_path: Path) -> None:
    assert callable(stylebank)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    stylebank("stylize", "--style", "starry_night", "--input", "a.jpg", "--output", "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        assert picture.size == (56, 40)
    code = """if True:
        import stylebank.cli
        print(stylebank.__file__, *stylebank.Stylizer.load().styles)
        stylebank.cli.main(["styles", "--bank", "stylebank-14"])
    """
    printed = call(sys.executable, "-c", code, folder=tmp_path, PYTHONPATH=str(site))
    assert printed.startswith(str(site))
    assert "Vincent van Gogh, The Starry Night (1889)" in printed


def test_the_installed_command_trains(stylebank: object, tmp_path: Path) -> None:
    assert callable(stylebank)
    paint(tmp_path / "photographs", "a", "b", "c", size=(80, 72))
    paint(tmp_path / "paintings", "calm")
    few = ["train.steps=3", "train.identity_pretrain_steps=1", "train.batch_size=1", "train.crop_size=32"]
    few += ["data.held_out=1", "data.workers=0", "data.style_size=64", "data.content_size=64"]
    inputs = ["--content", "photographs", "--styles", "paintings", "--set", *few]
    assert "Done" in stylebank("train", "--config", "cpu", *inputs, "--out", "run")
    assert (tmp_path / "run" / "bank" / "styles" / "calm.safetensors").is_file()


def test_the_installed_command_shows_the_demo(stylebank: object, tmp_path: Path) -> None:
    assert callable(stylebank)
    text = stylebank("demo", "--quick", "--size", 48)
    sheet = Path("outputs", "demo", "contact_sheet.png")
    assert str(sheet) in text
    assert (tmp_path / sheet).is_file()


def test_an_editable_install_finds_what_lies_in_the_checkout(tmp_path: Path) -> None:
    code = "from stylebank import shipped; print(shipped.BANKS)"
    printed = call(sys.executable, "-c", code, folder=tmp_path, PYTHONPATH=str(ROOT))
    assert Path(printed.strip()) == ROOT / "checkpoints"


def test_the_container_is_given_all_that_a_wheel_is_made_of() -> None:
    """Its `.dockerignore` lets through what the Dockerfile copies, and that is what the build reads."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    copied = {
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {"stylebank", "pyproject.toml", "setup.py", project["readme"], *project["license-files"], *SHIPPED}
    assert not {name for name in needed if not any(Path(name).is_relative_to(there) for there in copied)}
