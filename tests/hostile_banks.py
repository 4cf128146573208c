"""Banks, loss-network weights and runs with something wrong in them, made from a number as in `hostile`."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from hostile import configuration, damaged
from tiny import write_bank

from stylebank.files import sha256_of

Tensors = dict[str, torch.Tensor]


def bank(folder: Path, rng: np.random.Generator) -> Path:
    """A bank with one thing wrong."""
    path = write_bank(folder / "case_bank", "calm", "storm")
    change = _BANK_CHANGES[int(rng.integers(len(_BANK_CHANGES)))]
    change(path, rng)
    return path


def _files(path: Path, rng: np.random.Generator) -> Path:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return files[int(rng.integers(len(files)))]


def _damage_file(path: Path, rng: np.random.Generator) -> None:
    file = _files(path, rng)
    file.write_bytes(damaged(file.read_bytes(), rng))


def _remove_file(path: Path, rng: np.random.Generator) -> None:
    _files(path, rng).unlink()


def _directory_for_file(path: Path, rng: np.random.Generator) -> None:
    file = _files(path, rng)
    file.unlink()
    file.mkdir()


def _link_elsewhere(path: Path, rng: np.random.Generator) -> None:
    file = _files(path, rng)
    file.unlink()
    file.symlink_to(str(rng.choice(["/etc/passwd", "../../keep/mine.txt", "/dev/zero", file.name])))


def _change_manifest(path: Path, rng: np.random.Generator) -> None:
    file = path / "bank.json"
    manifest = json.loads(file.read_text())
    key = str(rng.choice(sorted(manifest)))
    choices: list[Any] = [None, -1, 10**40, "../x", "/etc/passwd", ["../x"], ["calm", "calm"], ["gone"], {}, [[]], True]
    manifest[key] = choices[int(rng.integers(len(choices)))]
    file.write_text(json.dumps(manifest))


def _change_architecture(path: Path, rng: np.random.Generator) -> None:
    file = path / "bank.json"
    manifest = json.loads(file.read_text())
    if rng.random() < 0.5:
        manifest |= {"format": 1, "architecture": _in_format_1(manifest["architecture"])}
    section = manifest["architecture"]
    if manifest["format"] != 1 and rng.random() < 0.8:
        section = section[str(rng.choice(sorted(section)))]
    key = str(rng.choice(sorted(section)))
    choices: list[Any] = [0, -3, 2, 10**12, [10**6] * 3, [8, 8], "instance", "none", None, 1.5, "a"]
    section[key] = choices[int(rng.integers(len(choices)))]
    file.write_text(json.dumps(manifest))


def _in_format_1(sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    form = {key: value for key, value in sections["bank"].items() if key != "noise_channels"}  # it had none
    return {**sections["model"], **{("filter_" * (key == "norm")) + key: value for key, value in form.items()}}


def _change_tensors(path: Path, rng: np.random.Generator) -> None:
    file = sorted(path.rglob("*.safetensors"))[int(rng.integers(3))]
    tensors = safetensors.torch.load_file(file)
    name = str(rng.choice(sorted(tensors)))
    change_tensor(tensors, name, rng)
    safetensors.torch.save_file(tensors, file)
    _rehash(path)


def change_tensor(tensors: Tensors, name: str, rng: np.random.Generator) -> None:
    """One tensor missing, doubled, of another shape or type, or with values that are no weights."""
    tensor = tensors[name]
    changes: list[Callable[[], Any]] = [
        lambda: tensors.pop(name),
        lambda: tensors.update(extra=torch.zeros(2)),
        lambda: tensors.update({name: tensor.flatten()}),
        lambda: tensors.update({name: torch.zeros(0)}),
        lambda: tensors.update({name: tensor.to(torch.int8)}),
        lambda: tensors.update({name: tensor.to(torch.complex64)}),
        lambda: tensors.update({name: torch.full_like(tensor, torch.nan)}),
        lambda: tensors.update({name: torch.full_like(tensor.float(), 1e30)}),
    ]
    changes[int(rng.integers(len(changes)))]()


def _rehash(path: Path) -> None:
    """Makes the hashes agree again, so that what is inside is looked at."""
    manifest = json.loads((path / "bank.json").read_text())
    manifest["autoencoder_sha256"] = sha256_of(path / "autoencoder.safetensors")
    (path / "bank.json").write_text(json.dumps(manifest))
    for file in (path / "styles").glob("*.json"):
        record = json.loads(file.read_text())
        record["autoencoder_sha256"] = manifest["autoencoder_sha256"]
        record["sha256"] = sha256_of(file.with_suffix(".safetensors"))
        file.write_text(json.dumps(record))


def _pickle_for_weights(path: Path, rng: np.random.Generator) -> None:
    """A pickle that would make a file if it were ever loaded as one."""
    file = sorted(path.rglob("*.safetensors"))[int(rng.integers(3))]
    file.write_bytes(b"cposix\nsystem\n(S'touch " + str(path.parent / "pwned").encode() + b"'\ntR.")
    _rehash(path)


def _rename_style(path: Path, rng: np.random.Generator) -> None:
    name = str(rng.choice(["../x", "/abs", "a/b", "con", "", ".", "..", "A B", "calm\n", "x" * 300]))
    manifest = json.loads((path / "bank.json").read_text())
    manifest["styles"][0] = name
    (path / "bank.json").write_text(json.dumps(manifest))


def _empty(path: Path, rng: np.random.Generator) -> None:
    shutil.rmtree(path)
    if rng.random() < 0.5:
        path.mkdir()


_BANK_CHANGES = (
    *(_damage_file, _damage_file, _remove_file, _directory_for_file, _link_elsewhere, _change_manifest),
    *(_change_architecture, _change_tensors, _change_tensors, _pickle_for_weights, _rename_style, _empty),
)


# --------------------------------------------------------------------------------------------- loss-network weights


def weights(folder: Path, rng: np.random.Generator, whole: Path) -> Path:
    """Weights with one tensor wrong, a damaged file, or a pickle that would make a file if it were run."""
    kind = int(rng.integers(4))
    if kind == 0:
        path = folder / "case.safetensors"
        path.write_bytes(damaged(whole.read_bytes(), rng))
        return path
    if kind == 1:
        path = folder / f"case.{rng.choice(['pth', 'safetensors'])}"
        path.write_bytes(pickle_that_writes(folder / "pwned"))
        return path
    tensors = safetensors.torch.load_file(whole)
    change_tensor(tensors, str(rng.choice(sorted(tensors))), rng)
    if kind == 2:
        path = folder / "case.safetensors"
        safetensors.torch.save_file(tensors, path)
        return path
    path, buffer = folder / "case.pth", io.BytesIO()
    odd: list[Any] = [tensors, [tensors], {"state_dict": tensors}, {**tensors, "features.0.weight": "text"}, 5, None]
    torch.save(odd[int(rng.integers(len(odd)))], buffer)
    path.write_bytes(damaged(buffer.getvalue(), rng) if rng.random() < 0.3 else buffer.getvalue())
    return path


def pickle_that_writes(path: Path) -> bytes:
    """A pickle that makes a file when it is loaded as one."""
    return pickle.dumps(_Opener(path), protocol=2)


class _Opener:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


# --------------------------------------------------------------------------------------------------------- runs


def run(folder: Path, rng: np.random.Generator, whole: Path) -> Path:
    """A run's folder with one file damaged, missing, replaced, or of another kind."""
    path = Path(shutil.copytree(whole, folder / "out"))
    names = ["state.pt", "state.pt", "config.yaml", "task.json", "report.json", "bank/bank.json"]
    file = path / str(rng.choice(names))
    kind = int(rng.integers(6))
    if kind == 0:
        file.unlink()
    elif kind == 1:
        file.write_bytes(pickle_that_writes(folder / "pwned"))
    elif kind == 2:
        configuration(path, rng).rename(file)
    elif kind == 3:
        _change_state(path / "state.pt", rng)
    else:
        file.write_bytes(damaged(file.read_bytes(), rng))
    return path


def _change_state(file: Path, rng: np.random.Generator) -> None:
    state = torch.load(file, weights_only=True)
    name = str(rng.choice(sorted(state)))
    values: list[Any] = [None, -1, 10**30, float("nan"), "text", [], {}, {"a": torch.zeros(1)}, torch.zeros(2)]
    if rng.random() < 0.3:
        del state[name]
    elif isinstance(state[name], dict) and rng.random() < 0.5 and state[name]:
        state[name] = {**state[name], str(rng.choice([str(k) for k in state[name]])): values[int(rng.integers(9))]}
    else:
        state[name] = values[int(rng.integers(len(values)))]
    torch.save(state, file)
