"""Many pictures and films, one after the other; with several processes each does its share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stylebank.bars import bar
from stylebank.cli.messages import out_of_memory, trace
from stylebank.cli.stylize.films import stylize_film
from stylebank.cli.stylize.images import stylize_picture
from stylebank.cli.stylize.jobs import Job
from stylebank.cli.stylize.looks import Looks
from stylebank.cli.stylize.options import StylizeOptions
from stylebank.errors import StyleBankError
from stylebank.inference.stylizer import Stylizer
from stylebank.signals import StopRequest

INTERRUPTED = 130  # exit code
_NAMED = 8


@dataclass
class Outcome:
    """What became of one process's share."""

    done: int = 0
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Streams of films that their outputs do not have."""
    interrupted: bool = False

    @property
    def code(self) -> int:
        """The exit code."""
        return INTERRUPTED if self.interrupted else int(bool(self.failures))


def stylize_all(
    stylizer: Stylizer, looks: Looks, jobs: Sequence[Job], options: StylizeOptions, quiet: bool = False
) -> Outcome:
    """Does every job; one that fails is noted and the rest go on."""
    outcome = Outcome()
    with StopRequest() as request:
        for job in _shown(jobs, quiet):
            try:
                if request.requested:
                    raise KeyboardInterrupt
                if job.film:
                    outcome.left_out += stylize_film(stylizer, looks, job, options, lambda: request.requested)
                else:
                    stylize_picture(stylizer, looks, job, options)
                outcome.done += 1
            except KeyboardInterrupt:
                outcome.interrupted = True
                break
            except StyleBankError as error:
                trace(error)
                text = str(error)
                outcome.failures.append(text if str(job.source) in text else f"'{job.source}': {text}")
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                trace(error)
                outcome.failures.append(
                    f"'{job.source}' does not fit into memory; give a --tile, or scale it down with --size."
                )
    return outcome


def summary(outcomes: Sequence[Outcome], wanted: int, skipped: int) -> str:
    """One sentence, without its full stop, on what all processes did."""
    done = sum(outcome.done for outcome in outcomes)
    were_there = f" ({skipped} were there)" if skipped else ""
    if any(outcome.interrupted for outcome in outcomes):
        return (
            f"Interrupted; {done} of {wanted} done{were_there}. What there is of a film lies beside it as "
            "NAME.partial; the same command with --resume goes on"
        )
    return f"Stylized {done} of {wanted}{were_there}"


def what_is_missing(outcomes: Sequence[Outcome]) -> str:
    """What films do not have of their sources, to be put behind the summary; nothing if they have all."""
    texts = [text for outcome in outcomes for text in outcome.left_out]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return f"; left out: {', '.join(texts[:_NAMED])}{more}" if texts else ""


def _shown(jobs: Sequence[Job], quiet: bool) -> Iterable[Job]:
    """Progress over pictures; films have bars of their own."""
    quiet = quiet or len(jobs) < 2 or any(job.film for job in jobs)
    return bar(jobs, unit="picture", shown=not quiet)
