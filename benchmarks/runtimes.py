"""How fast a picture is stylized: by this program, by what it exports in other runtimes, by other programs' networks.

    pip install '.[fast]'
    taskset -c 0,1 python benchmarks/runtimes.py --exported outputs/runtimes

All take turns on the same picture, with as many threads as torch has, so that whatever else the machine does meets them
all; times are medians. The other programs' networks (`other_networks`) have random weights. The first run exports one
style four times, which takes minutes; what it made is used again.

- memory: the process's highest resident size during a run above that before it, measured in a process of its own
- difference: mean absolute difference to the bank in float32 in levels of 255
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import other_networks
import torch
from inference import SIZES, highest_resident, picture
from torch import Tensor

from stylebank.bank.find import find_bank
from stylebank.bank.io import load_bank
from stylebank.device import autocast, has_fast_bfloat16
from stylebank.errors import ExportError, StyleBankError
from stylebank.export.fast import load_int8
from stylebank.export.formats import FORMATS
from stylebank.export.manifest import Kind, Precision, read_export
from stylebank.export.openvino_runtime import compiled, installed, openvino
from stylebank.export.run import ExportRequest, export
from stylebank.inference.stylizer import Stylizer
from stylebank.shipped import DEFAULT_BANK

CPU = torch.device("cpu")
Run = Callable[[Tensor], Any]
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "bf16" if has_fast_bfloat16(CPU) else "f32"}
"""What OpenVINO computes in where a model does not say; beside integer convolutions, too."""


class Variant(NamedTuple):
    """One way to stylize."""

    who: str
    precision: str

    def __str__(self) -> str:
        return f"{self.who} {self.precision}"


REFERENCE = Variant("Stylizer", "float32")


def variants() -> list[Variant]:
    """All that can be run here; bfloat16 where the processor has units for it, not where it is emulated."""
    formats = ["float32", *(["bfloat16"] if has_fast_bfloat16(CPU) else [])]
    found = [Variant("Stylizer", name) for name in formats]
    found += [Variant("onnxruntime", name) for name in ("float32", "int8")]
    if installed():
        found += [Variant("OpenVINO", name) for name in (*formats, "int8")] + [Variant("Stylizer", "int8")]
    else:
        print("Without OpenVINO: pip install '.[fast]'", file=sys.stderr)
    return found + [Variant(who, name) for who in OTHERS for name in formats]


OTHERS = {
    "public StyleBank": other_networks.public_stylebank,
    "pytorch/examples": other_networks.fast_neural_style,
}


def runner(variant: Variant, options: argparse.Namespace) -> Run:
    """What stylizes a tensor (1, 3, H, W)."""
    if variant.who == "Stylizer":
        int8 = variant.precision == "int8"
        stylizer = load_int8(options.bank) if int8 else Stylizer.load(options.bank, "cpu", variant.precision)
        return lambda photo: stylizer.stylize(photo, options.style).numpy()
    if variant.who in OTHERS:
        return network(OTHERS[variant.who](), variant.precision)
    kind: Kind = "onnx" if variant.who == "onnxruntime" else "openvino"
    file = exported(options, kind, "int8" if variant.precision == "int8" else "float32")
    if kind == "onnx":
        run = FORMATS[kind].tools().opened(file)
        return lambda photo: run({"photo": photo.numpy()})
    made = compiled(str(file), HINTS[variant.precision])
    return lambda photo: made({"photo": photo.numpy()})[0]


def network(module: torch.nn.Module, precision: str) -> Run:
    """Another program's network, in channels-last and under autocast, which it gains by."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32

    @torch.inference_mode()
    def stylize(photo: Tensor) -> Tensor:
        with autocast(CPU, dtype):
            made: Tensor = module(photo.contiguous(memory_format=torch.channels_last))
        return made.float()

    return stylize


def exported(options: argparse.Namespace, kind: Kind, precision: Precision) -> Path:
    """The model of the style, made if it is not there.

    Raises:
        ExportError: what is there is damaged, or of another bank.
    """
    folder: Path = options.exported / f"{options.bank.name}-{options.style}-{kind}-{precision}"
    if not folder.exists():
        print(f"Exporting {folder}", file=sys.stderr)
        export(ExportRequest(options.bank, folder, precision, styles=(options.style,), kind=kind))
    manifest = read_export(folder)
    if manifest.autoencoder_sha256 != load_bank(options.bank).manifest.autoencoder_sha256:
        raise ExportError(
            f"{folder} was not exported from {options.bank} as it is now; remove it, or choose --exported."
        )
    [picture] = [style.picture for style in manifest.styles[:1] if style.picture]
    return folder / picture


def measure(size: str, options: argparse.Namespace) -> str:
    """All variants at one size, as Markdown."""
    photo = picture(SIZES[size])
    runs, outputs = dict[Variant, Run](), dict[Variant, np.ndarray]()
    for variant in variants():
        print(f"Warming up at {size}: {variant}", file=sys.stderr)
        runs[variant] = runner(variant, options)
        outputs[variant] = np.array(runs[variant](photo))
    seconds: dict[Variant, list[float]] = {variant: [] for variant in runs}
    for turn in range(1, options.rounds + 1):
        print(f"Round {turn} of {options.rounds} at {size}", file=sys.stderr)
        for variant, each in runs.items():
            start = time.perf_counter()
            each(photo)
            seconds[variant].append(time.perf_counter() - start)
    lines = ["| | ms | memory, MB | difference |", "|---|--:|--:|--:|"]
    for variant, times in seconds.items():
        far = "" if variant.who in OTHERS else f"{np.abs(outputs[variant] - outputs[REFERENCE]).mean() * 255:.3f}"
        memory = memory_in_new_process(variant, size, options) / 1e6
        lines.append(f"| {variant} | {1000 * statistics.median(times):.0f} | {memory:.0f} | {far} |")
    return "\n".join(lines)


def memory_in_new_process(variant: Variant, size: str, options: argparse.Namespace) -> float:
    """Bytes that a variant takes at its peak."""
    command = [sys.executable, __file__, "--memory-of", *variant, "--sizes", size, "--style", options.style]
    command += ["--bank", str(options.bank), "--exported", str(options.exported)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        raise StyleBankError(f"The memory of {variant} at {size} could not be measured; what it said is above.")
    return float(ended.stdout)


def peak_memory(variant: Variant, size: str, options: argparse.Namespace) -> int:
    """Bytes that a run in this process adds at its peak to what was there before."""
    each, photo = runner(variant, options), picture(SIZES[size])
    each(photo[:, :, :64, :64])  # loads what is made once
    before = highest_resident(reset=True)
    each(photo)
    return highest_resident() - before


def main() -> int:
    """Measures and prints; 1 if something was wrong."""
    options = _parser().parse_args()
    try:
        options.bank = find_bank(options.bank)
        if options.memory_of:
            print(peak_memory(Variant(*options.memory_of), options.sizes[0], options))
            return 0
        versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
        versions += f", OpenVINO {openvino().__version__.partition('-')[0]}" if installed() else ""
        print(f"{torch.get_num_threads()} threads, medians of {options.rounds} rounds; {versions}")
        for size in options.sizes:
            print(f"\n### {size}\n\n{measure(size, options)}", flush=True)
    except StyleBankError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--bank", type=Path, metavar="DIR", default=DEFAULT_BANK, help="whose style it is")
    parser.add_argument("--style", default="udnie", help="which style")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["256", "512", "1080p"], help="of the picture")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often the variants take turns")
    parser.add_argument(
        "--exported", type=Path, metavar="DIR", default=Path("outputs/runtimes"), help="where exported models are kept"
    )
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
