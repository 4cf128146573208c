"""Banks for other runtimes: ONNX models with filters as inputs, and one model per style.

The modules need the extra `export` or `fast`; `available` says so before any of them is imported.
"""

from __future__ import annotations

import importlib.util

from stylebank.errors import MissingExtraError

_PACKAGES = {"export": ("onnx", "onnxscript", "onnxruntime"), "fast": ("onnx", "onnxscript", "openvino")}
_NEEDS = {"export": "An export", "fast": "Precision int8"}


def available(extra: str = "export") -> None:
    """Returns if what an extra of this room holds is installed: `export`, or `fast` for a stylizer in int8.

    Raises:
        MissingExtraError: it says what is missing, and how to install it.
    """
    missing = [package for package in _PACKAGES[extra] if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"{_NEEDS[extra]} needs {', '.join(missing)}: pip install 'stylebank[{extra}]'.")
