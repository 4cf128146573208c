"""The state that a training run goes on from: one file in the run's folder."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stylebank.errors import TrainingError
from stylebank.files import new_file


def save_training_state(state: Mapping[str, Any], path: Path) -> None:
    """Writes the state of a run, whole or not at all."""
    buffer = io.BytesIO()  # torch's own writer hides why the disk refused
    torch.save(dict(state), buffer)
    with new_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_training_state(path: Path) -> dict[str, Any]:
    """Reads what `save_training_state` wrote; never runs code.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise TrainingError(f"There is nothing to resume: {path} does not exist.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # garbage makes the unpickler raise nearly anything
        raise TrainingError(f"The training state {path} is damaged and cannot be resumed.") from error
    return state
