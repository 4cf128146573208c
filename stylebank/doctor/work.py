"""The checks by real work, one after the other."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from stylebank.doctor import inference, pictures, training
from stylebank.doctor.finding import Finding, Off
from stylebank.doctor.trial import Trial

Check = Callable[[Trial], str]
"""Does something and says what came of it. Raises Off or any error if that is wrong, NotImplementedError for a note."""

CHECKS: dict[str, Check] = {
    "training, identity branch": training.identity_branch,
    "resuming, stylizing branch": training.stylizing_branch,
    "adding a style": training.more_styles,
    "training in float16": training.in_float16,
    "steps that do not wait": training.without_waiting,
    "number formats": inference.formats,
    "mixing styles": inference.mixtures,
    "styles by region": inference.regions,
    "tiles": inference.tiles,
    "film": pictures.film,
    "optimize with a mask": pictures.optimisation,
    "torch.compile": inference.compiled,
    "speed of stylizing": inference.speed,
    "speed of training": training.speed,
}


def try_work(device: torch.device) -> Iterator[Finding]:
    """A finding for every check, as it ends, in a temporary folder that goes away.

    Raises:
        KeyboardInterrupt: a check was stopped.
    """
    with tempfile.TemporaryDirectory(prefix="stylebank-doctor-") as folder:
        trial = Trial(device, Path(folder))
        for name, check in CHECKS.items():
            yield _tried(name, check, trial)


def _tried(name: str, check: Check, trial: Trial) -> Finding:
    began, bars = time.monotonic(), io.StringIO()
    try:
        with contextlib.redirect_stderr(bars):  # progress bars would run through the table
            result, state = check(trial), "ok"
    except NotImplementedError as note:
        result, state = str(note), "note"
    except Off as off:
        result, state = str(off), "off"
    except Exception as error:  # noqa: BLE001 - what goes wrong here is what was asked about
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:300]
        result, state = f"{type(error).__name__}: {text} ({Path(place.filename).name}, line {place.lineno})", "off"
    return Finding(name, result, state, time.monotonic() - began)  # type: ignore[arg-type]
