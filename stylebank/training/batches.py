"""The stream of batches that a run trains on, from its step on; a loader that was killed is replaced."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import cycle, islice
from traceback import clear_frames

from stylebank.errors import TrainingError
from stylebank.training.crops import ContentBatch, Crops
from stylebank.training.loading import WorkerLost, content_loader
from stylebank.training.resident import ResidentCrops, wants_resident
from stylebank.training.training_run import TrainingRun

RESTARTED_LOADERS = 3  # that may be lost in a row before a run gives up


def batches(run: TrainingRun, rescue: Callable[[], str]) -> Generator[ContentBatch, None, None]:
    """This process's part of the batches from the current step on.

    Args:
        rescue: saves what there is before a run ends without photographs, and returns what to say about it.

    Raises:
        TrainingError: there are no photographs left, or loader after loader is killed.
    """
    lost = 0  # loaders since the last batch
    while True:
        try:
            for batch in _from_loader(run):
                lost = 0
                run.issues.skip(batch.unreadable)
                yield batch
            return
        except (KeyboardInterrupt, TrainingError, RuntimeError) as error:
            clear_frames(error.__traceback__)  # they hold the loader, and it holds processes that ignore signals
            if isinstance(error, KeyboardInterrupt):
                raise
            if not isinstance(error, WorkerLost) or lost == RESTARTED_LOADERS:
                # The text of a process's error ends with the error itself, after the process's traceback.
                reason = str(error).strip().splitlines()[-1].removeprefix("stylebank.errors.TrainingError: ")
                raise TrainingError(f"Step {run.step}: {reason}{rescue()}") from error
        lost += 1
        run.issues.counts["lost_workers"] += 1
        run.issues.once("A process that decodes photographs was killed; another one takes its place.")


def _from_loader(run: TrainingRun) -> Iterator[ContentBatch]:
    data, train, files, begin = run.config.data, run.config.train, run.photographs.train, run.step
    resident = _resident(run)
    pin, fresh = run.device.type == "cuda", train.kept_batches or train.steps
    for steps, side in run.schedule.stages():
        numbers: Sequence[int] = steps[max(0, begin - steps.start) :]  # of steps, and of fresh batches
        if train.kept_batches:
            numbers = [run.schedule.batch_number(step) for step in numbers]
        if not numbers:
            continue
        crops = Crops(files, side, data.content_size, data.scale, data.flip, train.seed, data.cards)
        kept: list[ContentBatch] = []
        if resident:
            stream = resident.batches(crops, train.batch_size, numbers[:fresh], data.workers, run.part)
        else:
            stream = content_loader(crops, train.batch_size, numbers[:fresh], data.workers, pin, run.part)
        for batch in stream:
            kept += [batch] if train.kept_batches else []
            yield batch
        yield from islice(cycle(kept), len(numbers[fresh:]))


def _resident(run: TrainingRun) -> ResidentCrops | None:
    """The photographs in the device's memory, decoded if they are not yet there; None where they are not kept."""
    data, train = run.config.data, run.config.train
    crops = Crops(run.photographs.train, train.crop_size, data.content_size, data.scale, data.flip, train.seed)
    if run.resident is None and wants_resident(data.in_memory, crops, run.device):
        run.resident = ResidentCrops(crops, run.device)
        run.issues.skip(run.resident.unreadable)
        run.issues.once(f"Photographs are in the memory of {run.device}: {run.resident.bytes / 1e6:,.1f} MB.")
    return run.resident
