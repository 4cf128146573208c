"""Writes scikit-image's own photographs to a folder, so that the examples run without a download.

    python data/samples/photographs.py --out data/content

They come inside the scikit-image package, from free sources. A handful of pictures is enough to add a style to a bank;
a bank of one's own wants a few hundred.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stylebank.images.samples import write_photographs


def main() -> None:
    """Writes every photograph as PNG and says where."""
    parser = argparse.ArgumentParser(description="Write scikit-image's photographs to a folder.")
    parser.add_argument("--out", type=Path, default=Path("data/content"), metavar="DIR")
    out = parser.parse_args().out
    print(f"{len(write_photographs(out))} photographs are in {out}.")


if __name__ == "__main__":
    main()
