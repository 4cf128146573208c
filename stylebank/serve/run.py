"""Starting the server, and ending it."""

from __future__ import annotations

import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import replace

from stylebank.errors import StyleBankError
from stylebank.folder_lock import in_use
from stylebank.serve.settings import ServeSettings


def serve(settings: ServeSettings, say: Callable[[str], None], *, show: bool = False) -> None:
    """Serves until Ctrl-C or SIGTERM. Films at work are then stopped such that they can be gone on with.

    Args:
        say: called with what a person should read.
        show: open the page in a browser.

    Raises:
        StyleBankError: the address is taken or not this machine's, another server works in `settings.keep`, or a bank
            cannot be read.
    """
    listening = _listen(settings)
    settings = replace(settings, port=listening.getsockname()[1])
    if not settings.local and settings.token is None:
        settings = replace(settings, token=secrets.token_urlsafe(24))
    try:
        advice, about = "end that one, or give another --keep", f"port {settings.port}"
        with in_use(settings.keep, "server", advice, about):
            say(f"Starting at {address(settings)} (Ctrl-C ends it).")
            _run(listening, settings, say, show)
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
    say("Ended; films and styles are in " + f"{settings.keep}." if settings.keep.exists() else "Ended.")


def _run(listening: socket.socket, settings: ServeSettings, say: Callable[[str], None], show: bool) -> None:
    from stylebank.serve.http import HttpServer  # here: it takes seconds to import, and what was said comes first

    server = HttpServer(settings)
    threading.Thread(target=_announce, args=(server, settings, say, show), daemon=True).start()
    server.run(sockets=[listening])


def address(settings: ServeSettings) -> str:
    """What to type into a browser."""
    host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(settings.host, settings.host)
    token = f"?token={settings.token}" if settings.token else ""
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/{token}"


def _listen(settings: ServeSettings) -> socket.socket:
    """A socket at the address, bound before anything else is done."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, where = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(128)
    except OSError as error:
        raise StyleBankError(
            f"The server cannot listen at {settings.host}, port {settings.port}: {error.strerror}; "
            "give another --port, or 0 for any that is free."
        ) from error
    return listening


def _announce(server: object, settings: ServeSettings, say: Callable[[str], None], show: bool) -> None:
    while not getattr(server, "started", False):
        if getattr(server, "should_exit", False):
            return
        time.sleep(0.05)
    say("Ready.")
    if show:
        webbrowser.open(address(settings))
