"""A server for tests: a tiny bank, and a client that speaks to it without a network."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient
from tiny import write_bank

from stylebank.serve.app import make_app
from stylebank.serve.guard import Guard
from stylebank.serve.service import Service
from stylebank.serve.settings import ServeSettings

STYLES = ("calm", "storm")


def settings_in(folder: Path, **changes: Any) -> ServeSettings:
    """Settings with a bank and a folder to keep things in, both in `folder`."""
    bank = folder / "tiny"
    if not bank.exists():
        write_bank(bank, *STYLES)
    plain = ServeSettings(banks=(bank,), keep=folder / "kept", device="cpu", precision="float32")
    return replace(plain, **changes)


@contextmanager
def client_of(settings: ServeSettings, **options: Any) -> Iterator[TestClient]:
    """A server and its client; on leaving the server has ended as on Ctrl-C."""
    app = make_app(settings)
    with TestClient(app, base_url=f"http://127.0.0.1:{settings.port}", **options) as client:
        yield client


def service_behind(client: TestClient) -> Service:
    """What the server holds."""
    guard = client.app
    assert isinstance(guard, Guard)
    service: Service = guard.app.state.service  # type: ignore[attr-defined]
    return service


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """The picture in a file's bytes, decoded."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def told(answer: Any, status: int) -> str:
    """The one sentence of a refusal."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"].endswith((".", "?"))
    assert "\n" not in body["error"]
    assert "bug" not in body["error"]
    return str(body["error"])


def at_rest(client: TestClient, job: str, seconds: float = 60) -> dict[str, Any]:
    """A job's status once it is neither in line nor at work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status: dict[str, Any] = client.get(f"/api/jobs/{job}").json()
        if status["state"] not in ("waiting", "running"):
            return status
        time.sleep(0.02)
    raise AssertionError(status)
