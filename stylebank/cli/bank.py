"""Look at banks, and manage styles as files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stylebank.bank.find import find_bank
from stylebank.bars import load_torch
from stylebank.errors import ConfigError, relative_to
from stylebank.images import find_images
from stylebank.styles import find_styles
from stylebank.yaml12 import read_yaml

if TYPE_CHECKING:  # else imported when there is work: it imports torch
    from stylebank.bank.io import Bank


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's own commands."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("show", help="print what is in a bank; checks every hash")
    show.add_argument("bank", type=Path, help="its folder, or the run that made it")
    show.set_defaults(action=lambda given: _show(given.bank))

    extract = commands.add_parser("extract", help="copy one style's two files out of a bank")
    extract.add_argument("bank", type=Path, help="its folder, or the run that made it")
    extract.add_argument("styles", nargs="+", metavar="style", help="names of styles")
    extract.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for NAME.safetensors and NAME.json"
    )
    extract.set_defaults(action=lambda given: _extract(given.bank, given.styles, given.out))

    merge = commands.add_parser("merge", help="a new bank: one bank plus styles of others with the same auto-encoder")
    merge.add_argument("bank", type=Path, help="its folder, or the run that made it")
    merge.add_argument(
        "others", nargs="+", type=Path, metavar="OTHER", help="banks, or extracted NAME.safetensors files"
    )
    merge.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new bank")
    merge.set_defaults(action=lambda given: _merge(given.bank, given.others, given.out))

    remove = commands.add_parser("remove", help="a new bank without some styles")
    remove.add_argument("bank", type=Path, help="its folder, or the run that made it")
    remove.add_argument("styles", nargs="+", metavar="style", help="names of styles")
    remove.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new bank")
    remove.set_defaults(action=lambda given: _remove(given.bank, given.styles, given.out))

    predict = commands.add_parser("predict", help="a new bank with paintings as styles, predicted without training")
    predict.add_argument("bank", type=Path, help="its folder, or the run that made it; it needs a predictor")
    predict.add_argument(
        "--style-image", type=Path, nargs="+", required=True, metavar="PATH", help="paintings: files or folders"
    )
    predict.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new bank")
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    predict.set_defaults(action=lambda given: _predict(given.bank, given.style_image, given.out, given.device))

    pack = commands.add_parser("pack", help="a new bank with weights stored in half the space (float16)")
    pack.add_argument("bank", type=Path, help="its folder, or the run that made it")
    pack.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new bank")
    pack.add_argument("--licence", metavar="TEXT", help="licence to write into the bank")
    pack.add_argument("--titles", type=Path, metavar="FILE", help="YAML with titles to write into it, `name: title`")
    pack.set_defaults(action=lambda given: _pack(given.bank, given.out, given.licence, given.titles))

    check = commands.add_parser("verify", help="check every hash, and with photographs and paintings every number")
    check.add_argument("bank", type=Path, help="its folder, or the run that made it")
    check.add_argument("--content", nargs="+", metavar="PATH", help="photographs, the measured ones among them")
    check.add_argument("--styles", type=Path, nargs="+", metavar="PATH", help="paintings named like the styles")
    check.add_argument("--loss-weights", type=Path, metavar="FILE", help="VGG weights, .safetensors or .pth")
    check.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    check.set_defaults(action=lambda given: _verify(_check_of(given)))


def run(options: argparse.Namespace) -> int:
    """Runs the chosen bank command; 1 if a bank was verified and is not what it says."""
    load_torch(line=False)
    return int(options.action(options) or 0)


def _show(path: Path) -> None:
    from stylebank.bank.io import load_bank

    folder = find_bank(path)
    bank = load_bank(folder)
    model, form = bank.manifest.architecture.model, bank.manifest.architecture.bank
    print(f"{folder}: {len(bank.records)} style(s), format {bank.manifest.format}, {_megabytes(folder):.2f} MB")
    print(f"auto-encoder {bank.manifest.autoencoder_sha256[:12]}, channels {model.channels}, norm {model.norm}")
    print(f"filters {form.kernel_size}x{form.kernel_size}, depth {form.depth}")
    if bank.predictor:
        print(f"predictor of rank {bank.predictor.info.form.rank}, from {bank.predictor.info.paintings} paintings")
    print(f"licence: {bank.manifest.licence or 'none given'}")
    for key, value in bank.manifest.metrics.items():
        print(f"{key}: {value:.4g}")
    for name in bank.manifest.styles:
        _show_style(bank, name)


def _show_style(bank: Bank, name: str) -> None:
    record = bank.records[name]
    metrics = ", ".join(f"{key} {value:.3g}" for key, value in record.metrics.items())
    state = f"unfinished ({record.unfinished})  " if record.unfinished else "predicted  " * record.predicted
    print(f"  {name:<28} {record.title:<28} {record.images} crops  {state}{metrics}".rstrip())


@dataclass(frozen=True)
class BankCheck:
    """What to check of a bank: its hashes, and if there are photographs and paintings every number in it."""

    bank: Path
    content: tuple[str, ...] = ()
    styles: tuple[Path, ...] = ()
    loss_weights: Path | None = None
    device: str = "auto"


def _check_of(options: argparse.Namespace) -> BankCheck:
    if bool(options.content) != bool(options.styles):
        raise ConfigError("To measure the bank again give both --content and --styles; neither checks the hashes.")
    content, styles = tuple(options.content or ()), tuple(options.styles or ())
    return BankCheck(options.bank, content, styles, options.loss_weights, options.device)


def _verify(wanted: BankCheck) -> int:
    from stylebank.bank.io import load_bank
    from stylebank.device import resolve_device
    from stylebank.evaluation.verify import verify

    folder = find_bank(wanted.bank)
    bank = load_bank(folder)
    print(f"{folder}: {len(bank.records)} style(s), every hash agrees.")
    if not wanted.content:
        return 0
    files, paintings = find_images(wanted.content), find_styles(wanted.styles)
    checks = verify(bank, files, paintings, resolve_device(wanted.device), loss_weights=wanted.loss_weights)
    print(f"{'':<28} {'measure':<18} {'written':>9} {'now':>9}")
    for check in checks:
        remark = "" if check.agrees else "  differs"
        print(f"{check.of:<28} {check.measure:<18} {check.written:>9.4f} {check.found:>9.4f}{remark}")
    if differing := sum(not check.agrees for check in checks):
        print(f"{differing} of {len(checks)} numbers differ from what the bank says.")
        return 1
    print(f"All {len(checks)} numbers agree.")
    return 0


def _extract(bank: Path, styles: Sequence[str], out: Path) -> None:
    from stylebank.bank.operations import extract_style

    for name in styles:
        print(f"Wrote {extract_style(find_bank(bank), name, out)}")


def _merge(bank: Path, others: Sequence[Path], out: Path) -> None:
    from stylebank.bank.operations import merge_banks

    names = merge_banks(find_bank(bank), others, out)
    print(f"Wrote {out} with {', '.join(names)}.")


def _remove(bank: Path, styles: Sequence[str], out: Path) -> None:
    from stylebank.bank.operations import remove_styles

    names = remove_styles(find_bank(bank), styles, out)
    print(f"Wrote {out} with {', '.join(names) or 'no style'}.")


def _predict(bank: Path, paintings: Sequence[Path], out: Path, device: str) -> None:
    from stylebank.device import resolve_device
    from stylebank.inference.instant import predict_styles

    names = predict_styles(bank, find_styles(paintings), out, resolve_device(device), say=print)
    print(f"Wrote {out} with {', '.join(names)}.")


def _pack(bank: Path, out: Path, licence: str | None, titles: Path | None) -> None:
    from stylebank.bank.operations import rewrite_bank

    rewrite_bank(find_bank(bank), out, "float16", licence, _read_titles(titles) if titles else None)
    print(f"Wrote {out}, {_megabytes(out):.2f} MB.")


def _read_titles(path: Path) -> dict[str, str]:
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Titles {path} cannot be read{relative_to(path)}: {error}.") from error
    except ConfigError as error:
        raise ConfigError(f"Titles {path} are not valid YAML: {error}.") from error
    if not isinstance(tree, dict) or not all(isinstance(text, str) for pair in tree.items() for text in pair):
        raise ConfigError(f"Titles {path} must hold lines of the form `name: title`, all of them texts.")
    return tree


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
