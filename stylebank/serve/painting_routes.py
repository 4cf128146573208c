"""Paintings over HTTP: they become styles, trained in the background or, of a bank that can, at once."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.concurrency import run_in_threadpool

from stylebank.images import probe
from stylebank.serve.banks import ServedBank
from stylebank.serve.bodies import Added, Begun
from stylebank.serve.forms import FORM
from stylebank.serve.line import Ticket
from stylebank.serve.painting_job import MOST_STEPS, STEPS, PaintingRecord, new_painting_job
from stylebank.serve.refusals import Refused, called
from stylebank.serve.service import Here, Service
from stylebank.serve.store import Upload
from stylebank.styles import StyleSource, check_name, name_from_path
from stylebank.training.task import NewStart

router = APIRouter(prefix="/api/paintings", tags=["paintings"])

Name = Annotated[str | None, Form(description="The style's name; else from the file's.")]
Bank = Annotated[str | None, Form(description="The bank whose copy gets the style; else the first.")]


@router.post("", status_code=202, dependencies=FORM)
async def add_painting(
    service: Here,
    file: UploadFile,
    name: Name = None,
    bank: Bank = None,
    steps: Annotated[int, Form(ge=1, le=MOST_STEPS)] = STEPS,
    start: Annotated[
        Literal["auto", NewStart], Form(description="Near the identity, or what the bank predicts; auto: if it can.")
    ] = "auto",
) -> Begun:
    """Puts a painting into the line of long work: it becomes a style of a copy of the bank.

    It may have the name of a style that was predicted here, and takes its place when it is trained.
    """
    served = service.banks.named(bank)
    if start == "predicted" and not served.predictor:
        raise Refused(409, f"The bank {served.name} has no predictor, so a painting cannot start as 'predicted'.")
    style = _free_name(service, served, file, name, training=True)
    service.jobs.check_room()
    async with _stored(service, file) as upload:
        keep, key = service.settings.keep.absolute(), secrets.token_hex(8)
        wanted = PaintingRecord(name=style, bank=served.name, painting=upload.name, steps=steps, start=start)
        job = await run_in_threadpool(new_painting_job, keep, key, upload.path, wanted, service.workshop)
    service.jobs.start(job)
    return Begun(job=job.id)


@router.post("/instant", status_code=201, dependencies=FORM)
async def predict_painting(
    service: Here, request: Request, file: UploadFile, name: Name = None, bank: Bank = None
) -> Added:
    """Makes a painting a style of a copy of the bank at once, if the bank has a predictor (`/api/bank` says so)."""
    banks = service.banks
    served = next((each for each in banks.all() if each.predictor), None) if bank is None else banks.named(bank)
    if served is None or not served.predictor:
        raise Refused(409, "No bank here has a predictor: a painting has to be trained (POST /api/paintings).")
    style = _free_name(service, served, file, name)
    async with _stored(service, file) as upload:

        def make(ticket: Ticket) -> None:
            ticket.check()
            with called(upload.name, upload.path):
                banks.predict(
                    served.name, StyleSource(style, (upload.path,)), service.store.folder / f"{upload.id}-bank"
                )

        await service.line.run(make, gone=request.is_disconnected)
    return Added(style=style, bank=served.name)


def _free_name(
    service: Service, bank: ServedBank, file: UploadFile, name: str | None, *, training: bool = False
) -> str:
    style = check_name(name) if name else name_from_path(Path(file.filename or "painting"))
    free = service.banks.takes(bank.name, style) if training else style not in bank.records
    if not free or any(job.name == style and job.state != "failed" for job in service.jobs.all()):
        raise Refused(409, f"There is a style '{style}' already; give the painting another name.")
    return style


@asynccontextmanager
async def _stored(service: Service, file: UploadFile) -> AsyncIterator[Upload]:
    """The painting as a file, for as long as it is needed; refused if it is no picture."""
    upload = await run_in_threadpool(service.store.add, "painting", file.filename, file.file)
    try:
        with called(upload.name, upload.path):
            probe(upload.path)
        yield upload
    finally:
        service.store.remove(upload.id)
