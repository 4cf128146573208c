"""Banks for other runtimes: models with filters as inputs, and one model per style.

What makes and runs models of a format may need an extra; `available` says so before any of it is imported.
"""

from __future__ import annotations

import importlib.util

from stylebank.errors import MissingExtraError

_PACKAGES = {"export": ("onnx", "onnxscript", "onnxruntime"), "fast": ("onnx", "onnxscript", "openvino")}


def available(extra: str, what: str) -> None:
    """Returns if what an extra of this room holds is installed.

    Args:
        extra: `export`, or `fast`.
        what: needs it, as a sentence begins.

    Raises:
        MissingExtraError: it says what is missing, and how to install it.
    """
    missing = [package for package in _PACKAGES[extra] if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"{what} needs {', '.join(missing)}: pip install 'stylebank[{extra}]'.")
