"""The machine: devices, number formats, seeds, and the one work-around for mixed torch and torchvision wheels."""

from __future__ import annotations

import importlib
import os
import platform
import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylebank.errors import ConfigError

Network = TypeVar("Network", bound=torch.nn.Module)

BFLOAT16_CAPABILITY = (8, 0)  # of CUDA devices that have bfloat16 units (Ampere); older ones emulate them slowly
FLOAT16_CAPABILITY = (5, 3)  # of those that compute in float16
_OUT_OF_MEMORY = (  # what torch says where it has no error of its own for that
    "DefaultCPUAllocator",
    "MPS backend out of memory",
    "Invalid buffer size",  # MPS: one larger than Metal makes
    "CUDA error: out of memory",  # outside of its allocator: a context, pinned memory
    "STATUS_ALLOC_FAILED",  # cuBLAS, cuDNN
)


def resolve_device(name: str) -> torch.device:
    """`auto` is the first of cuda, mps, cpu that is there; `cuda:1` and the like are taken as they are.

    Raises:
        ConfigError: the device is unknown or not on this machine.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return _exact(torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind])))
    present = ", ".join(kind for kind, there in available.items() if there)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"Unknown device '{name}'; on this machine: auto, {present}.") from error
    if not available.get(device.type, False):
        raise ConfigError(f"Device '{name}' is not on this machine; there is: {present}.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"Device '{name}' is not on this machine; it has {torch.cuda.device_count()} CUDA device(s).")
    return _exact(device)


def _exact(device: torch.device) -> torch.device:
    """The device itself; on CUDA float32 is from now on what its name says, see `training_steps`."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return device


@contextmanager
def training_steps(device: torch.device, within: bool = True) -> Iterator[None]:
    """How CUDA computes training steps: what is float32 goes through tensor cores, and the fastest way is looked for.

    TF32 has float32's range and 10 bits of mantissa. For gradients that is enough; what is measured or stylized in
    float32 is float32, as torch's convolutions by default are not. cuDNN tries its ways for every size that it meets,
    which pays for crops of one size. On other devices this does nothing.

    Args:
        within: False takes both back for a while, for pictures of many sizes and numbers that are quoted.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32 = matmul.allow_tf32 = cudnn.benchmark = within
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is done by the hardware, not emulated."""
    if device.type == "cuda":  # of this device: torch.cuda.is_bf16_supported asks the current one
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= BFLOAT16_CAPABILITY
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
    return False


def adds_bytes_exactly() -> bool:
    """Whether this processor adds products of bytes in 32 bits. Those of x86 without VNNI add two in 16, and clip."""
    capabilities = torch.cpu.get_capabilities()
    exact = ("avx512_vnni", "avx_vnni", "amx_int8")
    return capabilities.get("architecture") != "x86_64" or any(capabilities.get(name, False) for name in exact)


def has_float16(device: torch.device) -> bool:
    """Whether the device computes in float16; processors hardly do."""
    if device.type == "cuda":
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= FLOAT16_CAPABILITY
    return device.type == "mps"


def runs_ahead(device: torch.device) -> bool:
    """Whether a device works off what it was given while the program goes on, so that reading from it is waiting."""
    return device.type == "cuda"


def precisions(device: torch.device) -> dict[str, bool]:
    """Which number formats a device can be asked for. A processor without bfloat16 units emulates them."""
    bfloat16 = device.type != "cuda" or has_fast_bfloat16(device)
    return {"float32": True, "bfloat16": bfloat16, "float16": has_float16(device)}


def compute_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The dtype of the convolutions for a precision; `auto` is bfloat16 where the hardware has it, else float32.

    Raises:
        ConfigError: the precision is unknown, or the device has no such numbers.
    """
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    there = precisions(device)
    if not there.get(precision, False):
        valid = ", ".join(["auto", *(name for name, works in there.items() if works)])
        raise ConfigError(f"Precision {precision} is not to be had on {described(device)}; valid there: {valid}.")
    return {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}[precision]


def described(device: torch.device) -> str:
    """A device and what it is: `cuda:0 (Tesla T4, compute capability 7.5)`."""
    if device.type != "cuda":
        return str(device)
    major, minor = torch.cuda.get_device_capability(device)
    return f"{device} ({torch.cuda.get_device_name(device)}, compute capability {major}.{minor})"


def out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be had: for some of the ways to that torch has no error of its own."""
    if isinstance(error, RuntimeError) and any(name in str(error) for name in _OUT_OF_MEMORY):
        return True
    return isinstance(error, MemoryError | torch.OutOfMemoryError)


@contextmanager
def repeatable() -> Iterator[None]:
    """Has cuDNN take the same way every time; whether it is used at all stays as it is."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=cudnn.allow_tf32):
        yield


def place(module: Network, device: torch.device) -> Network:
    """Moves a network to the device, its weights in channels-last order, which convolutions are fastest in."""
    return module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def resampled(pictures: Tensor, grid: Tensor, mode: str) -> Tensor:
    """`grid_sample` with edges repeated: (B, C, H, W) at the places of (B, h, w, 2) -> (B, C, h, w).

    On the processor in place of MPS, which lacks bicubic with edges repeated, and in older torch gradients.
    """
    if pictures.device.type == "mps":
        return resampled(pictures.cpu(), grid.cpu(), mode).to(pictures.device)
    return F.grid_sample(pictures, grid, mode, "border", align_corners=False)


def sent(numbers: Sequence[int], device: torch.device) -> Tensor:
    """A list of whole numbers as a tensor on a device, without waiting for it: (len(numbers),), int64."""
    return carried(torch.tensor(numbers, dtype=torch.int64), device)


def carried(made: Tensor, device: torch.device) -> Tensor:
    """A tensor made on the processor, on a device, without waiting for it."""
    return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)


def memory_of(device: torch.device) -> int | None:
    """Bytes of memory that a device has in all, within the limit of this process's container; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return None
    for file in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with suppress(OSError, ValueError):  # no container, or no limit ("max")
            memory = min(memory, int(file.read_text()))
    return memory if memory > 0 else None


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def exact_products(source: Tensor) -> Iterator[None]:
    """Lets float32 copies of bfloat16 numbers be multiplied by a processor's bfloat16 units.

    These sum in float32, so the products are as exact as float32's and several times as fast. Else nothing changes.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    if source.dtype == torch.bfloat16 and source.device.type == "cpu":
        matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Autocast to `dtype`; does nothing for float32."""
    half = dtype in (torch.bfloat16, torch.float16)
    return torch.autocast(device.type, dtype=dtype if half else torch.bfloat16, enabled=half)


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def environment() -> dict[str, Any]:
    """What a run ran on: versions, machine, and the commit where the code lies in a git checkout."""
    packages = ("stylebank", "torch", "torchvision", "numpy", "pillow", "safetensors")
    versions: dict[str, str] = {}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "commit": _commit(),
    }


def _commit() -> str | None:
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return None


def import_torchvision() -> ModuleType:
    """torchvision, also where its wheel was built for another kind of torch (CUDA wheel beside a CPU torch).

    Its compiled operators then fail to load and its Python part stops at the schemas of `nms` and `qnms`.
    Nothing here calls these, so declaring the missing schemas is enough. Where the wheels match this does nothing.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_missing_operators()
        return importlib.import_module("torchvision")


def _declare_missing_operators() -> None:
    global _operators
    _operators = torch.library.Library("torchvision", "FRAGMENT")  # kept: the schemas live as long as this object
    for name, schema in {
        "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    }.items():
        if not hasattr(torch.ops.torchvision, name):
            _operators.define(schema)


_operators: torch.library.Library | None = None
