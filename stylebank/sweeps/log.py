"""The log of a study: TensorBoard's table of hyperparameters (its tab HPARAMS), one entry per run."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from stylebank.files import new_folder
from stylebank.sweeps.grid import show_value
from stylebank.sweeps.record import Entry, Study

LOG = "tensorboard"


def log_runs(study: Study) -> None:
    """Writes values and measures of the runs that are done, each once, to a folder of its own under `tensorboard`.

    The curves of a run are in its own folder; `tensorboard --logdir` on the whole study shows both.
    """
    for entry in study.finished():
        if not (study.folder / LOG / entry.name).exists():
            _log(study.folder / LOG / entry.name, entry)


def _log(path: Path, entry: Entry) -> None:
    values = {
        key: value if isinstance(value, int | float) else show_value(value) for key, value in entry.values.items()
    }
    measures = {f"study/{name}": number for name, number in entry.measures.items()}
    with new_folder(path) as folder, SummaryWriter(str(folder)) as writer:
        writer.add_hparams(values, measures, run_name=".")  # here, and not in a folder named by the clock
