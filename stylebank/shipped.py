"""What comes with the program: banks, the loss network, configurations and paintings of our own.

In a checkout, and so in an editable install, they lie beside the package, in `checkpoints/`, `configs/` and
`data/samples`; a wheel has the same folders in the package's `_data` (`setup.py` puts them there).
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"
_ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

BANKS = _ROOT / "checkpoints"
CONFIGS = _ROOT / "configs"
PAINTINGS = _ROOT / "data" / "samples" / "styles"

PAGE = _PACKAGE / "serve" / "page"
"""Files of the page that `stylebank serve` shows and `stylebank export --format web` copies."""

DEFAULT_BANK = BANKS / "stylebank-14"
"""The bank that is used where none is named."""
VGG19 = BANKS / "vgg19" / "features.safetensors"
"""The loss network's convolutions up to conv5_2; licence and origin lie beside it."""


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the program."""
    return sorted(file.stem for file in CONFIGS.glob("*.yaml"))


def is_bare(path: Path) -> bool:
    """Whether a path is a single name, which may stand for something that comes with the program."""
    return not path.is_absolute() and len(path.parts) == 1 and path.name not in (".", "..")
