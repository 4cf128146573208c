"""The page as a folder that needs no server: `stylebank export --format web`."""

from __future__ import annotations

import argparse

from stylebank.bars import Bars
from stylebank.errors import ConfigError
from stylebank.shipped import DEFAULT_BANK


def export_page(options: argparse.Namespace) -> int:
    """Writes the folder, and prints how near its models are to the bank, and how large its parts."""
    if options.verify or options.size is not None:
        raise ConfigError("--format web goes with --out, and takes pictures of any size: no --verify, no --size.")
    from stylebank.export.parity import summary
    from stylebank.export.web import BOTH, WebRequest, export_web
    from stylebank.export.web_runtime import INSTALLED, Runtime

    if options.precision and options.precision not in BOTH:
        raise ConfigError(f"The page computes in {' and '.join(BOTH)}, not in {options.precision}.")
    precisions = (options.precision,) if options.precision else BOTH
    runtime = Runtime(options.runtime or str(INSTALLED))
    wanted = WebRequest(options.bank or DEFAULT_BANK, options.out, runtime, precisions, tuple(options.styles))
    with Bars() as bars:
        result = export_web(wanted, lambda what, done, total: bars.show(done, total, name=what))
    for each in result.exports:
        print(f"{each.manifest.precision}, " + "\n".join(summary(each.comparisons, each.manifest)))
    for part, size in result.sizes.items():
        print(f"{part:<28} {size / 1e6:>8.2f} MB")
    print(f"{result.folder}: {len(result.exports[0].manifest.styles)} style(s), written; put it on any web space.")
    return 0
