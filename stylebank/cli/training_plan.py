"""What `train.py` is asked to do: configuration, folders and styles, settled before anything is written."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylebank.bank.io import find_bank
from stylebank.bank.records import read_manifest, read_style_record, trained_with
from stylebank.config import Config, load_config
from stylebank.errors import ConfigError, TrainingError
from stylebank.styles import StyleSource, check_name, find_styles
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import Task, more_styles, new_bank

ADDED_STYLE_CROP = 192  # pixels at most: larger ones bring little and take long (docs/training.md)
ADDED_STYLE_STEPS = 1000  # "around 1,000 iterations", Chen et al. 2017, section 3.4
KEPT_PIXELS = 1000 * 128**2  # about 0.7 GB with what is made of them: larger crops and batches must not fill the memory


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be done, settled by the first process for all: only that one needs to see the run's folder."""

    config: Config
    out: Path
    folder: RunFolder
    in_place: bool
    resume: bool
    saved: bool
    """Whether the run to go on with has come to a checkpoint; else it begins anew."""
    bank: Path | None
    """The bank to add to; without `add_style` the one to start from."""
    add_style: list[Path] | None
    names: list[str] | None

    @property
    def asked(self) -> dict[str, Any]:
        """What `task.json` remembers."""
        return {
            "bank": self.folder.path / "original" if self.in_place else self.bank,  # the bank is changed in place
            "add_style": self.add_style,
            "names": self.names,
        }


def plan_of(options: argparse.Namespace, restarted: bool) -> TrainingPlan:
    """Settles what the command's options ask for; `restarted` if torchrun has started this run again.

    Raises:
        StyleBankError: the options, the configuration or the folders do not allow it.
    """
    automatic = options.resume == "auto" or (restarted and not options.resume)
    if automatic:
        options.resume = _begun(options)
    out = _output(options)
    folder = _run_folder(options, out)
    bank, add_style, names = options.bank or options.start_from, options.add_style, options.name
    if options.resume:
        wanted = folder.task()
        if automatic and wanted["add_style"] != _texts(add_style):
            raise TrainingError(f"{folder.path} holds a run of other styles; choose another --out.")
        bank, add_style, names = _path(wanted["bank"]), _paths(wanted["add_style"]), wanted["names"]
        config = load_config(options.config or folder.config_file, overrides(options))
    else:
        config = load_config(options.config, overrides(options), _settings_of(options))
    saved = options.resume and folder.saved
    return TrainingPlan(config, out, folder, options.in_place, options.resume, saved, bank, add_style, names)


def _begun(options: argparse.Namespace) -> bool:
    """Whether --out has a run already, for a command that is to begin it or go on with it as need be."""
    if options.in_place:
        raise ConfigError("--in-place does not go on by itself; give --resume, without auto.")
    if not options.out:
        return False  # refused later
    beside = options.out.with_name(f"{options.out.name}-run")
    return RunFolder(beside if options.add_style else options.out).begun


def _output(options: argparse.Namespace) -> Path:
    if options.start_from and (options.bank or options.add_style):
        raise ConfigError("--start-from trains a whole bank; it does not go with --bank and --add-style.")
    if bool(options.add_style) != bool(options.bank) and not options.resume:
        raise ConfigError("Adding a style needs both --bank and --add-style.")
    if options.in_place:
        if options.out or not options.bank:
            raise ConfigError("--in-place goes with --bank and without --out.")
        return find_bank(options.bank)
    if not options.out:
        raise ConfigError("--out is missing: the folder to write to.")
    out: Path = options.out
    if options.add_style and out.resolve() == find_bank(options.bank).resolve() and not options.resume:
        raise ConfigError(f"--out is the bank itself ({out}); to change it use --in-place instead.")
    return out


def _run_folder(options: argparse.Namespace, out: Path) -> RunFolder:
    """A new bank lies in its run's folder; an extended one is `--out` itself, with the run's folder beside it.

    In place, the bank stays as it is until the result is complete.
    """
    beside, own = out.with_name(f"{out.name}-run"), RunFolder(out)
    if options.in_place:
        return RunFolder(_numbered(beside, options.resume))
    if not options.add_style and not (options.resume and beside.is_dir() and not own.config_file.is_file()):
        return own
    if not options.resume and out.exists():
        raise TrainingError(f"{out} exists; choose another --out, or go on with --resume.")
    return RunFolder(beside, out)


def _numbered(path: Path, last: bool) -> Path:
    """The first of `path`, `path-2`, `path-3`, ... that does not exist yet, or the last that does."""
    names = [path]
    while names[-1].exists():
        names.append(path.with_name(f"{path.name}-{len(names) + 1}"))
    return names[-2] if last and len(names) > 1 else names[-1]


def overrides(options: argparse.Namespace) -> list[str]:
    """What the command line says of config keys: --set, then the options that stand for some."""
    texts: list[str] = list(options.set)
    if options.content:
        texts.append(f"data.content={options.content.as_posix()!r}")
    if options.styles:
        texts.append(f"data.styles={[path.as_posix() for path in options.styles]!r}")
    return texts


def _settings_of(options: argparse.Namespace) -> dict[str, dict[str, Any]] | None:
    """An added style starts from the settings its bank was trained with."""
    if not options.add_style or options.config:
        return None
    bank = find_bank(options.bank)
    manifest = read_manifest(bank)
    if not manifest.styles:
        return {"train": {"steps": ADDED_STYLE_STEPS}}
    record = read_style_record(bank, manifest.styles[0], manifest.autoencoder_sha256)
    settings, train = record.settings, trained_with(record).train
    side = min(train.crop_size, ADDED_STYLE_CROP)
    quicker = {
        "crop_size": side,
        "small_crop_steps": ADDED_STYLE_STEPS // 2 if side >= 32 else 0,
        "kept_batches": max(1, KEPT_PIXELS // (train.batch_size * side**2)),
    }
    loss = {key: value for key, value in settings.get("loss", {}).items() if key != "strengths"}  # of other styles
    return {**settings, "loss": loss, "train": {**settings.get("train", {}), **quicker, "steps": ADDED_STYLE_STEPS}}


def task_of(plan: TrainingPlan) -> Task:
    """The network to train and the styles that are new in it.

    Raises:
        StyleBankError: paintings or bank cannot be read, or do not fit.
    """
    if not plan.add_style or not plan.bank:
        # The weights to start from are not needed any more, nor need they still be there, once a run has its own.
        start = find_bank(plan.bank) if plan.bank and not plan.saved else None
        return new_bank(plan.config, find_styles(plan.config.data.styles), start)
    sources = find_styles(plan.add_style)
    if plan.names:
        if len(plan.names) != len(sources):
            raise ConfigError(f"--name gives {len(plan.names)} name(s) for {len(sources)} style(s).")
        if len(set(plan.names)) != len(plan.names):
            raise ConfigError(f"--name gives a name twice: {', '.join(plan.names)}.")
        sources = [StyleSource(check_name(n), s.files) for n, s in zip(plan.names, sources, strict=True)]
    return more_styles(find_bank(plan.bank), plan.config, sources)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _paths(texts: list[str] | None) -> list[Path] | None:
    return [Path(text) for text in texts] if texts else None


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path) for path in paths] if paths else None
