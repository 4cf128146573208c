"""Writes scikit-image's own photographs to a folder, so that the examples run without a download.

    python data/samples/photographs.py --out data/content

They come inside the scikit-image package, from free sources. A handful of pictures shows
that training works; a bank worth keeping wants a few hundred.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from skimage import data

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina")


def main() -> None:
    """Writes every photograph as PNG and says where."""
    parser = argparse.ArgumentParser(description="Write scikit-image's photographs to a folder.")
    parser.add_argument("--out", type=Path, default=Path("data/content"), metavar="DIR")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        Image.fromarray(getattr(data, name)()).convert("RGB").save(out / f"{name}.png")
    print(f"Wrote {len(NAMES)} photographs to {out}.")


if __name__ == "__main__":
    main()
