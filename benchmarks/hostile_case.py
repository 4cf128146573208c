"""One run of `infer.py` on one file, for `hostile.py`: the limits it runs under, and what became of it."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from stylebank.cli import main as infer
from stylebank.cli.messages import BUG

GOOD, REFUSED = "written, opens with the right size", "refused in one sentence"
_OUT_OF_MEMORY = re.compile(r"does not fit into memory|Out of memory", re.IGNORECASE)
_NOT_HALF = re.compile(r"\.(partial(\.\w+)?|parts)$")  # what is begun of a film, to be gone on with


@dataclass(frozen=True)
class Case:
    """A file, what it serves as, and under which limits."""

    source: Path
    photograph: Path
    """What is stylized where `source` is a mask."""
    suffix: str
    as_mask: bool
    bank: str
    style: str
    size: int
    megapixels: float
    film: bool = False
    memory: int = 0
    """Bytes of addresses; 0 for no limit."""

    def arguments(self) -> list[str]:
        """What `infer.py` is given, in a folder of its own."""
        picture = self.photograph if self.as_mask else self.source
        mask = ["--mask", f"{self.style}={self.source}"] if self.as_mask else ["--style", self.style]
        limits = ["--size", str(self.size), "--max-megapixels", f"{self.megapixels:g}", "--device", "cpu"]
        output = str(Path("..", "out", f"made.{self.suffix}"))
        return ["--bank", self.bank, "--input", str(picture), *mask, "--output", output, *limits]

    def megapixels_to_make(self) -> float:
        """How large the output will be, by what the header says; 0 if that is beyond the limit, or unknown."""
        with suppress(Exception), Image.open(self.photograph if self.as_mask else self.source) as image:
            width, height = (side * self.size / min(image.size) for side in image.size)
            return width * height / 1e6 if width * height / 1e6 <= self.megapixels else 0
        return 0

    def fingerprint(self) -> tuple[int, int, list[str]]:
        """By which it is seen whether something happened to the source, or beside it."""
        status = self.source.stat()
        return status.st_size, status.st_mtime_ns, sorted(path.name for path in self.source.parent.iterdir())


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    case: Case
    kind: str
    seconds: float
    said: str
    memory: int
    """Bytes of addresses at most, 0 where the system does not tell."""


def run_case(case: Case, ground: Path) -> None:
    """The run itself, in a process that is of no use for anything else afterwards."""
    log = os.open(ground / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(log, number)
    os.environ |= {"TMPDIR": str(ground / "tmp"), "HOME": str(ground / "work")}
    os.chdir(ground / "work")
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own is one for several processes, which a killed one leaves behind
    if case.memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (case.memory, case.memory))
    code = infer(case.arguments(), prog="infer.py")
    with suppress(OSError):
        peak = re.search(r"VmPeak:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
        (ground / "memory").write_text(str(int(peak[1]) * 1024 if peak else 0), "utf-8")
    sys.stdout.flush()
    sys.exit(code)


def judged(case: Case, ground: Path, code: int | None, seconds: float, *, changed: bool) -> Outcome:
    """What became of a run, by what it left behind.

    Args:
        code: exit code, negative for a signal; None if its time was over.
        changed: whether the source is not what it was.
    """
    log, memory = ground / "log", ground / "memory"
    said = log.read_text("utf-8", "replace") if log.exists() else ""
    needed = int(memory.read_text("utf-8") or 0) if memory.exists() else 0
    kind = "changed its source, or wrote beside it" if changed else _kind(case, ground, code, said)
    return Outcome(case, kind, seconds, " ".join(said.split()), needed)


def _kind(case: Case, ground: Path, code: int | None, said: str) -> str:
    if code is None:
        return "timed out"
    if code < 0:
        return f"crashed or was killed (signal {-code})"
    if "Traceback" in said or BUG in said:
        return "traceback, or 'This is a bug'"
    strange = [path for path in ground.iterdir() if path.name not in ("out", "work", "tmp", "log", "memory")]
    strange += list((ground / "work").iterdir())
    if strange:
        return "wrote outside its output"
    made = [path for path in (ground / "out").iterdir() if not _NOT_HALF.search(path.name)]
    if code == 0:
        return _written(case, made)
    if made:
        return "half-written file"
    sentences = [line for line in said.splitlines() if re.match(r"(\w+\.py: )?error: ", line, re.IGNORECASE)]
    if code not in (1, 2) or len(sentences) != 1:
        return "refused without one sentence"
    return "memory ran out" if _OUT_OF_MEMORY.search(sentences[0]) else REFUSED


def _written(case: Case, made: list[Path]) -> str:
    if [path.name for path in made] != [f"made.{case.suffix}"]:
        return "half-written file"
    try:
        size = _size(made[0])
    except Exception:  # noqa: BLE001 - decoders raise nearly anything
        return "wrote what does not open"
    right = case.size == min(size) if case.film else size == _scaled(case)
    return GOOD if right else "wrong size"


def _size(path: Path) -> tuple[int, int]:
    """(W, H), everything decoded, by others than StyleBank."""
    if path.suffix in (".mp4", ".mkv", ".webm"):
        with av.open(str(path)) as film:
            sizes = {(frame.width, frame.height) for frame in film.decode(video=0)}
        (size,) = sizes
        return size
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
        return image.size


def _scaled(case: Case) -> tuple[int, int]:
    """(W, H) of the output, by Pillow; a damaged orientation counts for none."""
    data = (case.photograph if case.as_mask else case.source).read_bytes()
    with Image.open(io.BytesIO(data)) as image:  # given a path, Pillow maps the file, and turns some TIFFs twice
        width, height = image.size
        with suppress(Exception):
            width, height = ImageOps.exif_transpose(image).size
    scale = case.size / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
