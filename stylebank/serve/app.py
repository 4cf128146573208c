"""The application: routes, the page's files, and errors as one sentence."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from stylebank import __version__
from stylebank.errors import StyleBankError
from stylebank.inference.saved_recipe import told
from stylebank.serve import film_routes, job_routes, mask_routes, painting_routes, picture_routes, service_routes
from stylebank.serve.bodies import Problem
from stylebank.serve.guard import Guard
from stylebank.serve.refusals import Cancelled, sentence, status_of
from stylebank.serve.service import Service
from stylebank.serve.settings import ServeSettings
from stylebank.shipped import PAGE

CLIENT_LEFT = 499  # as nginx calls it; nobody reads the answer

_logger = logging.getLogger(__name__)


def make_app(settings: ServeSettings) -> ASGIApp:
    """The server as an ASGI application; its `lifespan` ends jobs and removes uploads.

    Raises:
        BankError: a bank cannot be read.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.begin()
        yield
        service.end()

    app = FastAPI(
        title="StyleBank",
        version=__version__,
        description="Photographs and films in the styles of a bank. Every refusal is JSON with one sentence: `error`.",
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    )
    app.state.service = service
    for module in (service_routes, picture_routes, mask_routes, film_routes, painting_routes, job_routes):
        app.include_router(module.router)
    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    for kind in (StyleBankError, Cancelled, MemoryError, RuntimeError, OSError, Exception):
        app.add_exception_handler(kind, _tell)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(ValidationError, _tell_invalid)
    app.add_exception_handler(HTTPException, _tell_http)
    return Guard(app, settings, _counting(service))


def _counting(service: Service) -> Any:
    def count(route: str, status: int) -> None:
        service.requests[route, status] = service.requests.get((route, status), 0) + 1

    return count


async def _tell(_: Request, error: Exception) -> Response:
    if isinstance(error, Cancelled):
        return Response(status_code=CLIENT_LEFT)
    _logger.debug("Where it was raised:", exc_info=error)
    return JSONResponse({"error": sentence(error)}, status_of(error))


async def _tell_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    first: Any = error.errors()[0]
    location = [part for part in first["loc"] if part not in ("body", "query", "path", "header")]
    if location[:1] == ["recipe"] and len(location) > 1:
        text = "the recipe: " + told(first["type"], location[1:], first["msg"], first.get("input"))
    else:
        place = ".".join(map(str, location))[:100]
        text = f"{place}: {first['msg']}" if place else str(first["msg"])
    return JSONResponse({"error": f"The request is not valid: {text}.".replace("?.", "?")}, 422)


async def _tell_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = f"There is nothing at {request.url.path[:200]}" if error.status_code == 404 else str(error.detail)
    return JSONResponse({"error": f"{said.rstrip('.')}."}, error.status_code)
