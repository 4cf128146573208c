"""Which picture becomes which file: worked out, and refused if need be, before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylebank.errors import ImageError
from stylebank.images import SAVE_FORMATS, check_writable


@dataclass(frozen=True)
class Job:
    """One picture and the file each of its styles is written to."""

    source: Path
    targets: dict[str, Path]


def plan(sources: Sequence[Path], styles: Sequence[str], output: Path, overwrite: bool) -> list[Job]:
    """The files to write.

    One picture in one style goes to `output` itself if that names a picture file. Otherwise `output` is a folder:
    pictures keep their names there (as PNG), with several styles in one subfolder per style.

    Raises:
        ImageError: a file exists (and may not be overwritten), or two pictures would get the same name.
    """
    is_file = output.suffix.lower() in SAVE_FORMATS and not output.is_dir()
    if is_file and (len(sources) > 1 or len(styles) > 1):
        raise ImageError(
            f"--output {output} names one file, but {len(sources)} picture(s) in {len(styles)} style(s) are to be "
            "written; give a folder."
        )
    if not is_file and output.suffix and not output.is_dir() and len(sources) == len(styles) == 1:
        raise ImageError(
            f"--output {output}: '{output.suffix}' cannot be written; use {', '.join(sorted(SAVE_FORMATS))}."
        )
    jobs, taken = [], dict[Path, Path]()
    for source in sources:
        targets = {style: output if is_file else _target(output, source, style, len(styles) > 1) for style in styles}
        for target in targets.values():
            if target in taken:
                raise ImageError(f"{taken[target]} and {source} would both be written to {target}; rename one.")
            taken[target] = source
            check_writable(target, overwrite=overwrite)
        jobs.append(Job(source, targets))
    return jobs


def _target(output: Path, source: Path, style: str, subfolders: bool) -> Path:
    folder = output / style if subfolders else output
    return folder / f"{source.stem}.png"
