"""Write a bank as models for other programs, and prove that they make the same pictures."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from stylebank.bars import Bars, load_torch
from stylebank.cli.arguments import BANK_HELP
from stylebank.errors import ConfigError
from stylebank.export.formats import FORMATS
from stylebank.export.manifest import Kind
from stylebank.shipped import DEFAULT_BANK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    parser.add_argument("bank", nargs="?", type=Path, help=BANK_HELP)
    where = parser.add_argument_group("folder")
    one = where.add_mutually_exclusive_group(required=True)
    one.add_argument("--out", type=Path, metavar="DIR", help="folder to write; it must not exist")
    one.add_argument("--verify", type=Path, metavar="DIR", help="compare an exported folder with its bank again")
    where.add_argument(
        "--trust", action="store_true", help="of --verify: open files that could run code when opened, those of pt2"
    )
    what = parser.add_argument_group("what to write")
    what.add_argument(
        "--format",
        choices=(*FORMATS, "web"),
        help="ONNX (what you get without it), OpenVINO's own files, programs of torch.export (pt2), or a web page that "
        "has ONNX models",
    )
    what.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        help="number format of weights and features; else float32, for web both",
    )
    what.add_argument(
        "--size",
        type=_size,
        metavar="N|WxH|dynamic",
        help="sides of all pictures in pixels; dynamic, which is what you get without it, is any size from 16 up",
    )
    what.add_argument("--styles", nargs="+", default=[], metavar="STYLE", help="which styles; else all")
    what.add_argument(
        "--runtime",
        metavar="PATH|URL",
        help="for web: the folder of the npm package onnxruntime-web (else the one in node_modules here), or an "
        "https:// address that browsers load it from",
    )
    eight = parser.add_argument_group("int8")
    eight.add_argument(
        "--calibrate",
        type=Path,
        metavar="FOLDER",
        help="photographs to find the range of activations on; else four of scikit-image's",
    )
    eight.add_argument(
        "--paintings",
        type=Path,
        metavar="FOLDER",
        help="paintings named like the styles, to measure the style gap on; else float32's own pictures stand for them",
    )


def run(options: argparse.Namespace) -> int:
    """Exports or verifies, and prints how near the pictures are."""
    _check(options)
    kind: Kind = "onnx" if options.format in (None, "web") else options.format
    if options.out:
        FORMATS[kind].check_installed()
    load_torch()
    if options.format == "web":
        from stylebank.cli.export_web import export_page

        return export_page(options)
    from stylebank.export.parity import summary
    from stylebank.export.quality import quality_lines
    from stylebank.export.run import ExportRequest, export, verify

    with Bars() as bars:

        def follow(what: str, done: int, total: int) -> None:
            bars.show(done, total, name=what)

        if options.verify:
            result = verify(options.bank or DEFAULT_BANK, options.verify, options.paintings, follow, options.trust)
        else:
            wanted = ExportRequest(
                options.bank or DEFAULT_BANK,
                options.out,
                options.precision or "float32",
                size=options.size or None,
                styles=tuple(options.styles),
                calibrate=options.calibrate,
                paintings=options.paintings,
                kind=kind,
            )
            result = export(wanted, follow)
    lines = summary(result.comparisons, result.manifest)
    print("\n".join([*lines, *(["", *quality_lines(result.quality)] if result.quality else [])]))
    count, megabytes = len(result.manifest.styles), sum(file.bytes for file in result.manifest.files.values()) / 1e6
    done = "agrees with its bank" if options.verify else "written"
    print(f"{result.folder}: {count} style(s), {result.manifest.precision}, {megabytes:.1f} MB, {done}.")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises ConfigError for options that do not go together."""
    ours = (options.styles, options.precision, options.calibrate, options.format not in (None, "web"))
    if options.verify and (options.size is not None or any(ours)):
        raise ConfigError(
            "--verify takes a folder as it is: --format, --size, --styles, --precision and --calibrate go with --out."
        )
    if options.trust and not options.verify:
        raise ConfigError("--trust goes with --verify.")
    if not options.verify and options.precision != "int8" and (options.calibrate or options.paintings):
        raise ConfigError("--calibrate and --paintings go with --precision int8.")
    if options.runtime and options.format != "web":
        raise ConfigError("--runtime goes with --format web.")


def _size(text: str) -> tuple[int, int] | tuple[()]:
    """(H, W); nothing for any size."""
    if text == "dynamic":
        return ()
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text} is not a side in pixels, WIDTHxHEIGHT, or dynamic")
    return int(match[2] or match[1]), int(match[1])
