"""Who may ask, and how much: the outermost layer, which every request passes before anything reads it.

A page that somebody opens elsewhere can make their browser call a server on their machine. It cannot read the answers,
unless its own name is made to stand for this machine (DNS rebinding): so the `Host` must be one of ours. What it sends
names where it comes from, in `Origin` or `Sec-Fetch-Site`: so these must be the server itself.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stylebank.serve.refusals import Refused
from stylebank.serve.settings import LOCAL, ServeSettings

COOKIE = "stylebank_token"
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LARGEST_JSON = 2**20  # bytes; only forms may hold more
_OPEN = ("/api/health",)  # without a token: those who watch a container have none


class Guard:
    """ASGI middleware: refuses foreign requests and too large ones, and gives every answer its headers.

    Args:
        counted: called with the route's path and the status of every answer.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, counted: Callable[[str, int], None]) -> None:
        self.app, self._settings, self._counted = app, settings, counted
        own = () if settings.local else (socket.gethostname(), f"{socket.gethostname()}.local")
        self._names = {name.lower() for name in (*LOCAL, settings.host, *settings.allowed_hosts, *own)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_origin(headers, scope)
            answer = self._check_token(headers, scope)
            body = _Body(receive, *self._largest(headers))
        except Refused as refused:
            answer = _told(refused)
        sent = self._sender(scope, send)
        if answer is not None:
            await answer(scope, receive, sent)
            return

        async def unless_too_large(message: Message) -> None:
            if not body.exceeded:
                await sent(message)

        try:
            await self.app(scope, body.receive, unless_too_large)
        except Exception:
            if not body.exceeded:
                raise
        if body.exceeded:  # whatever the application made of a body that ended in the middle
            await _told(body.refusal)(scope, receive, sent)

    def _sender(self, scope: Scope, send: Send) -> Send:
        """Adds headers to the answer and counts it."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    added[name] = value
                if scope["path"].startswith("/api"):
                    added["Cache-Control"] = "no-store"
                self._counted(getattr(scope.get("route"), "path", "other"), message["status"])
            await send(message)

        return sent

    def _check_host(self, headers: Headers) -> None:
        host = _host_name(headers.get("host", ""))
        if host in self._names or (not self._settings.local and _is_address(host)):
            return
        raise Refused(403, f"This server is not called '{host[:100]}'; start it with --allow-host NAME if it is to be.")

    def _check_origin(self, headers: Headers, scope: Scope) -> None:
        """Refuses what another page sends; links to the page itself may come from anywhere."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        own = headers.get("host", "").lower()
        foreign = origin is not None and urlsplit(origin).netloc.lower() != own
        if foreign or (scope["path"].startswith("/api") and site not in ("same-origin", "none")):
            raise Refused(403, "Requests that another page sends are refused.")

    def _check_token(self, headers: Headers, scope: Scope) -> Response | None:
        """Refuses requests without the token; one whose address has it gets a cookie instead."""
        wanted = self._settings.token
        if wanted is None or scope["path"] in _OPEN:
            return None
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if (scheme.lower() == "bearer" and _same(shown.strip(), wanted)) or _same(_cookie(headers), wanted):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if _same(query.get("token", [""])[0], wanted) and not scope["path"].startswith("/api"):
            moved = RedirectResponse(scope["path"] or "/", 303)  # so that the token does not stay in the address
            moved.set_cookie(COOKIE, wanted, httponly=True, samesite="strict")
            return moved
        raise Refused(401, "The token is missing: open the address that the server printed, or send it as a bearer's.")

    def _largest(self, headers: Headers) -> tuple[int, Refused]:
        """How many bytes the body may have, and what is said of more. Raises Refused if more are announced."""
        megabytes = self._settings.limits.upload_megabytes
        if headers.get("content-type", "").startswith("multipart/form-data"):
            limit, refusal = (
                megabytes * 2**20,
                Refused(413, f"The upload is larger than {megabytes} MB (--max-upload)."),
            )
        else:
            limit = LARGEST_JSON
            refusal = Refused(413, "The request is larger than 1 MB; send files as a multipart form.")
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise refusal
        return limit, refusal


class _Body:
    """A request's body, read up to a limit."""

    def __init__(self, receive: Receive, limit: int, refusal: Refused) -> None:
        self._receive, self._left, self.refusal = receive, limit, refusal
        self.exceeded = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.exceeded = True
            raise self.refusal
        return message


def _told(refused: Refused) -> Response:
    return JSONResponse({"error": str(refused)}, refused.status)


def _host_name(host: str) -> str:
    """`localhost:8000` -> `localhost`, `[::1]:8000` -> `::1`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    """Whether it is a number, which no name server can make stand for something else."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _same(shown: str, wanted: str) -> bool:
    return hmac.compare_digest(shown.encode(), wanted.encode())
