"""Hostile input: every file either works or gets one clear sentence, in bounded time and memory.

STYLEBANK_FUZZ_CASES=1000 python -m pytest tests/test_hostile.py     # cases of each kind; 3 unless said
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import hostile
import hostile_banks
import hostile_films
import numpy as np
import pytest
import torch
from tiny import config_file, files_of, paint, run, write_bank

from stylebank.cli import main
from stylebank.cli.messages import BUG

CASES = int(os.environ.get("STYLEBANK_FUZZ_CASES", "3"))
SECONDS = 30  # of the processor
HANGS = 200  # seconds by the clock, on a machine with other work to do
MEMORY = 3 * 2**30  # bytes of address space beyond what the test itself has


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, random_vgg_weights: Path) -> Path:
    """A bank, photographs, paintings, weights, a short run, and something that must stay; to be copied."""
    place = tmp_path_factory.mktemp("whole")
    write_bank(place / "bank", "calm", "storm")
    paint(place / "photos", "photo")
    paint(place / "paintings", "wave")
    shutil.copy(random_vgg_weights, place / "vgg.safetensors")
    (place / "keep").mkdir()
    (place / "keep" / "mine.txt").write_text("mine")
    overrides = ("data.held_out=0", "train.steps=2", "train.identity_pretrain_steps=1", "train.warmup_steps=0")
    config_file(place / "tiny.yaml", *overrides)
    assert run(*train(place, "out-run")) == 0
    return place


@pytest.fixture
def place(tmp_path: Path, whole: Path) -> Path:
    """A place of its own, with an earlier result in `out`."""
    return Path(shutil.copytree(whole, tmp_path / "place"))


# ------------------------------------------------------------------------------------ what is done with a file


def train(place: Path, out: str, **other: Path) -> list[object]:
    files = {
        "config": place / "tiny.yaml",
        "content": place / "photos",
        "styles": place / "paintings",
        "loss_weights": place / "vgg.safetensors",
        **other,
    }
    options = [text for name, path in files.items() for text in (f"--{name.replace('_', '-')}", path)]
    return ["train", *options, "--device", "cpu", "--out", place / out]


def stylize(place: Path, output: str = "out/result.png", **other: object) -> list[object]:
    options = {"bank": place / "bank", "style": "calm", "input": place / "photos" / "photo.png", **other}
    given = [text for name, value in options.items() if value for text in (f"--{name.replace('_', '-')}", value)]
    return ["stylize", *given, "--output", place / output, "--precision", "float32", "--device", "cpu", "--overwrite"]


def configuration(place: Path, rng: np.random.Generator) -> list[object]:
    case = hostile.configuration(place, rng)  # without photographs: one that is valid gets no further
    return ["train", "--config", case, "--out", place / "out"]


def picture(place: Path, rng: np.random.Generator) -> list[object]:
    return stylize(place, input=hostile.picture(place, rng), size=rng.choice([None, 16]))


def mask(place: Path, rng: np.random.Generator) -> list[object]:
    return stylize(place, mask=f"storm={hostile.picture(place, rng)}")


def label_map(place: Path, rng: np.random.Generator) -> list[object]:
    return stylize(place, label_map=hostile.picture(place, rng), assign="0=storm")


def photograph(place: Path, rng: np.random.Generator) -> list[object]:
    """One photograph of two."""
    hostile.picture(place / "photos", rng)
    return train(place, "out")


def painting(place: Path, rng: np.random.Generator) -> list[object]:
    return train(place, "out", styles=hostile.picture(place, rng))


def film(place: Path, rng: np.random.Generator) -> list[object]:
    case = hostile_films.film(place, rng)
    output = f"out/result.{rng.choice(['mkv', 'mp4', 'mov'])}"
    options = [option for option in ("--drop-streams", "--transcode-audio", "--lenient") if rng.random() < 0.5]
    return [*stylize(place, output, input=case), "--preset", "ultrafast", *options]


def bank(place: Path, rng: np.random.Generator) -> list[object]:
    return stylize(place, "out", bank=hostile_banks.bank(place, rng), style="all")


def bank_command(place: Path, rng: np.random.Generator) -> list[object]:
    case = hostile_banks.bank(place, rng)
    name = str(rng.choice(["calm", "../keep", "/abs", "", "calm\0", "x" * 300, "all"]))
    commands: list[list[object]] = [
        ["show", case],
        ["extract", case, name, "--out", place / "out"],
        ["merge", place / "bank", case, "--out", place / "out-bank"],
        ["merge", place / "bank", case / "styles" / "calm.safetensors", "--out", place / "out-bank"],
        ["remove", case, name, "--out", place / "out-bank"],
        ["pack", case, "--out", place / "out-bank"],
    ]
    return ["bank", *commands[int(rng.integers(len(commands)))]]


def weights(place: Path, rng: np.random.Generator) -> list[object]:
    return train(place, "out", loss_weights=hostile_banks.weights(place, rng, place / "vgg.safetensors"))


def resumed(place: Path, rng: np.random.Generator) -> list[object]:
    hostile_banks.run(place, rng, place / "out-run")
    return [*train(place, "out"), "--resume", "--set", "train.steps=3"]


KINDS: list[Callable[[Path, np.random.Generator], list[object]]] = [
    *(picture, mask, label_map, photograph, painting, film),
    *(configuration, bank, bank_command, weights, resumed),
]

# ------------------------------------------------------------------------------------------------- what comes of it


class Worker:
    """A process that runs commands one after the other, in bounded memory; if it dies another one takes over."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, arguments: list[object], place: Path) -> tuple[int, str]:
        """The exit code of a command and what it said on stderr; fails if it takes too long, or the process died."""
        texts = [str(argument) for argument in arguments]
        self._pipe.send((texts, place))
        try:
            if self._pipe.poll(HANGS):
                code, errors = self._pipe.recv()
                return int(code), str(errors)
        except (EOFError, ConnectionError):
            self.end()
            pytest.fail(f"died with {self._process.exitcode}: {texts}")
        self.end()
        pytest.fail(f"no end after {HANGS} s: {texts}")

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def end(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    torch.set_num_threads(1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    while True:
        arguments, place = pipe.recv()
        os.chdir(place)  # where a relative path would be written to
        until = int(time.process_time()) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
        pipe.send(_run(arguments))


def _run(arguments: list[str]) -> tuple[int, str]:
    errors, code = io.StringIO(), 99
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 99
        except BaseException:  # noqa: BLE001 - what the test is there to find
            traceback.print_exc(file=errors)
    return code, errors.getvalue()


_workers: list[Worker] = []


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    for worker in _workers:
        worker.end()


def outcome(arguments: list[object], place: Path) -> tuple[int, str]:
    """The exit code of a command and what it said on stderr."""
    if not _workers or not _workers[-1].alive:
        _workers.append(Worker())
    return _workers[-1].run(arguments, place)


def contents(place: Path) -> dict[str, bytes]:
    """Everything but what the command may write."""
    return {name: data for name, data in files_of(place).items() if not name.startswith(("out/", "out-bank/"))}


def check(place: Path, arguments: list[object]) -> None:
    """Runs a command on a hostile file; it works or says one sentence, and touches nothing but its output."""
    before, results = contents(place), {}
    if arguments[0] == "stylize":  # what an earlier command has written, to be replaced by a result and nothing else
        (place / "out").mkdir()
        for name in ("result.png", "result.mkv"):
            (place / "out" / name).write_bytes(b"earlier")
        results = files_of(place / "out")
    code, errors = outcome(arguments, place)
    assert "Traceback" not in errors, errors
    assert BUG not in errors, errors
    sentences = [line for line in errors.splitlines() if line.startswith("Error: ")]
    if code == 0:
        assert not sentences
    else:
        assert code == 1, errors
        assert len(sentences) == 1, errors
        assert len(sentences[0]) > 20
        after: dict[str, Any] = files_of(place / "out") if results else {}
        assert {name: after[name] for name in results} == results
    assert contents(place) == before
    leftovers = [name for name in files_of(place) if name.endswith(".tmp")]
    assert not leftovers
    assert not (place / "pwned").exists()


@pytest.mark.parametrize("number", range(CASES))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_hostile_file_works_or_gets_one_sentence(
    place: Path, kind: Callable[[Path, np.random.Generator], list[object]], number: int
) -> None:
    rng = np.random.default_rng([number, *kind.__name__.encode()])
    check(place, kind(place, rng))


def test_a_picture_that_would_fill_the_memory_is_refused(place: Path) -> None:
    case = hostile.bomb(place)
    check(place, stylize(place, input=case))
    code, errors = outcome(stylize(place, input=case), place)
    assert code == 1
    assert "bomb.png' has 60000x60000 pixels, 3,600 megapixels; the limit is 250" in errors
    assert "--max-megapixels 3600" in errors


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (hostile_films.far_frames, "65004x2701 pixels, 176 megapixels; the limit for animations is 62.5"),
        (lambda place: hostile_films.many_frames(place, "gif"), "100,001 frames"),
        (lambda place: hostile_films.many_frames(place, "apng"), "2,147,483,647 frames"),
    ],
)
def test_an_animation_that_would_fill_the_memory_is_refused(
    place: Path, make: Callable[[Path], Path], words: str
) -> None:
    case = make(place)
    check(place, stylize(place, "out/result.mkv", input=case))
    code, errors = outcome(stylize(place, "out/result.mkv", input=case), place)
    assert code == 1
    assert words in errors
