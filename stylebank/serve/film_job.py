"""A film being stylized: in a folder of its own that outlives the server, so that it can be gone on with."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import BaseModel

from stylebank.errors import StyleBankError
from stylebank.files import new_file, sha256_of, write_error
from stylebank.films.methods import StabilizeMethod
from stylebank.films.stylize import FilmStylizer, output_size
from stylebank.inference.saved_recipe import SavedRecipe, read_recipe, save_recipe
from stylebank.serve.banks import Banks
from stylebank.serve.film_files import seconds_of
from stylebank.serve.job import Job
from stylebank.serve.refusals import Refused, called
from stylebank.serve.watched_writer import WatchedWriter
from stylebank.video import ANIMATIONS, CONTAINERS, StreamRules, open_reader, open_writer

RULES = StreamRules(drop=True, transcode_audio=True)  # nobody is there to be asked; what is left out is said
_PREVIEW = 640  # long side in pixels


class FilmRecord(BaseModel):
    """`job.json` in the job's folder."""

    name: str
    source: str
    """The film's file in the folder, or with `--allow-paths` its path elsewhere."""
    output: str
    stabilize: StabilizeMethod | None = None


@dataclass(frozen=True)
class Context:
    """What film jobs need of the server."""

    banks: Banks
    film_seconds: int
    after_pictures: Callable[[Callable[[], bool]], None]
    """Lets pictures that people wait for go first, unless the job was asked to stop."""


class FilmJob(Job):
    """One film in one look."""

    kind = "film"

    def __init__(self, folder: Path, record: FilmRecord, context: Context) -> None:
        super().__init__(record.name, folder.name)
        self.folder, self.record, self._context = folder, record, context
        self._writer: WatchedWriter | None = None
        if self._output.exists():
            self.turn("done", "Done in an earlier run.")
        else:
            self.turn("stopped", "Begun in an earlier run; it can be gone on with.")

    @property
    def _output(self) -> Path:
        return self.folder / self.record.output

    def work(self) -> str:
        """See `Job`."""
        recipe = read_recipe(self.folder / "recipe.json")
        bank = self._context.banks.of(recipe)
        stylizer = self._context.banks.stylizer(bank)
        source = self.folder / self.record.source  # an absolute path stays what it is
        with called(self.name, source):
            reader = open_reader(source)
            size = output_size(reader, recipe.size)
            film = FilmStylizer(
                stylizer,
                stylizer.recipes.of_saved(recipe, size),
                size=size,
                stroke=recipe.stroke,
                colors=recipe.colors,
                stabilize=self.record.stabilize,
            )
            settings = self._decisive(recipe, [bank.records[name].sha256 for name in recipe.style_names])
            inner = open_writer(self._output, reader, size, resume=True, settings=settings, rules=RULES)
            self._writer = writer = WatchedWriter(inner)
            total, limit = reader.expected, self._context.film_seconds * float(reader.info.frame_rate)
            self.advance(inner.position.index, total)

            def progress(frames: int) -> None:
                self.advance(self.done + frames, total)
                self.message = f"Frame {self.done:,}" + (f" of {total:,}." if total else ".")
                if self.done > limit and seconds_of(reader) is None:
                    raise Refused(
                        413, f"The film lasts more than {self._context.film_seconds:,} s (--max-film-seconds)."
                    )

            with writer:
                film.run(reader, writer, progress, self._stopped)
        left_out = f"; left out: {', '.join(inner.left_out)}" if inner.left_out else ""
        return f"Done: {self.done:,} frames{left_out}."

    def result(self) -> Path:
        """See `Job`."""
        if self.state != "done":
            raise Refused(409, f"The film is {self.state}; there is nothing to download yet.")
        return self._output

    def preview(self) -> bytes | None:
        """See `Job`."""
        newest = self._writer.newest if self._writer else None
        if newest is None:
            return None
        picture, buffer = Image.fromarray(newest), io.BytesIO()
        picture.thumbnail((_PREVIEW, _PREVIEW))
        picture.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def remove(self) -> None:
        """See `Job`; a film that was named by its path stays."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stopped(self) -> bool:
        self._context.after_pictures(self.asked_to_stop)
        return self.asked_to_stop()

    def _decisive(self, recipe: SavedRecipe, styles: list[str]) -> dict[str, Any]:
        """All that decides what frames look like; see `cli/stylize/films.py`."""
        tree = recipe.model_dump(mode="json", exclude={"masks"})
        masks = [[mask.style, mask.strength, sha256_of(Path(mask.mask))] for mask in recipe.masks]
        return {**tree, "masks": masks, "stabilize": self.record.stabilize, "styles": styles}


def new_film_job(
    keep: Path,
    key: str,
    name: str,
    source: Path,
    copy: bool,
    recipe: SavedRecipe,
    mask_file: Callable[[str], Path],
    stabilize: StabilizeMethod | None,
    context: Context,
) -> FilmJob:
    """Makes the folder of a new job: the film, the recipe, its masks, and what is to be done.

    Args:
        copy: whether the film's file is only lent; else it is read where it is.

    Raises:
        StyleBankError: the disk fails.
    """
    folder = keep / "films" / key
    suffix = source.suffix.lower()
    stem = Path(name).stem or "film"
    output = f"{stem}_stylized{suffix if suffix in (*CONTAINERS, *ANIMATIONS) else '.mp4'}"
    record = FilmRecord(
        name=name, source=f"source{suffix}" if copy else str(source), output=output, stabilize=stabilize
    )
    try:
        folder.mkdir(parents=True, mode=0o700)
        if copy:
            _lend(source, folder / record.source)
        masks = []
        for number, mask in enumerate(recipe.masks):
            file = mask_file(mask.mask)
            kept = shutil.copyfile(file, folder / f"mask-{number}{file.suffix}")
            masks.append(mask.model_copy(update={"mask": str(kept)}))
        save_recipe(recipe.model_copy(update={"masks": tuple(masks)}), folder / "recipe.json")
        with new_file(folder / "job.json") as temporary:  # last: a folder without it is no job
            temporary.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StyleBankError(str(write_error(folder, error))) from error
    return FilmJob(folder, record, context)


def earlier_film_jobs(keep: Path, context: Context) -> list[FilmJob]:
    """Jobs that an earlier run of the server left, those that are done included."""
    found = []
    for file in sorted(keep.glob("films/*/job.json")):
        with suppress(OSError, ValueError):
            found.append(FilmJob(file.parent, FilmRecord.model_validate_json(file.read_bytes()), context))
    return found


def _lend(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the disk knows no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
