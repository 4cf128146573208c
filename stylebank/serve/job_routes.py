"""Long work over HTTP: how far it is, stopping it, going on, and what it made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from stylebank.serve.bodies import Problem
from stylebank.serve.job import Job, JobStatus
from stylebank.serve.picture_routes import PICTURE, answer
from stylebank.serve.refusals import Refused
from stylebank.serve.service import Here

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

_TICK = 0.2  # seconds between looks at a job
_SIGN_OF_LIFE = 15.0  # seconds: proxies close what is silent for longer


@router.get("")
def list_jobs(service: Here) -> list[JobStatus]:
    """Every job, the oldest first, those of earlier runs of the server included."""
    return [job.status() for job in service.jobs.all()]


@router.get("/{key}")
def show_job(service: Here, key: str) -> JobStatus:
    """How far a job is."""
    return service.jobs.get(key).status()


@router.get("/{key}/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def watch_job(service: Here, request: Request, key: str) -> StreamingResponse:
    """The same as server-sent events, one with every change, until the job comes to rest."""
    job = service.jobs.get(key)
    return StreamingResponse(_events(job, request), media_type="text/event-stream")


@router.post("/{key}/stop")
def stop_job(service: Here, key: str) -> JobStatus:
    """Stops a job at the next good moment; what is done is kept."""
    job = service.jobs.get(key)
    if job.state not in ("waiting", "running"):
        raise Refused(409, f"The job is {job.state}; there is nothing to stop.")
    job.stop()
    return job.status()


@router.post("/{key}/resume")
def resume_job(service: Here, key: str) -> JobStatus:
    """Puts a job that was stopped, or has failed, into the line again; it goes on where it was."""
    return service.jobs.resume(key).status()


@router.delete("/{key}", status_code=204)
def delete_job(service: Here, key: str) -> None:
    """Forgets a job that is not at work, and deletes what it made; a style stays in its bank."""
    service.jobs.remove(key)


@router.get("/{key}/result", response_class=FileResponse, responses={409: {"model": Problem}})
def download_result(service: Here, key: str) -> FileResponse:
    """What a job made: a film, or a style's files in an archive."""
    file = service.jobs.get(key).result()
    return FileResponse(file, filename=file.name)


@router.get("/{key}/preview", responses=PICTURE, response_class=Response)
def show_newest(service: Here, key: str) -> Response:
    """The newest picture of a job, as a JPEG."""
    picture = service.jobs.get(key).preview()
    if picture is None:
        raise Refused(404, "The job has made no picture yet.")
    return answer(picture, "jpeg")


async def _events(job: Job, request: Request) -> AsyncIterator[str]:
    seen, silent = -1, 0.0
    while not await request.is_disconnected():
        if job.changes != seen:
            seen, silent = job.changes, 0.0
            status = job.status()
            yield f"data: {status.model_dump_json()}\n\n"
            if status.state not in ("waiting", "running"):
                return
        elif silent >= _SIGN_OF_LIFE:
            silent = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_TICK)
        silent += _TICK
