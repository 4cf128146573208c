"""A run killed with `kill -9` while it steps, saves and logs; `benchmarks/kill_test.py` does it thirty times."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import stylebank

ROOT = Path(stylebank.__file__).parents[1]


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_run_killed_at_any_moment_resumes_to_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "kill_test.py", "--moments", "3"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 kills (step 1, save 1, log 1)" in done.stdout
    assert "the same, bit by bit" in done.stdout
