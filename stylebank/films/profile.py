"""Where the time went that a film took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Profile:
    """Where the time went, in seconds."""

    frames: int = 0
    total: float = 0.0
    network: float = 0.0
    decoding: float = 0.0
    """Waited for frames to be decoded."""
    encoding: float = 0.0
    """Waited for frames to be encoded."""

    @property
    def busy(self) -> float:
        """The share of the time in which the network was at work."""
        return self.network / self.total if self.total else 0.0

    def __str__(self) -> str:
        rate = self.frames / self.total if self.total else 0.0
        rest = self.total - self.network - self.decoding - self.encoding
        parts = {"waiting for decoding": self.decoding, "waiting for encoding": self.encoding, "other": rest}
        shares = ", ".join(f"{name} {seconds / max(self.total, 1e-9):.1%}" for name, seconds in parts.items())
        return f"{self.frames} frames in {self.total:.1f} s, {rate:.2f} a second: network {self.busy:.1%}, {shares}."
