"""Banks and training states on disk: exact round trips, nothing half written, nothing foreign or damaged taken."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import safetensors.torch
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stylebank import files
from stylebank.bank import records
from stylebank.bank.find import find_bank
from stylebank.bank.io import Bank, extend_bank, load_bank, save_bank
from stylebank.bank.records import AUTOENCODER, FORMAT, MANIFEST, STYLES, StyleInfo
from stylebank.config import Architecture, BankConfig, Config, ModelConfig
from stylebank.errors import BankError, StyleBankError, TrainingError
from stylebank.files import sha256_of
from stylebank.network.model import StyleBank
from stylebank.training.state import load_training_state, save_training_state

SMALL = Architecture(model=ModelConfig(channels=(3, 4, 5)))
FILES = (MANIFEST, AUTOENCODER, f"{STYLES}/one.safetensors", f"{STYLES}/one.json", f"{STYLES}/two.json")
WEIGHTS = tuple(name for name in FILES if name.endswith(".safetensors"))

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def network(seed: int = 0, arch: Architecture = SMALL, names: tuple[str, ...] = ("one", "two")) -> StyleBank:
    torch.manual_seed(seed)
    return StyleBank(arch, names).eval()


def equal(left: StyleBank, right: StyleBank) -> bool:
    a, b = left.state_dict(), right.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bank on disk with the styles one and two."""
    save_bank(network(), tmp_path / "bank", {"one": StyleInfo(title="One")}, licence="CC0")
    return tmp_path / "bank"


def edit(path: Path, **values: Any) -> None:
    """Sets entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def flip(path: Path, position: int, bits: int = 0x80) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bits
    path.write_bytes(data)


# ----------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize(
    "arch",
    [
        SMALL,
        Architecture(
            model=ModelConfig(channels=(3, 4, 5), norm="instance", normalize_features=False),
            bank=BankConfig(kernel_size=5),
        ),
        Architecture(
            model=ModelConfig(channels=(4, 3, 6), norm="none"), bank=BankConfig(depth=3, width=7, norm="instance")
        ),
        Architecture(model=ModelConfig(channels=(4, 3, 6)), bank=BankConfig(depth=2, width=3, norm="pixel")),
        Architecture(model=ModelConfig(channels=(3, 4, 5), residual_blocks=2)),
    ],
    ids=["linear", "instance", "deep", "pixel", "residual"],
)
def test_float32_comes_back_bit_by_bit(arch: Architecture, tmp_path: Path) -> None:
    model = network(arch=arch)
    save_bank(model, tmp_path / "b", {})
    loaded = load_bank(tmp_path / "b").model
    assert loaded.architecture == arch
    assert loaded.names == ["one", "two"]
    assert equal(loaded, model)
    assert not loaded.training
    assert all(p.requires_grad and not p.is_meta for p in loaded.parameters())
    images = torch.rand(1, 3, 21, 18)
    assert torch.equal(loaded.stylize(images, [1]), model.stylize(images, [1]))


def test_float16_is_rounded_once_and_loads_as_float32(tmp_path: Path) -> None:
    model = network()
    save_bank(model, tmp_path / "b", {}, storage="float16")
    loaded = load_bank(tmp_path / "b").model.state_dict()
    for key, value in model.state_dict().items():
        assert loaded[key].dtype == torch.float32
        assert torch.equal(loaded[key], value.half().float())
    sizes = [(tmp_path / "b" / name).stat().st_size for name in WEIGHTS]
    save_bank(model, tmp_path / "c", {})
    assert all(size < (tmp_path / "c" / name).stat().st_size for size, name in zip(sizes, WEIGHTS, strict=True))


def test_what_is_known_about_a_bank_comes_back(tmp_path: Path) -> None:
    info = StyleInfo(
        title="Die große Welle 波",
        source_sha256="ab" * 32,
        settings={"loss": {"style_weight": 7.5, "style_layers": ["relu1_2"]}},
        images=12,
        metrics={"style_gap_closed": 0.7},
    )
    save_bank(network(), tmp_path / "b", {"two": info}, licence="CC BY 4.0 – ü", metrics={"psnr": 20.5})
    bank = load_bank(tmp_path / "b")
    assert (bank.manifest.licence, bank.manifest.metrics, bank.manifest.format) == (
        "CC BY 4.0 – ü",
        {"psnr": 20.5},
        FORMAT,
    )
    assert StyleInfo(**bank.records["two"].model_dump(include=set(StyleInfo.model_fields))) == info
    assert bank.records["one"].title == ""


def test_metrics_that_are_no_numbers_do_not_spoil_the_bank(tmp_path: Path) -> None:
    """Equal pictures have an infinite PSNR."""
    metrics = {"psnr": math.inf, "low": -math.inf, "none": math.nan}
    save_bank(network(), tmp_path / "b", {"one": StyleInfo(metrics=metrics)}, metrics=metrics)
    bank = load_bank(tmp_path / "b")
    for found in (bank.manifest.metrics, bank.records["one"].metrics):
        assert (found["psnr"], found["low"]) == (math.inf, -math.inf)
        assert math.isnan(found["none"])
    text = (tmp_path / "b" / MANIFEST).read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_the_folder_is_what_its_description_says(folder: Path) -> None:
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*FILES, f"{STYLES}/two.safetensors"}
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["styles"] == ["one", "two"]
    assert manifest["autoencoder_sha256"] == sha256_of(folder / AUTOENCODER)
    record = json.loads((folder / STYLES / "one.json").read_text())
    assert record["sha256"] == sha256_of(folder / STYLES / "one.safetensors")
    assert record["autoencoder_sha256"] == manifest["autoencoder_sha256"]


def test_equal_weights_make_equal_files(folder: Path, tmp_path: Path) -> None:
    save_bank(network(), tmp_path / "again", {"one": StyleInfo(title="One")}, licence="CC0")
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in FILES)


def test_a_bank_without_styles(tmp_path: Path) -> None:
    save_bank(network(names=()), tmp_path / "b", {})
    assert load_bank(tmp_path / "b").model.names == []


# ---------------------------------------------------------------------------------------------------- finding


def test_a_bank_is_found_in_its_folder_and_in_a_run(folder: Path) -> None:
    assert find_bank(folder) == folder
    assert find_bank(folder.parent) == folder


def test_what_is_no_bank_is_named(tmp_path: Path) -> None:
    with refused(BankError, tmp_path, MANIFEST):
        find_bank(tmp_path)
    with refused(BankError, tmp_path / "none", "not exist"):
        find_bank(tmp_path / "none")
    with refused(BankError, tmp_path / "none" / MANIFEST):
        load_bank(tmp_path / "none")


# ------------------------------------------------------------------------------------------- damaged and foreign


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_a_changed_byte_anywhere_is_noticed(name: str, share: float, folder: Path) -> None:
    path = folder / name
    flip(path, int((path.stat().st_size - 1) * share))
    with refused(BankError, path):
        load_bank(folder)


@given(st.sampled_from(FILES), st.floats(0, 1), st.integers(1, 255))
def test_any_damage_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, name: str, share: float, bits: int
) -> None:
    """Free text may change unnoticed; the network never does, and nothing but a BankError comes out."""
    folder = tmp_path_factory.mktemp("damage") / "bank"
    save_bank(network(), folder, {})
    flip(folder / name, int(((folder / name).stat().st_size - 1) * share), bits)
    try:
        bank = load_bank(folder)
    except BankError:
        return
    assert name.endswith(".json")
    assert equal(bank.model, network())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cut", [0.0, 0.5, 1.0])
def test_a_truncated_file_is_named(name: str, cut: float, folder: Path) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int((len(data) - 2) * cut)])  # the last byte of JSON is only a line end
    with refused(BankError, folder / name):
        load_bank(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("instead", ["nothing", "folder"])
def test_a_missing_file_is_named(name: str, instead: str, folder: Path) -> None:
    (folder / name).unlink()
    if instead == "folder":
        (folder / name).mkdir()
    with refused(BankError, folder / name):
        load_bank(folder)


def forge(folder: Path, change: Callable[[dict[str, Tensor]], object], name: str = AUTOENCODER) -> None:
    """Changes the tensors of a file and makes every hash of the bank right again."""
    state = safetensors.torch.load_file(folder / name)
    change(state)
    (folder / name).write_bytes(safetensors.torch.save(state))
    if name == AUTOENCODER:
        edit(folder / MANIFEST, autoencoder_sha256=sha256_of(folder / name))
    for record in (folder / STYLES).glob("*.json"):
        digest = sha256_of(record.with_suffix(".safetensors"))
        edit(record, sha256=digest, autoencoder_sha256=sha256_of(folder / AUTOENCODER))


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(name: str, value: float, folder: Path) -> None:
    keys = []

    def spoil(state: dict[str, Tensor]) -> None:
        keys.append(max(state))
        state[keys[0]].flatten()[-1] = value

    forge(folder, spoil, name)
    with refused(BankError, folder / name, keys[0], "not finite"):
        load_bank(folder)


@pytest.mark.parametrize("name", WEIGHTS)
def test_forging_without_a_change_is_no_change(name: str, folder: Path) -> None:
    """So the refusals around here are for the tensors, not for the forgery."""
    forge(folder, lambda state: None, name)
    assert equal(load_bank(folder).model, network())


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("kind", ["shape", "missing", "extra"])
def test_tensors_that_do_not_fit_are_refused(name: str, kind: str, folder: Path) -> None:
    def change(state: dict[str, Tensor]) -> None:
        key = max(state, key=lambda k: state[k].numel())
        if kind == "shape":
            state[key] = state[key][:-1].contiguous()
        elif kind == "missing":
            del state[key]
        else:
            state["other"] = torch.zeros(1)

    forge(folder, change, name)
    with refused(BankError, folder / name, "does not fit"):
        load_bank(folder)


FLAT = {
    "channels": [3, 4, 5],
    "norm": "pixel",
    "normalize_features": True,
    "kernel_size": 3,
    "depth": 1,
    "width": 128,
    "filter_norm": "none",
    "residual_blocks": 0,
}
"""`SMALL` as banks of format 1 have it."""
OF_BANK = {"kernel_size": "kernel_size", "depth": "depth", "width": "width", "filter_norm": "norm"}
# keys that format 1 does not know, as banks of it are
NEWER_OF_MODEL: dict[str, Any] = {"trunk_blocks": 0, "trunk_channels": 160, "upsample": "nearest"}
NEWER_OF_BANK: dict[str, Any] = {"noise_channels": 0, "post_norm": False, "form": "convolution"}
"""What format 1 did not have."""


def set_architecture(folder: Path, version: int, change: dict[str, Any]) -> None:
    """Rewrites a bank's architecture in one of the two formats, with some of format 1's keys changed."""
    flat = FLAT | change
    sections: dict[str, dict[str, Any]] = {
        "model": {key: value for key, value in flat.items() if key not in OF_BANK} | NEWER_OF_MODEL,
        "bank": {OF_BANK[key]: value for key, value in flat.items() if key in OF_BANK} | NEWER_OF_BANK,
    }
    edit(folder / MANIFEST, format=version, architecture=flat if version == 1 else sections)


def test_the_stored_architecture_is_the_configurations(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (manifest["format"], manifest["architecture"]) == (2, json.loads(SMALL.model_dump_json()))
    assert set(manifest["architecture"]) == {"model", "bank"}
    config = Config.model_validate(manifest["architecture"])
    assert config.architecture == load_bank(folder).model.architecture == SMALL
    set_architecture(folder, 2, {})
    assert json.loads((folder / MANIFEST).read_text()) == manifest


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "change", [{"channels": [3, 4, 6]}, {"kernel_size": 5}, {"depth": 2}, {"norm": "none"}], ids=str
)
def test_weights_of_another_architecture_are_refused(change: dict[str, Any], version: int, folder: Path) -> None:
    set_architecture(folder, version, change)
    with refused(BankError, folder, "does not fit"):
        load_bank(folder)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "change",
    [
        {"channels": [3, -4, 5]},
        {"channels": [3, 0, 5]},
        {"channels": [3, 10**18, 5]},
        {"channels": [30000, 30000, 30000]},
        {"channels": [3, 4]},
        {"channels": "345"},
        {"kernel_size": 4},
        {"kernel_size": 10**6 + 1},
        {"depth": 10**9},
        {"depth": 0},
        {"residual_blocks": -1},
        {"residual_blocks": 10**9},
        {"width": -1},
        {"width": 2**16 + 1},
        {"filter_norm": "batch"},
        {"color": "red"},
        {"norm": "batch"},
        {"normalize_features": "perhaps"},
        {"kernel_size": math.nan},
    ],
    ids=str,
)
def test_impossible_architectures_are_refused_before_memory_is_taken(
    change: dict[str, Any], version: int, folder: Path
) -> None:
    set_architecture(folder, version, change)
    with refused(BankError, folder):
        load_bank(folder)


@pytest.mark.parametrize("value", [None, 5, "small", [], [{}], {"model": None}, {"bank": []}, {"model": {"model": {}}}])
@pytest.mark.parametrize("version", [1, 2])
def test_an_architecture_that_is_none_is_refused(value: Any, version: int, folder: Path) -> None:
    edit(folder / MANIFEST, format=version, architecture=value)
    with refused(BankError, folder / MANIFEST, "damaged"):
        load_bank(folder)


@pytest.mark.parametrize("version", [1, 2])
def test_every_architecture_that_can_be_trained_can_be_loaded(version: int, tmp_path: Path) -> None:
    """At the limits of the configuration; in either format."""
    for change in ({"kernel_size": 7, "depth": 4, "width": 2, "filter_norm": "pixel"}, {"residual_blocks": 16}):
        keys = FLAT | change
        arch = Architecture(
            model=ModelConfig.model_validate({key: value for key, value in keys.items() if key not in OF_BANK}),
            bank=BankConfig.model_validate({OF_BANK[key]: value for key, value in keys.items() if key in OF_BANK}),
        )
        save_bank(network(arch=arch), tmp_path / "b", {})
        set_architecture(tmp_path / "b", version, change)
        bank = load_bank(tmp_path / "b")
        assert (bank.model.architecture, bank.manifest.format) == (arch, version)
        assert equal(bank.model, network(arch=arch))


def test_a_bank_of_an_older_format_gives_the_same_pictures(folder: Path) -> None:
    """Written by hand, and the oldest without keys that came later."""
    images = torch.rand(1, 3, 21, 18)
    expected = network().stylize(images, [1])
    hashes = {"autoencoder_sha256": sha256_of(folder / AUTOENCODER)}
    for architecture in (FLAT, {"channels": [3, 4, 5], "norm": "pixel"}):
        manifest = {"format": 1, "architecture": architecture, "styles": ["one", "two"], **hashes}
        (folder / MANIFEST).write_text(json.dumps(manifest))
        bank = load_bank(folder)
        assert bank.model.architecture == SMALL
        assert torch.equal(bank.model.stylize(images, [1]), expected)


def test_a_style_of_another_autoencoder_is_refused_with_both_hashes(folder: Path, tmp_path: Path) -> None:
    save_bank(network(seed=1), tmp_path / "other", {})
    for suffix in (".safetensors", ".json"):
        shutil.copy(tmp_path / "other" / STYLES / f"two{suffix}", folder / STYLES)
    hashes = [sha256_of(path / AUTOENCODER)[:12] for path in (folder, tmp_path / "other")]
    with refused(BankError, folder, "two", *hashes):
        load_bank(folder)


def test_a_renamed_style_is_refused(folder: Path) -> None:
    for suffix in (".safetensors", ".json"):
        (folder / STYLES / f"one{suffix}").rename(folder / STYLES / f"three{suffix}")
    edit(folder / MANIFEST, styles=["three", "two"])
    with refused(BankError, folder / STYLES / "three.json", "'one'", "'three'"):
        load_bank(folder)


@pytest.mark.parametrize("extra", [{}, {"attention": {"heads": 4}, "styles": {"one": 1}}])
def test_a_newer_format_is_named_as_such(extra: dict[str, Any], folder: Path) -> None:
    """Also when the rest of it makes no sense to this version."""
    edit(folder / MANIFEST, format=FORMAT + 1, **extra)
    with refused(BankError, folder, f"format {FORMAT + 1}", f"format {FORMAT}"):
        load_bank(folder)


@pytest.mark.parametrize(
    "name", ["../x", "..", "/etc/passwd", "a/b", "a\\b", "", ".", "One", "one\n", "all", "identity", "one\0", "x" * 65]
)
def test_names_that_lead_elsewhere_are_refused(name: str, folder: Path) -> None:
    edit(folder / MANIFEST, styles=["one", name])
    with refused(BankError, folder / MANIFEST):
        load_bank(folder)


def test_a_style_named_twice_is_refused(folder: Path) -> None:
    edit(folder / MANIFEST, styles=["one", "two", "one"])
    with refused(BankError, folder / MANIFEST, "twice"):
        load_bank(folder)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "3", "{}", '{"format": "x"}', "[" * 5000, '{"format": 1, "a": "\\ud800"}']
)
def test_a_manifest_that_is_none_is_refused(text: str, folder: Path) -> None:
    (folder / MANIFEST).write_text(text)
    with refused(BankError, folder / MANIFEST, "damaged"):
        load_bank(folder)


@pytest.mark.parametrize("name", [MANIFEST, f"{STYLES}/one.json"])
def test_unknown_entries_are_refused_by_name(name: str, folder: Path) -> None:
    edit(folder / name, color="red")
    with refused(BankError, folder / name, "color"):
        load_bank(folder)


# --------------------------------------------------------------------------------------------- adding styles


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("version", [1, 2])
def test_extending_keeps_every_old_byte(version: int, in_place: bool, folder: Path, tmp_path: Path) -> None:
    set_architecture(folder, version, {})
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    images = torch.rand(1, 3, 20, 17)
    outputs = [network().stylize(images, [i]) for i in range(2)]
    model = load_bank(folder).model
    model.add_filters(["new"])
    out = folder if in_place else tmp_path / "more"
    extend_bank(folder, model, out, {"new": StyleInfo(title="New")})
    for name, data in before.items():
        if str(name) != MANIFEST:
            assert (out / name).read_bytes() == data, name
    bank = load_bank(out)
    assert bank.manifest.styles == ["one", "two", "new"]
    assert (bank.manifest.licence, bank.records["one"].title, bank.records["new"].title) == ("CC0", "One", "New")
    assert bank.manifest.format == FORMAT
    assert equal(bank.model, model)
    assert all(torch.equal(bank.model.stylize(images, [i]), outputs[i]) for i in range(2))
    if not in_place:
        assert load_bank(folder).manifest.styles == ["one", "two"]


def test_extending_a_float16_bank_leaves_it_float16(tmp_path: Path) -> None:
    save_bank(network(), tmp_path / "b", {}, storage="float16")
    model = load_bank(tmp_path / "b").model
    model.add_filters(["new"])
    extend_bank(tmp_path / "b", model, tmp_path / "c", {"new": StyleInfo()})
    assert (tmp_path / "c" / AUTOENCODER).read_bytes() == (tmp_path / "b" / AUTOENCODER).read_bytes()
    assert equal(load_bank(tmp_path / "c").model, model)


def test_extending_a_bank_that_is_gone_is_refused(folder: Path, tmp_path: Path) -> None:
    model = load_bank(folder).model
    (folder / AUTOENCODER).unlink()
    with refused(StyleBankError, tmp_path / "out"):
        extend_bank(folder, model, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------- killed while writing


def versioned(version: int) -> StyleBank:
    """A network all of whose weights are one number."""
    model = network()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(version)
    return model


def version_of(bank: Bank) -> int:
    (version,) = torch.cat([parameter.detach().flatten() for parameter in bank.model.parameters()]).unique().tolist()
    return int(version)


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a copy of this process; returns the child's process id. An error there is exit status 1."""
    sys.stdout.flush()
    if (pid := os.fork()) == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def end_of(pid: int) -> int:
    """Waits for a child: its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at_file_operation(number: int) -> None:
    """This process dies just before it touches the file system for the `number`-th time from now."""
    left = number

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@needs_fork
def test_killed_before_any_file_operation_a_whole_bank_remains(tmp_path: Path) -> None:
    """Every moment at which the file system can change is tried; what earlier kills left lying about stays there."""
    folder = tmp_path / "bank"
    save_bank(versioned(0), folder, {})
    version, seen = 0, set()
    for number in range(1, 1000):
        following = version + 1
        model = versioned(following)

        def save(number: int = number, model: StyleBank = model) -> None:
            kill_at_file_operation(number)
            save_bank(model, folder, {})

        status = end_of(in_child(save))
        found = version_of(load_bank(find_bank(folder)))
        assert found in (version, following)
        seen.add(found - version)
        version = found
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert status == 0
    assert number > 15  # there were that many moments
    assert version == following
    assert seen == {0, 1}  # some kills came too early for the new version, some only in tidying up


@needs_fork
def test_killed_at_random_moments_a_whole_bank_remains(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    save_bank(versioned(0), folder, {})

    def save_for_ever(start: int) -> NoReturn:
        while True:
            start += 1
            save_bank(versioned(start), folder, {})

    version = rounds = 0
    rng = random.Random(0)
    while rounds < 10 or not version:  # a slow machine needs more of them until one is written
        rounds += 1
        pid = in_child(lambda start=version: save_for_ever(start))  # type: ignore[misc]
        time.sleep(rng.uniform(0.02, 0.2))
        os.kill(pid, signal.SIGKILL)
        assert end_of(pid) == -signal.SIGKILL
        found = version_of(load_bank(find_bank(folder)))
        assert found >= version
        version = found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", [MANIFEST, f"{STYLES}/one.json", AUTOENCODER, f"{STYLES}/one.safetensors"])
def test_a_pipe_in_the_place_of_a_file_does_not_hang(name: str, folder: Path) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with refused(BankError, folder):
        load_bank(folder)


def test_a_record_of_gigabytes_is_not_read(folder: Path) -> None:
    with (folder / MANIFEST).open("r+b") as file:
        file.truncate(6 * 10**9)  # sparse: it takes no room
    with refused(BankError, folder / MANIFEST, "6,000,000,000 bytes"):
        load_bank(folder)


def test_messages_stay_short_whatever_a_file_holds(folder: Path) -> None:
    edit(folder / MANIFEST, **{"x" * 10**6: 1})
    with pytest.raises(BankError) as caught:
        load_bank(folder)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("channels", [[65536, 65536, 65536], [2**31, 1, 1], [2**62, 2**62, 2**62]])
def test_architectures_that_overflow_are_one_sentence(channels: list[int], folder: Path) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    record["architecture"]["model"]["channels"] = channels
    (folder / MANIFEST).write_text(json.dumps(record))
    with refused(BankError, folder):
        load_bank(folder)


@needs_fork
def test_readers_never_hinder_a_writer(tmp_path: Path) -> None:
    """Only writers settle a swap: a reader that did so between a writer's two renames would make it fail."""
    folder = tmp_path / "bank"
    save_bank(versioned(0), folder, {})

    def save_often() -> None:
        for version in range(1, 150):
            save_bank(versioned(version), folder, {})

    pid, read = in_child(save_often), 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert version_of(load_bank(find_bank(folder))) >= 0
        read += 1
    assert read > 0
    assert version_of(load_bank(find_bank(folder))) == 149  # the writer came to its end
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_a_swap_that_ends_while_a_bank_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old folder is gone before its bank.json is looked at, and the new one stands where none was."""
    folder, aside, where_before = tmp_path / "bank", tmp_path / ".bank.previous", files.standing_folder
    save_bank(versioned(1), folder, {})
    os.rename(folder, aside)

    def end_of_swap_after(path: Path) -> Path:
        found = where_before(path)
        if aside.exists():
            os.rename(aside, folder)
        return found

    monkeypatch.setattr(files, "standing_folder", end_of_swap_after)
    assert find_bank(folder) == folder


@pytest.mark.parametrize("when", ["before the manifest is read", "after it"])
def test_a_bank_replaced_while_it_is_read_is_read_again(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read_before = tmp_path / "bank", records.read_manifest
    save_bank(versioned(0), folder, {})

    def replace_once(*_: object) -> NoReturn:
        monkeypatch.setattr(records, "read_manifest", read_before)
        save_bank(versioned(1), folder, {})
        raise BankError("bank.json is missing.")

    first = [replace_once] if when == "after it" else []
    if not first:
        monkeypatch.setattr(records, "read_manifest", replace_once)
    found = records.read_standing(folder, lambda here, _: first.pop()() if first else load_bank(here))
    assert version_of(found) == 1


def test_a_bank_put_aside_is_read_where_it_is_and_stays_there(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    save_bank(versioned(3), folder, {})
    folder.rename(tmp_path / ".bank.previous")
    (tmp_path / ".bank.previous").chmod(0o555)
    assert version_of(load_bank(find_bank(folder))) == 3
    assert [path.name for path in tmp_path.iterdir()] == [".bank.previous"]


def test_a_bank_is_found_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_bank(versioned(3), tmp_path / "bank", {})
    monkeypatch.chdir(tmp_path / "bank")
    for name in (".", "", "../bank"):
        assert version_of(load_bank(find_bank(Path(name)))) == 3
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    for name in ("", "/", "x" * 300, "../bank/bank.json", "a\0b"):
        with refused(BankError, "is not a bank"):
            find_bank(Path(name))


@needs_fork
def test_a_disk_that_takes_no_more_is_one_sentence_and_keeps_the_old(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    bank, state = tmp_path / "bank", tmp_path / "state.pt"
    save_bank(versioned(1), bank, {})
    save_training_state({"step": 1}, state)

    def fail_to_save() -> None:
        smallest = min((bank / name).stat().st_size for name in WEIGHTS)
        resource.setrlimit(resource.RLIMIT_FSIZE, (smallest // 2,) * 2)
        with refused(StyleBankError, bank):
            save_bank(versioned(2), bank, {})
        with refused(StyleBankError, state):
            save_training_state({"weights": torch.zeros(smallest)}, state)

    assert end_of(in_child(fail_to_save)) == 0
    assert version_of(load_bank(bank)) == 1
    assert load_training_state(state) == {"step": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bank", "state.pt"]


# -------------------------------------------------------------------------------------------- training states


def test_a_training_state_comes_back(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.rand(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimizer.step()
    state = {"step": 7, "seconds": 1.5, "model": {"w": torch.rand(2, 3)}, "optimizer": optimizer.state_dict()}
    save_training_state(state, tmp_path / "run" / "state.pt")
    loaded = load_training_state(tmp_path / "run" / "state.pt")
    assert (loaded["step"], loaded["seconds"]) == (7, 1.5)
    assert torch.equal(loaded["model"]["w"], state["model"]["w"])  # type: ignore[index]
    torch.optim.Adam([parameter]).load_state_dict(loaded["optimizer"])
    assert torch.equal(loaded["optimizer"]["state"][0]["exp_avg"], optimizer.state[parameter]["exp_avg"])


def test_there_must_be_a_state_to_resume(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "state.pt"):
        with refused(TrainingError, path):
            load_training_state(path)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.95])
def test_a_truncated_state_is_refused(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_training_state({"step": 7, "w": torch.rand(50)}, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with refused(TrainingError, path, "damaged"):
        load_training_state(path)


@given(st.binary(max_size=60))
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_any_bytes_are_a_damaged_state(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pt"
    path.write_bytes(data)
    with refused(TrainingError, path):
        load_training_state(path)


class _Code:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.file,)


def test_code_in_a_state_is_refused_and_not_run(tmp_path: Path) -> None:
    touched, path = tmp_path / "touched", tmp_path / "state.pt"
    torch.save({"step": _Code(touched)}, path)
    with refused(TrainingError, path):
        load_training_state(path)
    assert not touched.exists()
    torch.load(path, weights_only=False)  # the trap was armed
    assert touched.exists()
