"""What a run is asked to do: configuration, folders and styles, settled before anything is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stylebank.bank.find import find_bank
from stylebank.bank.io import load_bank
from stylebank.bank.predictor import read_predictor_info
from stylebank.bank.records import read_manifest, read_style_record, trained_with
from stylebank.config import Config, TrainConfig
from stylebank.config_files import Overrides, load_config
from stylebank.errors import ConfigError, TrainingError
from stylebank.losses.weights import held_network
from stylebank.shipped import BANKS
from stylebank.styles import StyleSource, check_name, find_styles
from stylebank.training.optimizer import MUON_STEP
from stylebank.training.predictor_task import predictor_task
from stylebank.training.run_folder import RunFolder
from stylebank.training.task import Start, StartWish, Task, more_styles, new_bank

ADDED_STYLE_BATCH = 2  # crops at most: a bank may have been trained on a GPU, and the style is added on a laptop
ADDED_STYLE_CROP = 192  # pixels at most: larger ones bring little and take long (docs/training.md)
ADDED_STYLE_STEPS = 1000  # "around 1,000 iterations", Chen et al. 2017, section 3.4
KERNEL_STEP = 0.05  # of a kernel's root mean square, how far a step goes
KEPT_PIXELS = 1000 * 128**2  # about 0.7 GB with what is made of them: larger crops and batches must not fill the memory


@dataclass(frozen=True)
class TrainRequest:
    """A bank to train, styles to add to one, or a run to go on with."""

    out: Path | None = None
    """The run's folder; with `add_style` that of the new bank, which has the run's beside it (`OUT-run`)."""
    config: Path | None = None
    """YAML configuration; None for the defaults, or for what the bank was trained with where styles are added."""
    overrides: Overrides = field(default_factory=dict)
    """Values that stand above the configuration's, by section and key."""
    start_from: Path | None = None
    """A bank whose auto-encoder, and filters for styles of the same names, the run begins with."""
    bank: Path | None = None
    """The bank to add styles to; it is not modified."""
    add_style: Sequence[Path] = ()
    """Paintings to add to it: files or folders."""
    names: Sequence[str] = ()
    """Names of the added styles; none takes the files' names."""
    start: StartWish = "auto"
    """What added filters begin as."""
    in_place: bool = False
    """Write the result over `bank` instead of to `out`."""
    resume: bool | Literal["auto"] = False
    """Go on with the run in `out`; `auto` begins it if there is none yet."""
    device: str = "auto"
    loss_weights: Path | None = None
    """The loss network's file, see `losses.weights.read_weights`."""
    skip_nonfinite: int = 0
    """How many steps whose loss or gradient is not finite may be left out."""


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be done, settled by the first process for all: only that one needs to see the run's folder."""

    config: Config
    out: Path
    folder: RunFolder
    resume: bool = False
    saved: bool = False
    """Whether the run to go on with has come to a checkpoint; else it begins anew."""
    in_place: bool = False
    bank: Path | None = None
    """The bank to add to; without `add_style` the one to start from."""
    add_style: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()
    start: Start = "identity"

    @property
    def asked(self) -> dict[str, Any]:
        """What `task.json` remembers."""
        return {
            "bank": self.folder.path / "original" if self.in_place else self.bank,  # the bank is changed in place
            "add_style": list(self.add_style) or None,
            "names": list(self.names) or None,
            "start": self.start,
        }


def plan_in(folder: RunFolder, config: Config) -> TrainingPlan:
    """A new bank in a run's folder, begun there or gone on with, as need be."""
    return TrainingPlan(config, folder.path, folder, resume=folder.begun, saved=folder.begun and folder.saved)


def plan_of(request: TrainRequest, restarted: bool = False) -> TrainingPlan:
    """Settles what is asked for; `restarted` if torchrun has started this run again.

    Raises:
        StyleBankError: the request, the configuration or the folders do not allow it.
    """
    automatic = request.resume == "auto" or (restarted and not request.resume)
    resume = _begun(request) if automatic else bool(request.resume)
    out = _output(request, resume)
    folder = _run_folder(request, out, resume)
    bank, add_style, names = request.bank or request.start_from, tuple(request.add_style), tuple(request.names)
    if not resume:
        config = load_config(request.config, request.overrides, _settings_of(request))
        _check_kind(request, config)
        config = _in_form_of_bank(request, config)
        return TrainingPlan(
            config,
            out,
            folder,
            in_place=request.in_place,
            bank=bank,
            add_style=add_style,
            names=names,
            start=_start_of(request, config),
        )
    wanted = folder.task()
    began = tuple(wanted["add_style"] or ())
    if automatic and began != tuple(map(str, add_style)):
        raise TrainingError(f"{folder.path} holds a run of other styles; choose another --out.")
    bank = Path(wanted["bank"]) if wanted["bank"] else None
    add_style, names = tuple(map(Path, began)), tuple(wanted["names"] or ())
    config = load_config(request.config or folder.config_file, request.overrides)
    return TrainingPlan(
        config,
        out,
        folder,
        resume=True,
        saved=folder.saved,
        in_place=request.in_place,
        bank=bank,
        add_style=add_style,
        names=names,
        start=wanted["start"],
    )


def _check_kind(request: TrainRequest, config: Config) -> None:
    """What trains: a bank, styles added to one, or a bank's predictor."""
    if not config.predictor.rank:
        if request.bank and not request.add_style:
            raise ConfigError(
                "Adding a style needs both --bank and --add-style; a predictor for --bank a configuration with "
                "predictor.rank (--config predictor)."
            )
    elif request.add_style or request.start_from or request.in_place or not request.bank:
        raise ConfigError(
            "predictor.rank trains a predictor for the bank given with --bank, from the paintings of --styles; it does "
            "not go with --add-style, --start-from and --in-place."
        )


def _start_of(request: TrainRequest, config: Config) -> Start:
    """Fifty steps from a prediction come nearer to the painting than a hundred from the identity (docs/instant.md)."""
    if request.start != "auto":
        return request.start
    info = read_predictor_info(find_bank(request.bank)) if request.bank and request.add_style else None
    if not info:
        return "identity"
    trains = held_network(request.loss_weights) or config.loss.network
    return "predicted" if info.settings.get("loss", {}).get("network") == trains else "identity"


def _begun(request: TrainRequest) -> bool:
    """Whether --out has a run already, for a command that is to begin it or go on with it as need be."""
    if request.in_place:
        raise ConfigError("--in-place does not go on by itself; give --resume, without auto.")
    if not request.out:
        return False  # refused later
    beside = request.out.with_name(f"{request.out.name}-run")
    return RunFolder(beside if request.add_style else request.out).begun


def _output(request: TrainRequest, resume: bool) -> Path:
    if request.start_from and (request.bank or request.add_style):
        raise ConfigError("--start-from trains a whole bank; it does not go with --bank and --add-style.")
    if request.add_style and not request.bank and not resume:
        raise ConfigError("Adding a style needs both --bank and --add-style.")
    if request.in_place:
        if request.out or not request.bank:
            raise ConfigError("--in-place goes with --bank and without --out.")
        bank = find_bank(request.bank)
        if bank.resolve().is_relative_to(BANKS):
            raise ConfigError(f"--in-place would change {bank}, which comes with the program; give --out a new bank.")
        return bank
    out = request.out
    if not out:
        raise ConfigError("--out is missing: the folder to write to.")
    if request.add_style and request.bank and not resume and out.resolve() == find_bank(request.bank).resolve():
        raise ConfigError(f"--out is the bank itself ({out}); to change it use --in-place instead.")
    return out


def _run_folder(request: TrainRequest, out: Path, resume: bool) -> RunFolder:
    """A new bank lies in its run's folder; an extended one is `--out` itself, with the run's folder beside it.

    In place, the bank stays as it is until the result is complete.
    """
    beside, own = out.with_name(f"{out.name}-run"), RunFolder(out)
    if request.in_place:
        return RunFolder(_numbered(beside, resume))
    if not request.add_style and not (resume and beside.is_dir() and not own.config_file.is_file()):
        return own
    if not resume and out.exists():
        raise TrainingError(f"{out} exists; choose another --out, or go on with --resume.")
    return RunFolder(beside, out)


def _numbered(path: Path, last: bool) -> Path:
    """The first of `path`, `path-2`, `path-3`, ... that does not exist yet, or the last that does."""
    names = [path]
    while names[-1].exists():
        names.append(path.with_name(f"{path.name}-{len(names) + 1}"))
    return names[-2] if last and len(names) > 1 else names[-1]


def _settings_of(request: TrainRequest) -> dict[str, dict[str, Any]] | None:
    """An added style starts from the settings its bank was trained with."""
    if not request.add_style or not request.bank or request.config:
        return None
    bank = find_bank(request.bank)
    manifest = read_manifest(bank)
    if not manifest.styles:
        return {"train": {"steps": ADDED_STYLE_STEPS}}
    record = read_style_record(bank, _like(request, manifest.styles), manifest.autoencoder_sha256)
    settings, train = record.settings, trained_with(record).train
    side, steps = min(train.crop_size, ADDED_STYLE_CROP), _steps_asked(request)
    batch = min(train.batch_size, ADDED_STYLE_BATCH)
    quicker: dict[str, Any] = {
        "steps": steps,
        "batch_size": batch,
        "crop_size": side,
        "small_crop_steps": steps // 2 if side >= 32 else 0,
        "warmup_steps": min(train.warmup_steps, steps // 20),
        "kept_batches": max(1, KEPT_PIXELS // (batch * side**2)),
    }
    if manifest.architecture.bank.linear:
        quicker["fixed_norm"] = True
        if request.start != "own":  # which is near its best already
            quicker["lr"] = _rate(bank, train)
    loss = dict(settings.get("loss", {}))
    if request.start != "own":
        loss.pop("strengths", None)  # of other styles
    return {**settings, "loss": loss, "train": {**settings.get("train", {}), **quicker}}


def _like(request: TrainRequest, styles: Sequence[str]) -> str:
    """The style whose settings are taken: the bank's first, or the one that is trained on."""
    if request.start != "own":
        return styles[0]
    names = request.names or [source.name for source in find_styles(request.add_style)]
    return next((name for name in names if name in styles), styles[0])


def _rate(bank: Path, train: TrainConfig) -> float:
    """The learning rate at which a step changes a kernel by a twentieth, as its norm is fixed."""
    model = load_bank(bank).model
    kernel = next(model.filters[0].parameters())
    step = KERNEL_STEP * model.kernel_norm() / math.sqrt(kernel.numel())
    return min(1.0, float(f"{step / (MUON_STEP if train.optimizer == 'muon' else 1):.2g}"))


def _steps_asked(request: TrainRequest) -> int:
    """How long an added style is to be trained; what is no number of steps is refused with the configuration."""
    steps = request.overrides.get("train", {}).get("steps")
    return steps if isinstance(steps, int) and steps > 0 else ADDED_STYLE_STEPS


def _in_form_of_bank(request: TrainRequest, config: Config) -> Config:
    """With the network that is there, where one is trained on as it is: a configuration may be of another."""
    if not request.bank:
        return config
    bank = find_bank(request.bank)
    form = read_manifest(bank).architecture
    for section in ("model", "bank"):
        there = getattr(form, section)
        for key in request.overrides.get(section, {}):
            if getattr(getattr(config, section), key) != (value := getattr(there, key)):
                raise ConfigError(f"{section}.{key} is {value} in {bank}, whose network stays as it is: leave it out.")
    return config.model_copy(update={"model": form.model, "bank": form.bank})


def task_of(plan: TrainingPlan, loss_weights: Path | None = None) -> Task:
    """The network to train and the styles that are new in it.

    Args:
        loss_weights: see `TrainRequest`.

    Raises:
        StyleBankError: paintings or bank cannot be read, or do not fit.
    """
    if plan.config.predictor.rank and plan.bank:
        return predictor_task(find_bank(plan.bank), plan.config, find_styles(plan.config.data.styles))
    if not plan.add_style or not plan.bank:
        # The weights to start from are not needed any more, nor need they still be there, once a run has its own.
        begin = find_bank(plan.bank) if plan.bank and not plan.saved else None
        return new_bank(plan.config, find_styles(plan.config.data.styles), begin)
    sources = find_styles(plan.add_style)
    if plan.names:
        if len(plan.names) != len(sources):
            raise ConfigError(f"--name gives {len(plan.names)} name(s) for {len(sources)} style(s).")
        if len(set(plan.names)) != len(plan.names):
            raise ConfigError(f"--name gives a name twice: {', '.join(plan.names)}.")
        sources = [StyleSource(check_name(n), s.files) for n, s in zip(plan.names, sources, strict=True)]
    predicted = plan.start == "predicted"
    start: Start = "identity" if predicted and plan.saved else plan.start  # what was trained since then takes its place
    return more_styles(find_bank(plan.bank), plan.config, sources, start, loss_weights)
