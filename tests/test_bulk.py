"""Two processes share the pictures of one command, as torchrun starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tiny import files_of, paint, pixels, write_bank

from stylebank.inference.stylizer import Stylizer

ROOT = Path(__file__).parents[1]


def infer(*arguments: object) -> subprocess.CompletedProcess[str]:
    """infer.py in two processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", ROOT / "infer.py"]
    command = [str(word) for word in (*start, "--precision", "float32", *arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, check=False)


def test_two_processes_share_the_pictures_and_end_with_one_summary(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "bank", "calm")
    photos = paint(tmp_path / "photos", "one", "two", "three")
    (photos / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    ended = infer("--bank", bank, "--style", "calm", "--input", photos, "--output", out)
    assert ended.returncode != 0
    assert ended.stdout.count("Stylized 3 of 4") == 1
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]  # torchrun adds its own
    assert "bad.png" in line
    assert set(files_of(out)) == {"one.png", "two.png", "three.png"}
    stylizer = Stylizer.load(bank, precision="float32")
    for name in ("one", "two", "three"):
        wanted = stylizer.stylize(pixels(photos / f"{name}.png"), "calm")
        assert np.abs(pixels(out / f"{name}.png").astype(int) - wanted).max() <= 1
    (photos / "bad.png").unlink()
    (out / "two.png").unlink()
    ended = infer("--bank", bank, "--style", "calm", "--input", photos, "--output", out, "--resume")
    assert ended.returncode == 0
    assert ended.stdout.count("Stylized 1 of 1 (2 were there)") == 1
    assert set(files_of(out)) == {"one.png", "two.png", "three.png"}
