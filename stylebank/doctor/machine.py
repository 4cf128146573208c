"""What can be seen without work: versions, processors, GPUs, number formats, memory, encoders, bank and weights."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch
from torch.nn import functional as F

from stylebank import __version__
from stylebank.bank.find import find_bank
from stylebank.bank.io import load_bank
from stylebank.device import compute_dtype, described, has_fast_bfloat16, import_torchvision, memory_of, precisions
from stylebank.doctor.finding import Finding
from stylebank.errors import StyleBankError
from stylebank.inference.memory import available_memory
from stylebank.losses.vgg import load_loss_network
from stylebank.losses.weights import WEIGHTS_VARIABLE, held_network
from stylebank.shipped import DEFAULT_BANK, VGG19
from stylebank.video.codecs import CODECS, is_available

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "safetensors", "scipy", "scikit-image", "av")
EXTRAS = {
    "opencv-python-headless": "flow",
    "torchmetrics": "evaluate",
    "pillow-heif": "heif",
    "pillow-jxl-plugin": "jxl",
    "fastapi": "serve",
    "onnxruntime": "export",
    "openvino": "fast",
    "matplotlib": "plot",
    "shtab": "completion",
}
"""Packages that some options need -> the extra that installs them."""
USUAL = ("libx264", "libvpx-vp9")  # what films are written with unless another codec is asked for
LITTLE = 2**30  # bytes of free memory or disk, below which pictures of usual size may fail
GB = 1e9
TOLERANCES = {torch.float32: 5e-3, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Largest error of a convolution, relative to its largest value; float32 may be TF32 on a GPU."""


def look_at_machine(device: torch.device, bank: Path | None) -> Iterator[Finding]:
    """A finding for everything that can be seen.

    Args:
        device: the one that is asked for.
        bank: the bank to look for, None for the one that comes with the program.
    """
    yield from _versions()
    yield from _processor()
    yield from _devices(device)
    for name in precisions(device):
        yield _precision(device, name)
    yield from _memory(device)
    yield from _codecs()
    yield _bank(bank or DEFAULT_BANK)
    yield _weights()


def _versions() -> Iterator[Finding]:
    # Of stylebank its own word: a checkout need not be installed.
    found = {"stylebank": __version__, **{name: _version(name) for name in PACKAGES}}
    missing = [name for name, version in found.items() if version is None]
    text = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    yield Finding("Python", f"{platform.python_version()} on {platform.platform()}")
    yield Finding(
        "packages", text + (f"; not found: {', '.join(missing)}" if missing else ""), "off" if missing else "ok"
    )
    try:
        import_torchvision()
    except (ImportError, RuntimeError, OSError) as error:
        yield Finding("torchvision", f"cannot be imported: {_in_a_line(error)}", "off")
    lacking = [f"{name} (stylebank[{extra}])" for name, extra in EXTRAS.items() if _version(name) is None]
    if lacking:
        yield Finding("extras", f"not installed, for some options only: {', '.join(lacking)}", "note")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    units = [name for name, there in sorted(torch.cpu.get_capabilities().items()) if there is True]
    wanted = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
    fast = ", ".join(name for name in units if name in wanted) or "none, so float32 is used"
    fast += "" if "amx_bf16" in units else " (no AMX)"
    yield Finding("processor", f"{cores} cores to use, {torch.get_num_threads()} threads; bfloat16 units: {fast}")


def _devices(wanted: torch.device) -> Iterator[Finding]:
    versions = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if torch.version.cuda else ""
    for i in range(torch.cuda.device_count()):
        device = torch.device("cuda", i)
        memory = (memory_of(device) or 0) / GB
        yield Finding("GPU", f"{described(device)}, {memory:.0f} GB, {versions or f'HIP {torch.version.hip}'}")
    if torch.backends.mps.is_available():
        yield Finding("GPU", "mps")
    elif not torch.cuda.device_count():
        build = versions or "a torch without CUDA"
        yield Finding("GPU", f"none that torch can use ({build})", "note")
    yield Finding("device", f"{described(wanted)}, by itself in {str(compute_dtype(wanted, 'auto')).split('.')[1]}")


def _precision(device: torch.device, name: str) -> Finding:
    """Whether a convolution in a number format comes to what it comes to in double precision on the processor."""
    check = f"precision {name}"
    if not precisions(device)[name]:
        return Finding(check, f"not on {described(device)}", "note")
    dtype, generator = compute_dtype(device, name), torch.Generator().manual_seed(0)
    x, kernel = (torch.randn(shape, generator=generator).to(dtype) for shape in ((1, 32, 24, 24), (16, 32, 3, 3)))
    exact = F.conv2d(x.double(), kernel.double())
    try:
        found = F.conv2d(x.to(device), kernel.to(device)).cpu().double()
    except RuntimeError as error:
        return Finding(check, f"fails: {_in_a_line(error)}", "off")
    error_found, allowed = float((found - exact).abs().max() / exact.abs().max()), TOLERANCES[dtype]
    speed = ", emulated" if name == "bfloat16" and not has_fast_bfloat16(device) else ""
    text = f"works{speed}; largest error of a convolution {error_found:.1e}, allowed {allowed:.0e}"
    return Finding(check, text, "ok" if error_found <= allowed else "off")


def _memory(device: torch.device) -> Iterator[Finding]:
    for where in dict.fromkeys((torch.device("cpu"), device)):
        free, of = available_memory(where), memory_of(where)
        size = f" of {of / GB:.1f}" if of else ""
        yield Finding(f"memory of {where}", f"{free / GB:.1f} GB free{size}", "off" if free < LITTLE else "ok")
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    yield Finding("disk", f"{free / GB:.1f} GB free in {folder}", "off" if free < LITTLE else "ok")


def _codecs() -> Iterator[Finding]:
    there = [name for name in CODECS if is_available(name)]
    lacking = [name for name in CODECS if name not in there]
    text = f"FFmpeg writes {', '.join(there) or 'none of the known ones'}"
    state = "off" if set(USUAL) - set(there) else "note" if lacking else "ok"
    yield Finding("codecs", text + (f"; not {', '.join(lacking)}" if lacking else ""), state)  # type: ignore[arg-type]


def _bank(path: Path) -> Finding:
    try:
        folder = find_bank(path)
        return Finding("bank", f"{len(load_bank(folder).model.names)} styles in {folder}")
    except StyleBankError as error:
        return Finding("bank", str(error), "off")


def _weights() -> Finding:
    """The loss network's weights, for training and `optimize`."""
    variable = os.environ.get(WEIGHTS_VARIABLE)
    if not variable and not VGG19.is_file():
        return Finding("loss network", "torchvision's will be downloaded where it is needed", "note")
    where = f"{variable} ({WEIGHTS_VARIABLE})" if variable else str(VGG19)
    try:
        load_loss_network(held_network() or "vgg19", ["relu4_2"])
    except StyleBankError as error:
        return Finding("loss network", str(error), "off")
    return Finding("loss network", where)


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
