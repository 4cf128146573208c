"""What the server is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from stylebank.shipped import DEFAULT_BANK

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this machine can reach."""


@dataclass(frozen=True)
class Limits:
    """How much the server takes on; beyond it says so."""

    upload_megabytes: int = 1024
    """Of one request."""
    stored_megabytes: int = 4096
    """Of all uploads; the oldest go first."""
    cache_megabytes: int = 512
    """Of decoded and encoded pictures kept in memory."""
    film_seconds: int = 3600
    jobs: int = 8
    """Films and paintings in line, those at work included."""
    jobs_at_once: int = 1
    renders: int = 64
    """Pictures in line."""
    renders_at_once: int = 1


@dataclass(frozen=True)
class ServeSettings:
    """What is served, where, and to whom."""

    banks: tuple[Path, ...] = (DEFAULT_BANK,)
    host: str = "127.0.0.1"
    port: int = 8000
    """0 for any that is free."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, beside addresses, by which browsers may call the server."""
    token: str | None = None
    """What requests must show; None lets everybody in who can reach the server."""
    keep: Path = Path("stylebank-serve")
    """Where films and new styles go, which stay when the server ends."""
    content: Path | None = None
    """Photographs that new styles are trained on; None for the sample photographs."""
    allow_paths: bool = False
    """Open files of this machine by their path, as requests ask for."""
    device: str = "auto"
    precision: str = "auto"
    limits: Limits = field(default_factory=Limits)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOCAL
