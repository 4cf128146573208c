"""How good a bank is: identity PSNR, and per style the share of the style gap closed and the content distance.

    python benchmarks/quality.py --bank runs/cpu --held-out-of runs/cpu --styles data/styles \
        --loss-weights vgg19.safetensors

Photographs are seen at short side 256, paintings at --style-size. d is the mean over relu1_2, relu2_2, relu3_2 and
relu4_2 of ||G - G_s||_F / ||G_s||_F, G being Gram matrices. Per style, mean over photographs:

- style gap closed: 1 - d(output, style) / d(photograph, style); 0 is the photograph, 1 the painting's own statistics
- content distance: ||F - F_c||^2 / ||F_c||^2 on relu4_2; 0 is the photograph
- told apart: share of outputs whose nearest style, by d among the styles measured, is the one asked for
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stylebank.errors import BankError, ConfigError, StyleBankError
from stylebank.files import new_file
from stylebank.images import find_images
from stylebank.metrics import STYLE_LAYERS, Ruler
from stylebank.objective import style_grams
from stylebank.report import MEASURE_SIDE, identity_psnr, measure
from stylebank.runtime import environment, place
from stylebank.styles import StyleSource, find_styles
from stylebank.stylizer import Stylizer
from stylebank.vgg import load_loss_network

COLUMNS = {"style_gap_closed": "style gap closed", "content_distance": "content distance", "told_apart": "told apart"}


def main() -> int:
    """Measures and prints; 1 if something was wrong."""
    options = _parser().parse_args()
    try:
        result = run(options)
        print(table(result))
        if options.json:
            with new_file(options.json) as temporary:
                temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    except StyleBankError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything measured, ready for JSON."""
    stylizer = Stylizer.load(options.bank, options.device, options.precision)
    files = photographs(options)
    sources = paintings(stylizer, options.styles)
    network = place(load_loss_network(options.network, STYLE_LAYERS, weights=options.loss_weights), stylizer.device)
    stacks = style_grams(network, sources, STYLE_LAYERS, options.style_size)
    styles = {
        stylizer.styles.index(source.name): {name: stack[i : i + 1] for name, stack in stacks.items()}
        for i, source in enumerate(sources)
    }
    where = (stylizer.device, stylizer.dtype)
    psnr = identity_psnr(stylizer.model, tqdm(files, "identity", unit="photograph"), *where)
    rows = measure(stylizer.model, tqdm(files, "styles", unit="photograph"), styles, Ruler(network), *where)
    return {
        "bank": str(options.bank),
        "photographs": [str(file) for file in files],
        "photograph_side": MEASURE_SIDE,
        "style_size": options.style_size,
        "network": options.network,
        "device": str(stylizer.device),
        "precision": str(stylizer.dtype).removeprefix("torch."),
        "identity_psnr": psnr,
        "styles": rows,
        "environment": environment(),
    }


def photographs(options: argparse.Namespace) -> list[Path]:
    """The photographs asked for: named, or those a run held out from its training."""
    if options.held_out_of is None:
        return find_images(options.content)[: options.limit]
    report = options.held_out_of / "report.json"
    try:
        files = [Path(text) for text in json.loads(report.read_text(encoding="utf-8"))["held_out"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{report} cannot be read as a run's report with a held_out list ({error!r}).") from error
    if not files:
        raise ConfigError(f"{report} lists no held-out photographs; name some with --content instead.")
    return files[: options.limit]


def paintings(stylizer: Stylizer, inputs: list[Path]) -> list[StyleSource]:
    """The paintings of the bank's styles, in the bank's order; paintings of no style in it are passed over."""
    found = {source.name: source for source in find_styles(inputs)}
    missing = [name for name in stylizer.styles if name not in found]
    if len(missing) == len(stylizer.styles):
        raise BankError(
            f"None of the paintings given ({', '.join(found)}) is named like a style of the bank "
            f"({', '.join(stylizer.styles)})."
        )
    if missing:
        print(f"Not measured, as no painting has their name: {', '.join(missing)}.", file=sys.stderr)
    return [found[name] for name in stylizer.styles if name in found]


def table(result: dict[str, Any]) -> str:
    """Markdown: a row per style, then mean, median and minimum over the styles."""
    rows: dict[str, dict[str, float]] = result["styles"]
    columns = [key for key in COLUMNS if key in next(iter(rows.values()))]
    summaries: dict[str, Callable[[list[float]], float]] = {
        "mean": statistics.fmean,
        "median": statistics.median,
        "min": min,
    }
    lines = [
        f"Identity PSNR {result['identity_psnr']:.2f} dB; {len(result['photographs'])} photographs at short side "
        f"{result['photograph_side']}, paintings at {result['style_size']}, {result['network']}, "
        f"{result['precision']} on {result['device']}.",
        "",
        "| style | " + " | ".join(COLUMNS[key] for key in columns) + " |",
        "|---|" + "--:|" * len(columns),
    ]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{row[key]:.3f}" for key in columns) + " |")
    for name, summary in summaries.items():
        values = [summary([row[key] for row in rows.values()]) for key in columns]
        lines.append(f"| **{name}** | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    summary = (__doc__ or "").split("\n", 1)[0]
    parser = argparse.ArgumentParser(description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--bank", type=Path, required=True, metavar="DIR", help="a bank, or a run that has one")
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--content", nargs="+", metavar="PATH", help="photographs: files, folders, glob patterns")
    pictures.add_argument("--held-out-of", type=Path, metavar="RUN", help="the photographs this run held out")
    parser.add_argument(
        "--styles", type=Path, nargs="+", required=True, metavar="PATH", help="paintings named like the styles"
    )
    parser.add_argument("--style-size", type=_positive, default=384, metavar="N", help="short side of the paintings")
    parser.add_argument("--limit", type=_positive, metavar="N", help="measure the first N photographs only")
    parser.add_argument("--network", choices=("vgg19", "vgg16"), default="vgg19", help="the loss network")
    parser.add_argument("--loss-weights", type=Path, metavar="FILE", help="its weights, .safetensors or .pth")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument(
        "--precision", choices=("auto", "bfloat16", "float32"), default="auto", help="of the bank's convolutions"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
