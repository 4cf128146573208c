"""Weights as safetensors: tensors and nothing else, read only with the hash that is on record for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from stylebank.bank.records import MANIFEST, read_checked
from stylebank.errors import BankError
from stylebank.files import new_file, sha256_of

Storage = Literal["float32", "float16"]


def write_weights(state: Mapping[str, Tensor], path: Path, storage: Storage) -> str:
    """Writes tensors as safetensors and returns the file's hash."""
    dtype = {"float32": torch.float32, "float16": torch.float16}[storage]
    tensors = {key: value.detach().to("cpu", dtype).contiguous() for key, value in state.items()}
    with new_file(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors))
    return sha256_of(path)


def fill(module: nn.Module, path: Path, expected: str, form: str = f"the architecture in {MANIFEST}") -> None:
    """Loads a safetensors file with this hash into a module of exactly the same keys and shapes.

    Args:
        form: what decides them, for messages.

    Raises:
        BankError: the file is missing, damaged, or does not fit.
    """
    data = read_checked(path, expected)  # once: a writer may replace the file between two looks at it
    try:
        state = {key: value.to(torch.float32, copy=True) for key, value in safetensors.torch.load(data).items()}
        module.load_state_dict(state, assign=True)
    except SafetensorError as error:
        raise BankError(f"{path} is damaged: {error}.") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n")[1:2]).strip()
        raise BankError(f"{path} does not fit {form}: {reason}") from error
    bad = [key for key, value in state.items() if not value.isfinite().all()]
    if bad:
        raise BankError(f"{path} holds values that are not finite in {', '.join(bad)}.")
