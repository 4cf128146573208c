"""Uvicorn, told before it waits for open connections that the server is ending."""

from __future__ import annotations

import socket

import uvicorn

from stylebank.serve.app import make_app
from stylebank.serve.service import Service
from stylebank.serve.settings import ServeSettings

_PATIENCE = 3  # seconds that uploads on their way have at the end


class HttpServer(uvicorn.Server):
    """The server, on sockets that the caller opens.

    Raises:
        StyleBankError: a bank cannot be read.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.service = Service(settings)
        config = uvicorn.Config(
            make_app(self.service),
            log_level="critical",  # what goes wrong is told to whoever asked
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers those who wait, stops jobs, and closes."""
        self.service.leave()
        await super().shutdown(sockets)
