"""Train a bank on photographs and paintings, or add styles to one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stylebank.bank_files import copy_bank
from stylebank.checkpoint import find_bank, read_manifest, read_style_record
from stylebank.config import Config, load_config
from stylebank.errors import ConfigError, TrainingError
from stylebank.run import RunFolder
from stylebank.runtime import resolve_device
from stylebank.styles import StyleSource, check_name, find_styles
from stylebank.task import Task, more_styles, new_bank
from stylebank.trainer import Trainer

ADDED_STYLE_STEPS = 1000  # "around 1,000 iterations", Chen et al. 2017, section 3.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    group = parser.add_argument_group("what to train")
    group.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration, see configs/")
    group.add_argument("--content", type=Path, metavar="DIR", help="photographs, a folder tree (data.content)")
    group.add_argument(
        "--styles", type=Path, nargs="+", metavar="PATH", help="paintings: files or folders (data.styles)"
    )
    group.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    group = parser.add_argument_group("adding styles to a bank")
    group.add_argument("--bank", type=Path, metavar="DIR", help="the bank to add to; it is not modified")
    group.add_argument("--add-style", type=Path, nargs="+", metavar="PATH", help="paintings to add: files or folders")
    group.add_argument(
        "--name", nargs="+", metavar="NAME", help="names of the added styles, else from the files' names"
    )
    group.add_argument("--in-place", action="store_true", help="write the result over --bank instead of to --out")
    group = parser.add_argument_group("where")
    group.add_argument("--out", type=Path, metavar="DIR", help="folder of the run, or of the new bank with --add-style")
    group.add_argument("--resume", action="store_true", help="go on with the run in --out")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")


def run(options: argparse.Namespace) -> int:
    """Trains, resumes or adds styles as asked; 0 also when stopped by a signal after saving."""
    out = _output(options)
    folder = _run_folder(options, out)
    if options.resume:
        wanted = folder.task()
        options.bank, options.name = _path(wanted["bank"]), wanted["names"]
        options.add_style = _paths(wanted["add_style"])
        config = load_config(options.config or folder.config_file, _overrides(options))
    else:
        config = load_config(options.config, _overrides(options), _settings_of(options))
    device = resolve_device(options.device)
    trainer = Trainer(config, _task(options, config), folder, device, options.loss_weights)
    if options.resume:
        trainer.resume()
        folder.write_config(config)
    else:
        original = folder.path / "original"  # of a bank that is changed in place
        if options.in_place:
            trainer.task.bank = original
        folder.create(config, {"bank": trainer.task.bank, "add_style": options.add_style, "names": options.name})
        if options.in_place:
            copy_bank(out, original)
    _introduce(trainer)
    finished = trainer.fit()
    if finished and options.in_place:
        copy_bank(folder.bank, out)
    if finished:
        trainer.measure()
    report = folder.write_report(trainer.report())
    if finished:
        print(f"Done: the bank is in {out if options.in_place else folder.bank}, the report in {report}.")
    else:
        print(f"Stopped after step {trainer.step} of {config.train.steps}; the same command with --resume goes on.")
    return 0


def _output(options: argparse.Namespace) -> Path:
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


def _overrides(options: argparse.Namespace) -> list[str]:
    """The options that stand for config keys come after --set."""
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
    settings = read_style_record(bank, manifest.styles[0], manifest.autoencoder_sha256).settings
    return {**settings, "train": {**settings.get("train", {}), "steps": ADDED_STYLE_STEPS}}


def _task(options: argparse.Namespace, config: Config) -> Task:
    if not options.add_style:
        return new_bank(config, find_styles(config.data.styles))
    sources = find_styles(options.add_style)
    if options.name:
        if len(options.name) != len(sources):
            raise ConfigError(f"--name gives {len(options.name)} name(s) for {len(sources)} style(s).")
        if len(set(options.name)) != len(options.name):
            raise ConfigError(f"--name gives a name twice: {', '.join(options.name)}.")
        sources = [StyleSource(check_name(n), s.files) for n, s in zip(options.name, sources, strict=True)]
    return more_styles(find_bank(options.bank), config, sources)


def _introduce(trainer: Trainer) -> None:
    found = trainer.photographs
    names = ", ".join(source.name for source in trainer.task.sources)
    print(
        f"{len(found.train)} photographs ({len(found.held_out)} more held out, {len(found.skipped)} skipped), "
        f"styles {names}; {trainer.device}, {str(trainer.dtype).removeprefix('torch.')}."
    )
    for text in found.skipped[:10]:
        print(f"Skipped: {text}")
    if len(found.skipped) > 10:
        print(f"... and {len(found.skipped) - 10} more, all named in report.json.")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _paths(texts: list[str] | None) -> list[Path] | None:
    return [Path(text) for text in texts] if texts else None
