"""Look at banks, and manage styles as files."""

from __future__ import annotations

import argparse
from pathlib import Path

from stylebank.bank_files import extract_style, merge_banks, remove_styles, rewrite_bank
from stylebank.checkpoint import Bank, find_bank, load_bank


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's own commands."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("show", help="print what is in a bank; checks every hash")
    show.add_argument("bank", type=Path)
    show.set_defaults(action=_show)

    extract = commands.add_parser("extract", help="copy one style's two files out of a bank")
    extract.add_argument("bank", type=Path)
    extract.add_argument("styles", nargs="+", metavar="style")
    extract.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for NAME.safetensors and NAME.json"
    )
    extract.set_defaults(action=_extract)

    merge = commands.add_parser("merge", help="a new bank: one bank plus styles of others with the same auto-encoder")
    merge.add_argument("bank", type=Path)
    merge.add_argument(
        "others", nargs="+", type=Path, metavar="OTHER", help="banks, or extracted NAME.safetensors files"
    )
    merge.add_argument("--out", type=Path, required=True, metavar="DIR")
    merge.set_defaults(action=_merge)

    remove = commands.add_parser("remove", help="a new bank without some styles")
    remove.add_argument("bank", type=Path)
    remove.add_argument("styles", nargs="+", metavar="style")
    remove.add_argument("--out", type=Path, required=True, metavar="DIR")
    remove.set_defaults(action=_remove)

    pack = commands.add_parser("pack", help="a new bank with weights stored in half the space (float16)")
    pack.add_argument("bank", type=Path)
    pack.add_argument("--out", type=Path, required=True, metavar="DIR")
    pack.add_argument("--licence", metavar="TEXT", help="licence to write into the bank")
    pack.set_defaults(action=_pack)


def run(options: argparse.Namespace) -> int:
    """Runs the chosen bank command."""
    options.action(options)
    return 0


def _show(options: argparse.Namespace) -> None:
    folder = find_bank(options.bank)
    bank = load_bank(folder)
    arch = bank.manifest.architecture
    print(f"{folder}: {len(bank.records)} style(s), format {bank.manifest.format}, {_megabytes(folder):.2f} MB")
    print(f"auto-encoder {bank.manifest.autoencoder_sha256[:12]}, channels {arch.channels}, norm {arch.norm}")
    print(f"filters {arch.kernel_size}x{arch.kernel_size}, depth {arch.depth}")
    print(f"licence: {bank.manifest.licence or 'none given'}")
    for key, value in bank.manifest.metrics.items():
        print(f"{key}: {value:.4g}")
    for name in bank.manifest.styles:
        _show_style(bank, name)


def _show_style(bank: Bank, name: str) -> None:
    record = bank.records[name]
    metrics = ", ".join(f"{key} {value:.3g}" for key, value in record.metrics.items())
    print(f"  {name:<28} {record.title:<28} {record.images} crops  {metrics}".rstrip())


def _extract(options: argparse.Namespace) -> None:
    for name in options.styles:
        print(f"Wrote {extract_style(find_bank(options.bank), name, options.out)}")


def _merge(options: argparse.Namespace) -> None:
    names = merge_banks(find_bank(options.bank), options.others, options.out)
    print(f"Wrote {options.out} with {', '.join(names)}.")


def _remove(options: argparse.Namespace) -> None:
    names = remove_styles(find_bank(options.bank), options.styles, options.out)
    print(f"Wrote {options.out} with {', '.join(names) or 'no style'}.")


def _pack(options: argparse.Namespace) -> None:
    rewrite_bank(find_bank(options.bank), options.out, "float16", options.licence)
    print(f"Wrote {options.out}, {_megabytes(options.out):.2f} MB.")


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
