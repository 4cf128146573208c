"""Banks for other runtimes: ONNX models with filters as inputs, and one model per style.

The modules need the extra `export`; `available` says so before any of them is imported.
"""

from __future__ import annotations

import importlib.util

from stylebank.errors import MissingExtraError

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def available() -> None:
    """Returns if what an export needs is installed.

    Raises:
        MissingExtraError: it says what is missing, and how to install it.
    """
    missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"An export needs {', '.join(missing)}: pip install 'stylebank[export]'.")
