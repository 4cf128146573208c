"""Pictures, masks and regions over HTTP."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from PIL import Image
from starlette.concurrency import run_in_threadpool

from stylebank.images import probe
from stylebank.inference.saved_recipe import SavedRecipe, parse_recipe
from stylebank.serve.bodies import LARGEST_SIDE, PictureInfo, PictureKind, RenderBody
from stylebank.serve.forms import FORM
from stylebank.serve.line import LATER, URGENT, Ticket
from stylebank.serve.photographs import small_copy
from stylebank.serve.refusals import Refused, called
from stylebank.serve.renderer import PREVIEW_QUALITY, encode
from stylebank.serve.service import Here, Service
from stylebank.serve.store import Upload

router = APIRouter(prefix="/api", tags=["pictures"])

Side = Annotated[int, Query(ge=16, le=LARGEST_SIDE)]
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}, "image/webp": {}}, "description": "The picture."}
}


@router.post("/pictures", dependencies=FORM)
async def upload_picture(service: Here, request: Request, file: UploadFile) -> PictureInfo:
    """Takes a photograph, which stays until it is deleted, the server ends, or others need its place."""
    upload = await run_in_threadpool(service.store.add, "picture", file.filename, file.file)

    def look(_: Ticket) -> PictureInfo:
        photo = small_copy(upload, service.cache)
        return PictureInfo(id=upload.id, name=upload.name, width=photo.size[0], height=photo.size[1])

    try:
        return await service.line.run(look, urgency=URGENT, gone=request.is_disconnected)
    except BaseException:
        service.store.remove(upload.id)
        raise


@router.delete("/pictures/{key}", status_code=204)
def delete_picture(service: Here, key: str) -> None:
    """Deletes a photograph and all that was made of it."""
    service.store.remove(service.store.get("picture", key).id)


@router.get("/pictures/{key}/preview", responses=PICTURE, response_class=Response)
async def show_picture(service: Here, request: Request, key: str, side: Side = 1024) -> Response:
    """The photograph itself in small, as a JPEG."""
    upload = service.store.get("picture", key)

    def make(_: Ticket) -> bytes:
        photo = small_copy(upload, service.cache)
        picture = photo.rgb.copy()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return encode(picture, "jpeg", quality=PREVIEW_QUALITY)

    return answer(await service.line.run(make, urgency=URGENT, gone=request.is_disconnected), "jpeg")


@router.get("/pictures/{key}/thumbnails/{style}", responses=PICTURE, response_class=Response)
async def show_thumbnail(
    service: Here, request: Request, key: str, style: str, side: Side = 160, bank: str | None = None
) -> Response:
    """The photograph in a style, in small, as a JPEG."""
    upload = service.store.get("picture", key)

    def make(ticket: Ticket) -> bytes:
        ticket.check()
        return service.renderer.thumbnail(small_copy(upload, service.cache), style, bank, side, ticket)

    return answer(await service.line.run(make, urgency=LATER, gone=request.is_disconnected), "jpeg")


@router.post("/pictures/{key}/render", responses=PICTURE, response_class=Response)
async def render_picture(
    service: Here, request: Request, key: str, body: RenderBody, x_cancel: Annotated[str | None, Header()] = None
) -> Response:
    """The photograph as a recipe makes it: in small, or at full size as the file that `infer.py --recipe` writes.

    A newer request with the same `X-Cancel` takes the place of this one, which then answers 409.
    """
    upload = service.store.get("picture", key)
    service.check(body.recipe)
    if body.side is None:
        work = partial(service.renderer.full, upload, body.recipe, body.format, service.mask)
    else:
        work = partial(_preview, service, upload, body)
    cancel = None if x_cancel is None else f"{key}/{x_cancel[:100]}"
    data = await service.line.run(work, key=cancel, gone=request.is_disconnected)
    return answer(data, body.format, None if body.side else _file_name(upload.name, body.recipe, body.format))


@router.post("/stylize", responses=PICTURE, response_class=Response, dependencies=FORM)
async def stylize_at_once(
    service: Here,
    request: Request,
    file: UploadFile,
    recipe: Annotated[str, Form(description="A recipe as JSON; its masks are the names of the files in `mask`.")],
    mask: Annotated[list[UploadFile] | None, File()] = None,
    format: Annotated[PictureKind, Form()] = "png",
) -> Response:
    """A photograph in, the stylized picture out, in one request that leaves nothing behind."""
    wanted = parse_recipe(recipe)
    named = {each.mask for each in wanted.masks}
    if unnamed := next((each.filename for each in mask or [] if each.filename not in named), None):
        raise Refused(400, f"No mask of the recipe is called '{unnamed[:100]}', as an uploaded one is.")
    given: dict[str, str] = {}
    stored: list[str] = []
    try:
        for each in mask or []:
            stored.append((await run_in_threadpool(service.store.add, "mask", each.filename, each.file)).id)
            given[each.filename or ""] = stored[-1]
        picture = await run_in_threadpool(service.store.add, "picture", file.filename, file.file)
        stored.append(picture.id)
        masks = tuple(m.model_copy(update={"mask": given.get(m.mask, m.mask)}) for m in wanted.masks)
        ready = wanted.model_copy(update={"masks": masks})
        service.check(ready)
        _check_picture(picture)
        work = partial(service.renderer.full, picture, ready, format, service.mask)
        data = await service.line.run(work, gone=request.is_disconnected)
    finally:
        for key in stored:
            service.store.remove(key)
    return answer(data, format, _file_name(picture.name, wanted, format))


def answer(data: bytes, kind: str, name: str | None = None) -> Response:
    """A picture as an answer; with a name it is one to be saved."""
    headers = {}
    if name is not None:
        plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "'")
        headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return Response(data, media_type=f"image/{kind}", headers=headers)


def _preview(service: Service, upload: Upload, body: RenderBody, ticket: Ticket) -> bytes:
    ticket.check()
    assert body.side is not None
    photo = small_copy(upload, service.cache)
    picture = service.renderer.preview(photo, body.recipe, body.side, service.mask, ticket, body.draft)
    alpha = photo.alpha.resize(picture.size) if photo.alpha else None
    return encode(picture, body.format, alpha=alpha, quality=PREVIEW_QUALITY)


def _check_picture(upload: Upload) -> None:
    """Raises ImageError for what is no picture before it takes a place in the line."""
    with called(upload.name, upload.path):
        probe(upload.path)


def _file_name(name: str, recipe: SavedRecipe, kind: str) -> str:
    """`holiday.jpg` in `udnie` -> `holiday_udnie.png`."""
    stem = name.rpartition(".")[0] or name
    look = recipe.style if isinstance(recipe.style, str) else "+".join(recipe.style)
    return f"{stem}_{look[:80]}.{'jpg' if kind == 'jpeg' else kind}"
