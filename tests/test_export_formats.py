"""Exports that are not ONNX: the files of OpenVINO and of PyTorch compute what the bank does, and say what they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from PIL import Image
from tiny import fail, pixels, run, succeed, write_bank

from stylebank.errors import ConfigError, ExportError
from stylebank.export import photographs
from stylebank.export.formats import FORMATS
from stylebank.export.manifest import Kind, read_export
from stylebank.export.openvino_runtime import installed, openvino
from stylebank.export.parity import pictures
from stylebank.export.run import ExportRequest
from stylebank.export.runtime import ExportedBank
from stylebank.inference.blending import region_masks
from stylebank.inference.stylizer import Stylizer

pytestmark = pytest.mark.timeout(900)  # exporting takes a while on a busy machine
LEVEL = 1 / 255
needs_openvino = pytest.mark.skipif(not installed(), reason="needs OpenVINO")
KINDS = (pytest.param("openvino", marks=needs_openvino), "pt2")
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def folders(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A `bank`, and what it was exported as, by format; PyTorch's programs are compared with it by the tests alone."""
    made = {"bank": exports / "bank", "openvino": exports / "openvino", "pt2": tmp_path_factory.mktemp("pt2") / "made"}
    options = ("--format", "pt2", "--styles", "dots", "encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylebank.export.run.compare", lambda *_: [])  # it takes as long as the tests
        assert run("export", made["bank"], "--out", made["pt2"], *options) == 0
    return made


@pytest.fixture(scope="module")
def stylizer(folders: dict[str, Path]) -> Stylizer:
    return Stylizer.load(folders["bank"], "cpu", "float32")


def opened(folder: Path) -> ExportedBank:
    return ExportedBank(folder, read_export(folder))


def nearly(found: np.ndarray, expected: torch.Tensor, levels: float = 0.01) -> bool:
    assert found.shape == tuple(expected.shape)
    return bool(np.abs(found - expected.numpy()).max() < levels * LEVEL)


@every
def test_a_style_s_own_model_takes_any_size(folders: dict[str, Path], kind: Kind, stylizer: Stylizer) -> None:
    exported = opened(folders[kind])
    for height, width, count in ((16, 16, 1), (17, 50, 3), (98, 31, 1), (16, 400, 1)):
        photo = pictures((height, width), count)
        # It is the first style's with other weights, and pt2 takes seconds to open either.
        found = exported.picture("encoder", photo.numpy())
        assert nearly(found, stylizer.stylize(photo, "encoder")), (height, width)


@every
def test_mixtures_seeds_and_masks(folders: dict[str, Path], kind: Kind, stylizer: Stylizer) -> None:
    exported, photo = opened(folders[kind]), pictures((45, 70))
    features, both = exported.encode(photo.numpy()), {"dots": 0.7, "encoder": 0.3}
    recipe = stylizer.recipe(both, alpha=0.8, seed=2**31)
    picture = exported.decode(exported.apply(features, recipe.base, seed=2**31), (45, 70))
    assert nearly(picture, stylizer.stylize(photo, both, alpha=0.8, seed=2**31))
    assert not nearly(picture, stylizer.stylize(photo, both, alpha=0.8, seed=4), 0.1)
    mask = torch.zeros(45, 70)
    mask[10:, 20:50] = 0.8
    for masks in ({}, {"encoder": mask}):  # one region, and two
        recipe = stylizer.recipe("dots", masks=masks)
        weights = [*(region.weights for region in recipe.regions), recipe.base]
        maps = region_masks(recipe, (features.shape[2], features.shape[3])).numpy()
        picture = exported.decode(exported.apply_regions(features, weights, maps), (45, 70))
        assert nearly(picture, stylizer.stylize(photo, "dots", masks=masks))


@every
def test_the_examples_of_the_folder_s_readme_run(
    folders: dict[str, Path], kind: Kind, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(folders[kind], folder)
    monkeypatch.chdir(folder)
    Image.fromarray((pictures((50, 41))[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save("photo.jpg")
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 2
    whole = np.asarray(stylizer.stylize(pixels(Path("photo.jpg")), "dots")).astype(int)
    for number, block in enumerate(blocks):
        exec(compile(block, "README.md", "exec"), {})
        picture = pixels(Path("picture.png"))
        assert picture.shape == (50, 41, 3)
        assert number or np.abs(picture - whole).max() <= 1  # a style alone, then a mixture
        Path("picture.png").unlink()


@every
def test_models_describe_themselves_and_hold_nothing_of_the_machine(folders: dict[str, Path], kind: Kind) -> None:
    manifest = read_export(folders[kind])
    assert manifest.kind == kind
    suffix = FORMATS[kind].suffix
    assert {record.file for record in manifest.models.values()} == {
        f"{name}{suffix}" for name in ("encoder", "noise", "apply", "regions", "decoder")
    }
    for file in folders[kind].rglob(f"*{suffix}"):
        texts = [file.read_bytes()]
        if kind == "pt2":
            with zipfile.ZipFile(file) as archive:
                texts = [archive.read(name) for name in archive.namelist()]
        for word in (b"site-packages", str(Path(__file__).parents[1]).encode(), b"stylebank::"):
            assert not any(word in text for text in texts), (file.name, word)
        for word in (b"CC0-1.0", manifest.autoencoder_sha256.encode()):
            assert any(word in text for text in texts), (file.name, word)


@every
def test_broken_folders(
    folders: dict[str, Path], kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(folders[kind], whole)

    def verify(*mentions: object) -> None:
        fail(capsys, "export", folders["bank"], "--verify", whole, mentions=mentions)

    for name in FORMATS[kind].files("styles/dots"):
        data = (whole / name).read_bytes()
        (whole / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        verify(name, "changed or damaged")
        (whole / name).unlink()
        verify(name, "missing")
        (whole / name).write_bytes(data)
        text = (whole / "manifest.json").read_text("utf-8")
        (whole / "manifest.json").write_text(re.sub(rf'"{name}": \{{[^}}]*\}},', "", text), "utf-8")
        verify("no hash", name)
        (whole / "manifest.json").write_text(text, "utf-8")
    exported = opened(whole)
    (whole / FORMATS[kind].files("encoder")[0]).write_bytes(b"nothing")
    with refused(ExportError, "encoder", f"cannot be loaded by {FORMATS[kind].runtime}"):
        exported.encode(np.zeros((1, 3, 16, 16), np.float32))


SAID = ("its own model, 2 styles", "kernel, 2 styles", "mixture", "regions", "identity", "agrees")


@needs_openvino
def test_a_folder_is_compared_again(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    said = succeed(capsys, "export", folders["bank"], "--verify", folders["openvino"])
    for what in SAID:
        assert what in said


@every
def test_a_bank_without_noise_in_float16(tmp_path: Path, kind: Kind) -> None:
    """Of one style, whose filter has several layers, and of one size."""
    bank = write_bank(tmp_path / "bank", "dots", depth=2, width=8)
    options = ("--format", kind, "--precision", "float16", "--size", "37x26")
    assert run("export", bank, "--out", tmp_path / "out", *options) == 0
    photo = pictures((26, 37))
    expected = Stylizer.load(bank, "cpu", "float32").stylize(photo, "dots")
    exported = opened(tmp_path / "out")
    assert nearly(exported.picture("dots", photo.numpy()), expected, levels=5)
    assert set(exported.manifest.models) == {"encoder", "decoder"}
    with refused(ExportError, "cannot be run"):
        exported.picture("dots", pictures((16, 16)).numpy())


@needs_openvino
def test_int8_of_openvino(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "SHORT_SIDE", 48)
    bank = write_bank(tmp_path / "bank", "dots", depth=2, width=8)
    out = tmp_path / "out"
    options = ("--format", "openvino", "--precision", "int8", "--size", "64x48")
    said = succeed(capsys, "export", bank, "--out", out, *options)
    assert "style gap closed" in said
    kinds = [node.get_type_name() for node in openvino().Core().read_model(str(out / "styles" / "dots.xml")).get_ops()]
    assert kinds.count("FakeQuantize") >= 6


# ------------------------------------------------------------------------------------------------- refusals


def test_what_a_format_has_not_is_refused(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--out", tmp_path / "out", "--format", "pt2", "--precision", "int8")
    fail(capsys, "export", folders["bank"], *options, mentions=["PyTorch programs in int8", "float32, float16"])
    fail(capsys, "export", folders["bank"], "--verify", folders["pt2"], "--format", "pt2", mentions=["--format"])
    fail(capsys, "export", folders["bank"], "--out", folders["pt2"], "--format", "pt2", mentions=["exists"])
    fail(capsys, "export", folders["bank"], "--verify", folders["pt2"], mentions=["can run code", "--trust"])
    fail(capsys, "export", folders["bank"], "--out", tmp_path / "out", "--trust", mentions=["--verify"])
    with refused(ConfigError, "int8"):
        ExportRequest(folders["bank"], tmp_path / "out", "int8", kind="pt2")
    assert not (tmp_path / "out").exists()


def test_the_extra_is_asked_for_before_any_work(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    needed = "openvino: pip install 'stylebank[fast]'"
    out = tmp_path / "out"
    fail(capsys, "export", folders["bank"], "--out", out, "--format", "openvino", mentions=[needed])
    if folders["openvino"].exists():
        fail(capsys, "export", folders["bank"], "--verify", folders["openvino"], mentions=[needed])
    assert not out.exists()


WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(("onnx", "onnxscript", "onnxruntime", "openvino")))
from stylebank.cli import main
bank, out = sys.argv[1:]
made = main(["export", bank, "--out", out, "--format", "pt2", "--size", "37x26"])
print("Compared again:")
sys.exit(made or main(["export", bank, "--verify", out, "--trust"]))
"""


def test_pytorch_s_programs_need_no_extra(tmp_path: Path) -> None:
    """Neither to be made nor to be compared again; of one size, where the noise is a part of the program."""
    bank = write_bank(tmp_path / "bank", "dots", "waves", noise_channels=2)
    command = [sys.executable, "-c", WITHOUT, bank, tmp_path / "out"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for what in SAID:
        assert what in ended.stdout.partition("Compared again:")[2]
