"""Films and paintings over HTTP: what begins long work."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile as FormFile

from stylebank.images import probe
from stylebank.serve.bodies import LARGEST_SIDE, Begun, FilmBody, FramePreviewBody, PathBody
from stylebank.serve.film_files import FilmFile, FilmInfo, open_film
from stylebank.serve.film_job import new_film_job
from stylebank.serve.line import URGENT, Ticket
from stylebank.serve.painting_job import MOST_STEPS, STEPS, new_painting_job
from stylebank.serve.picture_routes import PICTURE, Side, answer
from stylebank.serve.refusals import Refused, called
from stylebank.serve.renderer import PREVIEW_QUALITY, encode
from stylebank.serve.service import Here, Service
from stylebank.styles import check_name, name_from_path

router = APIRouter(prefix="/api", tags=["films and paintings"])

_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
            "application/json": {"schema": PathBody.model_json_schema()},
        },
    }
}


@router.post("/films", openapi_extra=_UPLOAD)
async def upload_film(service: Here, request: Request) -> FilmInfo:
    """Takes a film or an animation: a file, or with `--allow-paths` its path on the server's machine."""
    if request.headers.get("content-type", "").startswith("application/json"):
        body = PathBody.model_validate_json(await request.body())
        if not service.settings.allow_paths:
            raise Refused(403, "Files of the server's machine are opened only if it was started with --allow-paths.")
        upload = service.store.point_to("film", Path(body.path).absolute())
    else:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, FormFile):
                raise Refused(422, "The film is missing: send it as the part 'file' of a multipart form.")
            upload = await run_in_threadpool(service.store.add, "film", file.filename, file.file)
    try:
        film = await run_in_threadpool(open_film, upload, service.settings.limits.film_seconds, service.cache)
    except BaseException:
        service.store.remove(upload.id)
        raise
    return film.info()


@router.delete("/films/{key}", status_code=204)
def delete_film(service: Here, key: str) -> None:
    """Deletes an uploaded film; jobs that were begun with it keep theirs."""
    service.store.remove(service.store.get("film", key).id)


@router.get("/films/{key}/frame/{number}", responses=PICTURE, response_class=Response)
async def show_frame(service: Here, request: Request, key: str, number: int, side: Side = LARGEST_SIDE) -> Response:
    """A frame as it is, as a JPEG; frames are counted from 0."""
    film = await _film(service, key)

    def make(_: Ticket) -> bytes:
        picture = film.frame(max(0, number), service.cache).rgb.copy()
        picture.thumbnail((side, side))
        return encode(picture, "jpeg", quality=PREVIEW_QUALITY)

    return answer(await service.line.run(make, urgency=URGENT, gone=request.is_disconnected), "jpeg")


@router.post("/films/{key}/preview", responses=PICTURE, response_class=Response)
async def render_frame(service: Here, request: Request, key: str, body: FramePreviewBody) -> Response:
    """A frame as a recipe makes it, as a JPEG."""
    film = await _film(service, key)
    service.check(body.recipe)

    def make(ticket: Ticket) -> bytes:
        photo = film.frame(body.frame, service.cache)
        picture = service.renderer.preview(photo, body.recipe, body.side, service.mask, ticket, body.draft)
        return encode(picture, "jpeg", quality=PREVIEW_QUALITY)

    return answer(await service.line.run(make, key=f"{key}/preview", gone=request.is_disconnected), "jpeg")


@router.post("/films/{key}/start", status_code=202)
async def start_film(service: Here, key: str, body: FilmBody) -> Begun:
    """Puts a film into the line of long work; sound and subtitles are kept."""
    film = await _film(service, key)
    await run_in_threadpool(service.check_whole, body.recipe)
    service.jobs.check_room()
    upload = film.upload
    job = await run_in_threadpool(
        new_film_job,
        service.settings.keep.absolute(),
        secrets.token_hex(8),
        upload.name,
        upload.path,
        upload.ours,
        body.recipe,
        service.mask_file,
        None if body.stabilize == "none" else body.stabilize,
        service.film_context,
    )
    service.jobs.start(job)
    return Begun(job=job.id)


@router.post("/paintings", status_code=202)
async def add_painting(
    service: Here,
    file: UploadFile,
    name: Annotated[str | None, Form(description="The style's name; else from the file's.")] = None,
    bank: Annotated[str | None, Form(description="The bank whose copy gets the style; else the first.")] = None,
    steps: Annotated[int, Form(ge=1, le=MOST_STEPS)] = STEPS,
) -> Begun:
    """Puts a painting into the line of long work: it becomes a style of a copy of the bank."""
    served = service.banks.named(bank)
    name = check_name(name) if name else name_from_path(Path(file.filename or "painting"))
    if name in served.records or any(job.name == name and job.state != "failed" for job in service.jobs.all()):
        raise Refused(409, f"There is a style '{name}' already; give the painting another name.")
    service.jobs.check_room()
    upload = await run_in_threadpool(service.store.add, "painting", file.filename, file.file)
    try:
        with called(upload.name, upload.path):
            probe(upload.path)
        keep, key = service.settings.keep.absolute(), secrets.token_hex(8)
        job = await run_in_threadpool(
            new_painting_job, keep, key, upload.path, name, served.name, steps, service.workshop
        )
    finally:
        service.store.remove(upload.id)
    service.jobs.start(job)
    return Begun(job=job.id)


async def _film(service: Service, key: str) -> FilmFile:
    upload = service.store.get("film", key)
    return await run_in_threadpool(open_film, upload, service.settings.limits.film_seconds, service.cache)
