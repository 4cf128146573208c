"""A bank as a page in the browser and as an HTTP interface: `stylebank serve`.

What pictures look like is decided in `inference` and `films`, as for the command line; here are uploads, the line of
requests, jobs that take long, and who may ask. Needs the extra `serve`.
"""

from importlib.util import find_spec

from stylebank.errors import MissingExtraError


def available() -> None:
    """Raises MissingExtraError if the packages of the extra are not installed."""
    missing = [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The server needs {' and '.join(missing)}, which is not installed; install it with: "
            "pip install 'stylebank[serve]'."
        )
