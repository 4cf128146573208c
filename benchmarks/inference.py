"""How fast stylizing is and what memory it takes, against the network as it is written in `stylebank/network/model.py`.

    python benchmarks/inference.py --bank checkpoints/stylebank-14 --sizes 256 512 1080p

Every variant does encoder, one filter and decoder on the same picture. They take turns, so that whatever else the
machine does meets them all; times are medians. "plain float32" is the reference: `StyleBank.stylize`, contiguous
tensors, no autocast. "plain bfloat16" is the same under autocast in channels-last. "optimized" is what `Stylizer`
does, "tiled" the same in tiles.

- of peak: operations per second of the variant's convolutions, as a share of a large matrix product's in that format
- memory: the process's highest resident size during the run above that before it, measured in a process of its own
- difference: mean absolute difference to the reference in levels of 255
"""

from __future__ import annotations

import argparse
import copy
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import generated
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from stylebank.bank.find import find_bank
from stylebank.bank.io import Bank, load_bank
from stylebank.bank.records import FORMAT, Manifest
from stylebank.config import Architecture
from stylebank.device import autocast, place, resolve_device
from stylebank.errors import StyleBankError
from stylebank.images import load_picture, to_tensor
from stylebank.inference.allocator import keep_freed_memory
from stylebank.inference.stylizer import Stylizer
from stylebank.network.model import StyleBank

SIZES = {"256": (256, 256), "512": (512, 512), "1080p": (1080, 1920), "4k": (2160, 3840)}  # (H, W)
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MATRIX = 2048  # side of the matrices that give the processor's peak

Run = Callable[[Tensor], Tensor]


class Variant(NamedTuple):
    """One way to stylize."""

    kind: str
    """plain, optimized or tiled"""
    precision: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{'compiled ' if self.compiled else ''}{self.kind} {self.precision}"


class Result(NamedTuple):
    """What was measured of a variant at a size."""

    seconds: float
    operations: int
    difference: float
    memory: float


REFERENCE = Variant("plain", "float32")


def main() -> int:
    """Measures and prints; 1 if something was wrong."""
    options = _parser().parse_args()
    if not options.system_malloc:
        keep_freed_memory()
    try:
        if options.memory_of:
            kind, precision, *compiled = options.memory_of.split(",")
            print(peak_memory(options, Variant(kind, precision, bool(compiled)), SIZES[options.sizes[0]]))
            return 0
        run(options)
    except StyleBankError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Measures every variant at every size and prints a table for each size."""
    device = resolve_device(options.device)
    variants = [Variant(kind, name) for kind in ("plain", "optimized", "tiled") for name in options.precision]
    variants = [REFERENCE, *(variant for variant in variants if variant != REFERENCE)]
    if options.compile:
        variants += [Variant(kind, name, True) for kind in ("plain", "optimized") for name in options.precision]
    peaks = {name: matmul_peak(dtype, device) for name, dtype in FORMATS.items() if name in options.precision}
    peaks.setdefault("float32", matmul_peak(torch.float32, device))
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(
        f"{device} ({machine}), torch {torch.__version__}, medians of {options.rounds} rounds; matrix product:", end=" "
    )
    print(", ".join(f"{value / 1e9:.0f} GFLOP/s {name}" for name, value in peaks.items()))
    for size in options.sizes:
        print(f"\n### {size}\n\n{table(measure(options, variants, size, device), SIZES[size], peaks)}", flush=True)


def measure(
    options: argparse.Namespace, variants: list[Variant], size: str, device: torch.device
) -> dict[Variant, Result]:
    """All about the variants at one size."""
    bank, images = the_bank(options.bank), picture(SIZES[size]).to(device)
    runs = {variant: runner(bank, variant, device, options.tile) for variant in variants}
    seconds: dict[Variant, list[float]] = {variant: [] for variant in variants}
    operations, outputs = {}, {}
    for variant, each in runs.items():
        print(f"Warming up at {size}: {variant}", file=sys.stderr)
        with FlopCounterMode(display=False) as counter:
            runs[variant._replace(compiled=False)](images)
        operations[variant] = counter.get_total_flops()
        outputs[variant] = each(images).clamp(0, 1).cpu()
    for turn in range(1, options.rounds + 1):
        print(f"Round {turn} of {options.rounds} at {size}", file=sys.stderr)
        for variant, each in runs.items():
            seconds[variant].append(timed(each, images, device))
    return {
        variant: Result(
            statistics.median(seconds[variant]),
            operations[variant],
            float((outputs[variant] - outputs[REFERENCE]).abs().mean() * 255),
            memory_in_new_process(options, variant, size),
        )
        for variant in variants
    }


def runner(bank: Bank, variant: Variant, device: torch.device, tile: int) -> Run:
    """What stylizes a tensor (1, 3, H, W) with the bank's first style."""
    dtype = FORMATS[variant.precision]
    if variant.kind == "plain":
        model = copy.deepcopy(bank.model).to(device).requires_grad_(False)
        if variant.precision != "float32":
            model = place(model, device)
    else:
        stylizer = Stylizer(bank, device, dtype)
        model = stylizer.model
    if variant.compiled:
        model.encoder.compile()
        model.decoder.compile()

    @torch.inference_mode()
    def stylize(images: Tensor) -> Tensor:
        if variant.kind == "tiled":
            return stylizer.encode(images, tile).decode(model.names[0])
        with autocast(device, dtype if variant.kind == "plain" else torch.float32):
            return model.stylize(images, [0])

    return stylize


def the_bank(path: Path | None) -> Bank:
    """The bank asked for, or one of random weights in the shape that is trained."""
    if path:
        return load_bank(find_bank(path))
    torch.manual_seed(0)
    model = StyleBank(Architecture(), ["random"]).eval()
    manifest = Manifest(format=FORMAT, architecture=model.architecture, styles=["random"], autoencoder_sha256="")
    return Bank(model, manifest, {})


def picture(size: tuple[int, int]) -> Tensor:
    """A generated picture (1, 3, H, W) in [0, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        (path,) = generated.pictures(Path(folder), 1, size[1], size[0], seed=0)
        return to_tensor(load_picture(path).rgb)[None]


def timed(each: Run, images: Tensor, device: torch.device) -> float:
    """Seconds of a run."""
    start = time.perf_counter()
    each(images)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def matmul_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Operations per second of the fastest of several large matrix products, also written as a 1x1 convolution.

    Convolutions may come from another library than products, and that may suit the processor better.
    """
    matrix = torch.randn(MATRIX, MATRIX, device=device).to(dtype)
    pixels = matrix.reshape(1, 32, -1, MATRIX).permute(0, 3, 1, 2)  # MATRIX channels of MATRIX pixels, channels last
    kernel = matrix[:, :, None, None].to(memory_format=torch.channels_last)
    products: list[tuple[Run, Tensor]] = [(lambda x: x @ x, matrix), (lambda x: F.conv2d(x, kernel), pixels)]
    return 2 * MATRIX**3 / min(timed(each, x, device) for each, x in products * 8)


def memory_in_new_process(options: argparse.Namespace, variant: Variant, size: str) -> float:
    """Bytes that a variant takes at its peak."""
    name = f"{variant.kind},{variant.precision}{',compiled' if variant.compiled else ''}"
    command = [sys.executable, __file__, "--memory-of", name, "--sizes", size]
    command += ["--device", options.device, "--tile", str(options.tile)]
    command += ["--bank", str(options.bank)] if options.bank else []
    command += ["--system-malloc"] if options.system_malloc else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_memory(options: argparse.Namespace, variant: Variant, size: tuple[int, int]) -> int:
    """Bytes that a run in this process adds at its peak to what was there before."""
    device = resolve_device(options.device)
    each, images = runner(the_bank(options.bank), variant, device, options.tile), picture(size).to(device)
    each(images[:, :, :64, :64])  # loads and compiles what is made once
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        each(images)
        return torch.cuda.max_memory_allocated(device) - before
    before = highest_resident(reset=True)
    each(images)
    return highest_resident() - before


def highest_resident(reset: bool = False) -> int:
    """The most bytes this process has had in memory; with `reset`, from now on."""
    with suppress(OSError):  # Linux, where getrusage counts what the parent had before it started this process
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def table(results: dict[Variant, Result], size: tuple[int, int], peaks: dict[str, float]) -> str:
    """Markdown: one row per variant."""
    megapixels = size[0] * size[1] / 1e6
    lines = [
        "| network | ms | ms per megapixel | times as fast | of peak | memory, MB per megapixel | difference |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for variant, (seconds, operations, difference, memory) in results.items():
        share = operations / seconds / peaks[variant.precision]
        ratio = results[REFERENCE].seconds / seconds
        lines.append(
            f"| {variant} | {1000 * seconds:.0f} | {1000 * seconds / megapixels:.0f} | {ratio:.2f} | {share:.0%} "
            f"| {memory / 1e6 / megapixels:.0f} | {difference:.3f} |"
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--bank", type=Path, metavar="DIR", help="a bank; random weights without one")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="of the picture")
    parser.add_argument("--precision", nargs="+", choices=FORMATS, default=list(FORMATS), help="number formats")
    parser.add_argument("--tile", type=int, default=512, metavar="N", help="side of the tiles in pixels")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often the variants take turns")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile, which takes minutes")
    parser.add_argument("--system-malloc", action="store_true", help="leave freed memory to the C library's defaults")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
