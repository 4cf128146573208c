"""What is served, how it goes, and recipes as command lines, over HTTP."""

from __future__ import annotations

from fastapi import APIRouter, Response

from stylebank import __version__
from stylebank.images import max_megapixels
from stylebank.serve.bodies import BankInfo, Command, CommandBody, Health, LimitInfo, Served, StyleInfo
from stylebank.serve.command_text import command_text
from stylebank.serve.metrics import metrics_text
from stylebank.serve.service import Here
from stylebank.serve.store import plain_name

router = APIRouter(prefix="/api", tags=["service"])


@router.get("/bank")
def show_bank(service: Here) -> Served:
    """The banks and their styles, and the server's limits."""
    banks, limits = service.banks.all(), service.settings.limits
    styles = []
    for bank in banks:
        for name, record in bank.records.items():
            artist, comma, title = record.title.partition(", ")
            styles.append(
                StyleInfo(
                    name=name,
                    title=(title if comma else artist) or name,
                    artist=artist if comma else "",
                    bank=bank.name,
                    unfinished=record.unfinished,
                    predicted=record.predicted,
                )
            )
    return Served(
        banks=[BankInfo(name=bank.name, licence=bank.licence, predictor=bank.predictor) for bank in banks],
        styles=styles,
        noise=any(bank.noise for bank in banks),
        predictor=any(bank.predictor for bank in banks),
        allow_paths=service.settings.allow_paths,
        limits=LimitInfo(
            upload_bytes=limits.upload_megabytes * 2**20,
            megapixels=max_megapixels(),
            film_seconds=limits.film_seconds,
            jobs=limits.jobs,
        ),
        version=__version__,
    )


@router.post("/command")
def tell_command(service: Here, body: CommandBody) -> Command:
    """The command line that makes the same picture; masks appear as files of their id's name."""
    bank = service.banks.of(body.recipe)
    return Command(command=command_text(body.recipe, bank.folder, plain_name(body.name, "photo.jpg")))


@router.get("/health")
def show_health() -> Health:
    """That the server answers."""
    return Health()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def show_metrics(service: Here) -> Response:
    """Counters for Prometheus."""
    return Response(metrics_text(service), media_type="text/plain; version=0.0.4")
