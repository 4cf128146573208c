"""A painting becoming a style of a copy of a bank, in the background."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from stylebank.bank.operations import extract_style
from stylebank.config_files import Overrides
from stylebank.errors import StyleBankError
from stylebank.files import new_file, write_error
from stylebank.images import find_images
from stylebank.images.samples import PHOTOGRAPHS, write_photographs
from stylebank.serve.banks import Banks
from stylebank.serve.job import Job
from stylebank.serve.refusals import Refused
from stylebank.training.hooks import Hooks
from stylebank.training.run import add_style
from stylebank.training.task import NewStart
from stylebank.training.training_run import TrainingRun

STEPS = 250  # from a prediction nearly as good as a thousand (docs/instant.md)
MOST_STEPS = 20_000
_PREVIEWS = 10


class PaintingRecord(BaseModel):
    """`job.json` in the job's folder."""

    name: str
    bank: str
    painting: str
    steps: int
    start: Literal["auto", NewStart] = "identity"
    """What the filter begins as; see `training.run.add_style`."""


@dataclass(frozen=True)
class Workshop:
    """What painting jobs need of the server."""

    banks: Banks
    content: Path | None
    """Photographs to train on; None for the sample photographs."""
    scratch: Path
    """Where the sample photographs may be put."""
    device: str
    after_pictures: Callable[[Callable[[], bool]], None]
    """Lets pictures that people wait for go first, unless the job was asked to stop."""

    def photographs(self) -> tuple[Path, int]:
        """The folder of photographs, and how many of them measure instead of training. Raises ImageError."""
        if self.content is not None:
            return self.content, min(8, len(find_images([self.content])) // 4)
        folder = self.scratch / "photographs"
        write_photographs(folder)
        return folder, len(PHOTOGRAPHS) // 3


class PaintingJob(Job):
    """One painting for one bank."""

    kind = "painting"

    def __init__(self, folder: Path, record: PaintingRecord, workshop: Workshop) -> None:
        super().__init__(record.name, folder.name)
        self.folder, self.record, self._workshop = folder, record, workshop
        if self._archive.exists():
            self.turn("done", "Done in an earlier run.")
        else:
            self.turn("stopped", "Begun in an earlier run; it can be gone on with.")

    @property
    def _archive(self) -> Path:
        return self.folder / f"{self.name}.zip"

    def work(self) -> str:
        """See `Job`."""
        shop, out = self._workshop, self.folder / "bank"
        content, held_out = shop.photographs()
        result = add_style(
            shop.banks.original(self.record.bank),
            self.folder / self.record.painting,
            content,
            out,
            names=[self.name],
            start=self.record.start,
            overrides=_settings(self.record.steps, held_out),
            resume="auto",
            device=shop.device,
            say=self._say,
            hooks=_Progress(self),
        )
        if not result.finished:
            raise KeyboardInterrupt
        style = self.folder / "style"
        shutil.rmtree(style, ignore_errors=True)
        shop.banks.add(self.record.bank, extract_style(result.bank, self.name, style))
        shutil.make_archive(str(self._archive.with_suffix("")), "zip", style)
        metrics = result.report["metrics"].get("styles", {}).get(self.name, {})
        closed = f"; it closes {metrics['style_gap_closed']:.2f} of the style gap" if metrics else ""
        return f"Done: '{self.name}' is among the styles of {self.record.bank}{closed}."

    def result(self) -> Path:
        """See `Job`: the style's two files, as `stylebank bank merge` takes them, in an archive."""
        if self.state != "done":
            raise Refused(409, f"The style is {self.state}; there is nothing to download yet.")
        return self._archive

    def preview(self) -> bytes | None:
        """See `Job`."""
        sheets = sorted((self.folder / "bank-run" / "previews").glob("*.jpg"))
        return sheets[-1].read_bytes() if sheets else None

    def remove(self) -> None:
        """See `Job`; the style stays in the bank's copy."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def step_ends(self, run: TrainingRun) -> None:
        """Notes a step of the training, and stops it after saving if somebody asked for it."""
        self.losses = {k.removeprefix("loss/"): v for k, v in run.losses.items() if k.startswith("loss/")}
        self.message = f"Step {run.step:,} of {self.record.steps:,}."
        if run.step >= self.record.steps:
            self.message = "Learnt; it is being measured on photographs that it has not seen."
        self.advance(run.step, self.record.steps)
        if self.asked_to_stop():
            run.save()
            raise KeyboardInterrupt
        self._workshop.after_pictures(self.asked_to_stop)

    def _say(self, text: str) -> None:
        self.message = text
        self.changes += 1


class _Progress(Hooks):
    """Tells the job of every step."""

    def __init__(self, job: PaintingJob) -> None:
        self._job = job

    def step_ends(self, run: TrainingRun) -> None:
        """See `Hooks`."""
        self._job.step_ends(run)


def _settings(steps: int, held_out: int) -> Overrides:
    train = {
        "steps": steps,
        "log_every": max(1, min(10, steps // 10)),
        "checkpoint_every": max(1, steps // 5),
        "preview_every": max(1, steps // _PREVIEWS),
    }
    return {"train": train, "data": {"held_out": held_out, "workers": 0}}


def new_painting_job(keep: Path, key: str, painting: Path, wanted: PaintingRecord, workshop: Workshop) -> PaintingJob:
    """Makes the folder of a new job. Raises StyleBankError if the disk fails.

    Args:
        painting: a file that is only lent, whatever `wanted` calls it.
    """
    folder = keep / "paintings" / key
    record = wanted.model_copy(update={"painting": f"painting{painting.suffix}"})
    try:
        folder.mkdir(parents=True, mode=0o700)
        shutil.copyfile(painting, folder / record.painting)
        with new_file(folder / "job.json") as temporary:
            temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StyleBankError(str(write_error(folder, error))) from error
    return PaintingJob(folder, record, workshop)


def earlier_painting_jobs(keep: Path, workshop: Workshop) -> list[PaintingJob]:
    """Jobs that an earlier run of the server left, those that are done included."""
    found = []
    for file in sorted(keep.glob("paintings/*/job.json")):
        with suppress(OSError, ValueError):
            found.append(PaintingJob(file.parent, PaintingRecord.model_validate_json(file.read_bytes()), workshop))
    return found
