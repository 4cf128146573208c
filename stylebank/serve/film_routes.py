"""Films over HTTP: single frames, and what begins long work."""

from __future__ import annotations

import secrets
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile as FormFile

from stylebank.serve.bodies import LARGEST_SIDE, Begun, FilmBody, FramePreviewBody, PathBody
from stylebank.serve.film_files import FilmFile, FilmInfo, open_film
from stylebank.serve.film_job import new_film_job
from stylebank.serve.line import URGENT, Ticket
from stylebank.serve.picture_routes import PICTURE, Side, answer
from stylebank.serve.refusals import Refused
from stylebank.serve.renderer import PREVIEW_QUALITY, encode
from stylebank.serve.service import Here, Service

router = APIRouter(prefix="/api", tags=["films"])

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


async def _film(service: Service, key: str) -> FilmFile:
    upload = service.store.get("film", key)
    return await run_in_threadpool(open_film, upload, service.settings.limits.film_seconds, service.cache)
