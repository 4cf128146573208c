"""Training in two gloo processes: the same run as in one, however it ends and is taken up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import ranks
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import config, config_file, paint, succeed, write_bank
from torch import Tensor

import stylebank
from stylebank.bank.io import load_bank
from stylebank.distributed import ALONE, Processes, join
from stylebank.errors import ConfigError, TrainingError
from stylebank.styles import StyleSource
from stylebank.training.state import load_training_state
from stylebank.training.task import new_bank

ROOT = Path(stylebank.__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
STYLES = ("a", "b", "c", "d", "e")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="torchrun with gloo is for Linux and macOS")


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """torchrun with two processes, in a group of its own; whatever is left of it in the end is killed."""
    process = subprocess.Popen(
        [*TORCHRUN, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for child in [*children(process.pid), process.pid]:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.communicate()


def children(pid: int) -> list[int]:
    """The processes that torchrun has started, in order of their ranks."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return sorted(map(int, listed.stdout.split()))


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happened(), process.communicate()[0] if process.poll() is not None else "nothing happened"


# ------------------------------------------------------------------------------------------ what two processes do


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, _photos: Path, random_vgg_weights: Path) -> Path:
    """Photographs, five paintings, weights and a bank."""
    place = tmp_path_factory.mktemp("processes")
    shutil.copytree(_photos, place / "photos")
    shutil.copy(random_vgg_weights, place / "vgg.safetensors")
    paint(place / "styles", *STYLES)
    write_bank(place / "bank", "old", "older")
    return place


@pytest.fixture(scope="module")
def seen(place: Path) -> dict[str, list[dict[str, Any]]]:
    """For every job of `ranks`, what the two processes saw."""
    with started(ROOT / "tests" / "ranks.py", place) as process:
        output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    return {
        job.__name__: [torch.load(place / f"{job.__name__}-{rank}.pt", weights_only=True) for rank in (0, 1)]
        for job in ranks.JOBS
    }


@pytest.fixture(scope="module")
def alone(place: Path) -> dict[str, dict[str, Any]]:
    """The same jobs in one process."""
    (place / "alone").mkdir()
    for name in ("photos", "styles", "vgg.safetensors", "bank"):
        (place / "alone" / name).symlink_to(place / name)
    return {
        job.__name__: job(place / "alone", ALONE) for job in (ranks.sparse, ranks.equal, ranks.added, ranks.measured)
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two processes stand at the same point, bit by bit."""
    assert one["model"].keys() == other["model"].keys()
    assert all(torch.equal(value, other["model"][key]) for key, value in one["model"].items())
    states = [list(tensors(process["optimizer"])) for process in (one, other)]
    assert states[0]
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def tensors(value: Any) -> Iterator[Tensor]:
    """All in nested dictionaries and lists, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from tensors(each)


def test_every_process_draws_photographs_and_crops_of_its_own(
    seen: dict[str, list[dict[str, Any]]], alone: dict[str, dict[str, Any]]
) -> None:
    for job in ("sparse", "equal", "added"):
        first, second = seen[job]
        for steps in zip(first["crops"], second["crops"], alone[job]["crops"], strict=True):
            assert not set(steps[0]) & set(steps[1])
            assert steps[0] + steps[1] == steps[2]  # together what one process draws
    drawn = [name for process in seen["equal"] for step in process["photographs"] for name in step]
    assert set(Counter(drawn).values()) == {4}  # 8 steps of 4: every one of 8 photographs equally often


def test_each_style_is_drawn_equally_often_over_all_processes(
    seen: dict[str, list[dict[str, Any]]], alone: dict[str, dict[str, Any]]
) -> None:
    first, second = (process["styles"] for process in seen["sparse"])
    assert [[*one, *other] for one, other in zip(first, second, strict=True)] == alone["sparse"]["styles"]
    counts = Counter(style for step in (*first, *second) for style in step)
    assert set(counts) == set(range(5))
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(one != other for one, other in zip(first, second, strict=True)) > 10  # each uses its own filter


@pytest.mark.parametrize("job", ["sparse", "equal", "added", "skipped"])
def test_weights_are_the_same_everywhere_bit_by_bit(job: str, seen: dict[str, list[dict[str, Any]]]) -> None:
    """Also filters, and their momenta, that only one of the processes used in a step."""
    assert_same(*seen[job])
    assert seen["sparse"][0]["step"] == 20


def test_the_measurement_at_the_end_is_shared(
    seen: dict[str, list[dict[str, Any]]], alone: dict[str, dict[str, Any]]
) -> None:
    first, second, one = *seen["measured"], alone["measured"]
    assert first["metrics"] == second["metrics"]
    assert first["measured_on"] == one["measured_on"]
    assert len(one["measured_on"]) == 3
    assert (first["banks"], second["banks"]) == (one["banks"], 0)
    assert first["metrics"]["identity_psnr"] == pytest.approx(one["metrics"]["identity_psnr"], rel=1e-2)
    assert first["metrics"]["styles"].keys() == set(STYLES)
    for name, row in one["metrics"]["styles"].items():
        assert first["metrics"]["styles"][name]["content_distance"] == pytest.approx(row["content_distance"], rel=0.05)


def test_filters_that_no_process_used_get_no_gradient(seen: dict[str, list[dict[str, Any]]]) -> None:
    for process, styles in zip(seen["sparse"], [process["styles"] for process in seen["sparse"]], strict=True):
        first_step = {*styles[0], *(seen["sparse"][0]["styles"][0]), *(seen["sparse"][1]["styles"][0])}
        filters = process["gradients"][0][-2 * len(STYLES) :]  # weight and bias of each
        used = {i // 2 for i, gradient in enumerate(filters) if gradient is not None}
        assert used == first_step


def test_two_processes_with_two_are_one_with_four(
    seen: dict[str, list[dict[str, Any]]], alone: dict[str, dict[str, Any]]
) -> None:
    one, two = alone["equal"], seen["equal"][0]
    for expected, found in zip(one["gradients"][0], two["gradients"][0], strict=True):  # before any rounding adds up
        assert (expected is None) == (found is None)
        if expected is not None:
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()) + 1e-9)
    assert two["norms"][:3] == pytest.approx(one["norms"][:3], rel=1e-4)
    # Then Adam steps by the signs of gradients that are nearly nothing, which the order of a sum can turn.
    assert two["norms"] == pytest.approx(one["norms"], rel=5e-2)
    assert two["losses"] == pytest.approx(one["losses"], rel=5e-2)
    start = ranks_start(one)
    moved = norm_of({key: value - start[key] for key, value in one["model"].items()})
    apart = norm_of({key: value - one["model"][key] for key, value in two["model"].items()})
    assert apart < 0.1 * moved


def ranks_start(run: dict[str, Any]) -> dict[str, Tensor]:
    """The weights a run of `equal` begins with."""
    return new_bank(config(*ranks.EQUAL), [StyleSource(name, ()) for name in STYLES]).model.state_dict()


def norm_of(values: dict[str, Tensor]) -> float:
    return float(torch.cat([value.flatten() for value in values.values()]).norm())


def test_added_styles_train_together_and_leave_the_bank_alone(
    seen: dict[str, list[dict[str, Any]]], place: Path
) -> None:
    bank = load_bank(place / "bank").model.state_dict()
    for process in seen["added"]:
        changed = {
            key for key, value in process["model"].items() if key not in bank or not torch.equal(value, bank[key])
        }
        assert changed == {f"filters.{i}.0.{part}" for i in range(2, 7) for part in ("weight", "bias")}


# ---------------------------------------------------------------------------------------------- stopping and failing


def test_a_wish_that_reaches_one_process_holds_for_all(seen: dict[str, list[dict[str, Any]]]) -> None:
    first, second = seen["stopped"]
    assert (first["finished"], first["step"]) == (second["finished"], second["step"]) == (False, 4)
    assert (first["saved"], second["saved"]) == ([2, 4], [])
    assert_same(first, second)


def test_a_loss_that_is_not_finite_in_one_process_stops_all_and_is_said_once(
    seen: dict[str, list[dict[str, Any]]], place: Path
) -> None:
    first, second = seen["not_finite"]
    assert (first["error"][0], second["error"][0]) == ("TrainingError", "SaidElsewhere")
    assert "Step 3: style is not finite" in first["error"][1]
    for name in (seen["sparse"][0]["photographs"][3], seen["sparse"][1]["photographs"][3]):
        assert name[0] in first["error"][1]
    assert_same(first, second)
    assert json.loads((place / "not-finite-0" / "report.json").read_text())["counts"]["nonfinite_steps"] == 1


def test_such_a_step_can_be_left_out(seen: dict[str, list[dict[str, Any]]]) -> None:
    first, second = seen["skipped"]
    assert first["finished"]
    assert first["step"] == 8
    assert first["report"]["counts"]["nonfinite_steps"] == second["report"]["counts"]["nonfinite_steps"] == 1
    _, of_adam = first["optimizer"]["parts"]
    steps = {int(state["step"]) for state in of_adam["state"].values()}
    assert max(steps) == 5  # stylizing steps 0, 1, 4, 6, 7; the fourth was left out
    assert all(value.isfinite().all() for value in first["model"].values())


def test_what_fails_in_one_process_is_said_by_the_first(seen: dict[str, list[dict[str, Any]]]) -> None:
    first, second = seen["failing_apart"]
    assert first["error"] == ("TrainingError", "Process 1: no such folder")
    assert second["error"][0] == "SaidElsewhere"
    first, second = seen["other_photographs"]
    assert first["error"][0] == "TrainingError"
    assert "Process 1 sees other photographs or paintings (7 photographs)" in first["error"][1]
    assert second["error"][0] == "SaidElsewhere"


# ------------------------------------------------------------------------------------------------ the whole program


@pytest.fixture(scope="module")
def arguments(place: Path) -> list[object]:
    """A whole run of 24 steps in arguments, but for --out."""
    overrides = (
        "data.held_out=0",
        "train.batch_size=2",
        "train.steps=24",
        "train.checkpoint_every=4",
        "train.log_every=1",
    )
    options: list[object] = ["--config", config_file(place / "tiny.yaml", *overrides), "--content", place / "photos"]
    return [*options, "--styles", place / "styles", "--loss-weights", place / "vgg.safetensors"]


def step_of(out: Path) -> int:
    state = out / "state.pt"
    return int(load_training_state(state)["step"]) if state.exists() else 0


@pytest.fixture(scope="module")
def restarted(place: Path, arguments: list[object]) -> tuple[Path, str]:
    """A run of which one process was killed, and that torchrun started again by itself; and what it printed."""
    out = place / "restarted"
    # torchrun looks once a second, so that the other process can say what happened before it is ended too.
    with started("--max-restarts", 1, "--monitor-interval", 1, ROOT / "train.py", *arguments, "--out", out) as process:
        wait_for(lambda: step_of(out) >= 4, process)
        os.kill(children(process.pid)[-1], signal.SIGKILL)
        output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    return out, output


def test_a_killed_process_ends_the_others_with_a_clear_message_and_torchrun_resumes(
    restarted: tuple[Path, str], place: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    out, output = restarted
    assert "Another process of this run ended" in output
    assert "Done: the bank is in" in output
    report = json.loads((out / "report.json").read_text())
    assert (report["steps"], report["processes"], report["counts"]["restarts"]) == (24, 2, 1)


def test_only_one_process_writes_and_logs(restarted: tuple[Path, str]) -> None:
    out, output = restarted
    assert output.count("8 photographs (0 more held out") == 2  # once per start
    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    assert [event.step for event in log.Scalars("lr")] == list(range(1, 25))
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]


def test_a_run_goes_on_in_another_number_of_processes(
    restarted: tuple[Path, str], place: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    """From two to one; what one process then does is what one process does with that state, bit by bit."""
    shutil.copytree(restarted[0], place / "one")
    succeed(capsys, "train", *arguments, "--out", place / "one", "--resume", "--set", "train.steps=26")
    assert step_of(place / "one") == 26
    report = json.loads((place / "one" / "report.json").read_text())
    assert (report["processes"], report["counts"]["restarts"]) == (1, 2)


def test_sigterm_saves_and_a_larger_number_of_processes_goes_on(
    place: Path, arguments: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    out = place / "stopped-cli"
    succeed(capsys, "train", *arguments, "--out", out, "--set", "train.steps=2")
    options = [*arguments, "--out", out, "--resume", "--set", "train.steps=100000", "train.checkpoint_every=100000"]
    with started(ROOT / "train.py", *options) as process:
        wait_for(
            lambda: (out / "tensorboard").stat().st_mtime_ns > 0 and len(list((out / "tensorboard").iterdir())) > 1,
            process,
        )
        time.sleep(1)
        begun = time.monotonic()
        process.terminate()
        output, _ = process.communicate(timeout=60)
        seconds = time.monotonic() - begun
    assert "Stopped after step" in output
    assert "Error" not in output.split("Traceback")[0]  # torchrun itself ends in one
    assert step_of(out) > 2
    assert seconds < 30


def test_mistakes_are_said_once(place: Path, arguments: list[object]) -> None:
    out = place / "mistaken"
    with started(ROOT / "train.py", *arguments, "--out", out, "--set", "train.batch_size=1") as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert output.count("Error: The 2 processes share each batch, and train.batch_size=1") == 1
    assert not out.exists()


# ------------------------------------------------------------------------------------------------------- the module


@given(st.integers(1, 9), st.integers(1, 40))
def test_parts_cover_a_batch_evenly(count: int, total: int) -> None:
    parts = [Processes(rank, count).part(total) for rank in range(count)]
    assert [place for part in parts for place in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_alone_nothing_is_joined_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # some schedulers set it for whatever they start
    monkeypatch.delenv("RANK", raising=False)
    with join("cpu") as (processes, device):
        assert (processes, device.type) == (ALONE, "cpu")
        values = torch.arange(3.0)
        processes.all_reduce_sum([values], weight=0.5)
        processes.broadcast([values])
        assert torch.equal(values, torch.arange(3.0))
        assert processes.gather("x") == ["x"]
        assert processes.from_main(lambda: 5) == 5
        assert processes.any(True, False) == [True, False]
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("device", ["cpu:0", "cuda:1", "mps"])
def test_one_device_for_all_processes_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with refused(ConfigError, device), join(device):
        pass


def test_processes_that_cannot_be_reached_end_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = {
        "RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "nowhere.invalid",
        "MASTER_PORT": "x",
    }
    for name, value in unreachable.items():
        monkeypatch.setenv(name, value)
    with refused(TrainingError, "2 processes"), join("cpu"):
        pass
