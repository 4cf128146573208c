"""Masks, regions and label maps over HTTP: which parts of a picture there are."""

from __future__ import annotations

import io

import numpy as np
from fastapi import APIRouter, Request, Response, UploadFile
from PIL import Image
from starlette.concurrency import run_in_threadpool

from stylebank.regions import PALETTE, RegionMethod, find_regions, load_label_map
from stylebank.serve.bodies import MaskInfo, RegionsBody
from stylebank.serve.forms import FORM
from stylebank.serve.line import URGENT, Ticket
from stylebank.serve.photographs import small_copy
from stylebank.serve.picture_routes import PICTURE, answer
from stylebank.serve.refusals import called
from stylebank.serve.service import Here

router = APIRouter(prefix="/api", tags=["masks and regions"])


@router.post("/pictures/{key}/regions", responses=PICTURE, response_class=Response)
async def find_picture_regions(service: Here, request: Request, key: str, body: RegionsBody) -> Response:
    """A label map of the photograph as a PNG: grey, with the regions' numbers as values, or in `--label-map`'s colours.

    Of `kmeans` the largest region is 0, of `slic` the topmost.
    """
    upload = service.store.get("picture", key)
    bank = service.banks.named(body.bank)

    def make(ticket: Ticket) -> bytes:
        photo, stylizer = small_copy(upload, service.cache), service.banks.stylizer(bank)
        ticket.check()
        labels = find_regions(stylizer, photo.rgb, RegionMethod(body.method, body.count), body.seed)
        return _as_png(np.array(PALETTE, np.uint8)[labels] if body.colors else labels.astype(np.uint8))

    return answer(await service.line.run(make, gone=request.is_disconnected), "png")


@router.post("/masks", dependencies=FORM)
async def upload_mask(service: Here, request: Request, file: UploadFile) -> MaskInfo:
    """Takes a mask: a grey picture, white where a style goes."""
    upload = await run_in_threadpool(service.store.add, "mask", file.filename, file.file)
    try:
        mask = await service.line.run(lambda _: service.mask(upload.id), urgency=URGENT, gone=request.is_disconnected)
    except BaseException:
        service.store.remove(upload.id)
        raise
    return MaskInfo(id=upload.id, width=mask.shape[1], height=mask.shape[0])


@router.get("/masks/{key}.png", responses=PICTURE, response_class=Response)
async def show_mask(service: Here, key: str) -> Response:
    """A mask as a grey PNG, as `--mask` takes it."""
    service.store.get("mask", key)
    mask = await run_in_threadpool(service.mask, key)
    return answer(_as_png((mask * 255).round().byte().numpy()), "png", f"mask-{key}.png")


@router.delete("/masks/{key}", status_code=204)
def delete_mask(service: Here, key: str) -> None:
    """Deletes a mask."""
    service.store.remove(service.store.get("mask", key).id)


@router.post("/label-maps", responses=PICTURE, response_class=Response, dependencies=FORM)
async def read_label_map(service: Here, request: Request, file: UploadFile) -> Response:
    """A label map in colours, as `--show-regions` writes them, as a grey PNG whose values are the regions' numbers."""
    upload = await run_in_threadpool(service.store.add, "mask", file.filename, file.file)

    def read(_: Ticket) -> bytes:
        with called(upload.name, upload.path):
            return _as_png(load_label_map(upload.path))

    try:
        return answer(await service.line.run(read, urgency=URGENT, gone=request.is_disconnected), "png")
    finally:
        service.store.remove(upload.id)


def _as_png(values: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) uint8 as a file."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()
