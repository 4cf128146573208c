"""All that the server holds while it runs; the routes find it in the application's state."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from torch import Tensor

from stylebank.inference.masks import load_mask
from stylebank.inference.recipes import RecipeBook
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.serve.banks import Banks
from stylebank.serve.cache import ByteCache
from stylebank.serve.film_job import Context, earlier_film_jobs
from stylebank.serve.jobs import Jobs
from stylebank.serve.line import Line
from stylebank.serve.painting_job import Workshop, earlier_painting_jobs
from stylebank.serve.refusals import called
from stylebank.serve.renderer import Renderer
from stylebank.serve.settings import ServeSettings
from stylebank.serve.store import Store

_ANY_SIZE = (64, 64)


class Service:
    """Uploads, banks, the line of pictures, and jobs.

    Raises:
        BankError: a bank cannot be read.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        limits = settings.limits
        self.banks = Banks(settings.banks, settings.keep / "banks", settings.device, settings.precision)
        self.cache = ByteCache(limits.cache_megabytes * 2**20)
        self.store = Store(limits.stored_megabytes * 2**20, self.cache.forget)
        self.renderer = Renderer(self.banks, self.cache)
        self.line = Line(limits.renders_at_once, limits.renders)
        self.jobs = Jobs(limits.jobs_at_once, limits.jobs)
        quiet = self.line.wait_for_quiet
        self.film_context = Context(self.banks, limits.film_seconds, quiet)
        self.workshop = Workshop(self.banks, settings.content, self.store.folder, settings.device, quiet)
        keep = settings.keep.absolute()
        for job in [*earlier_film_jobs(keep, self.film_context), *earlier_painting_jobs(keep, self.workshop)]:
            self.jobs.know(job)
        self.began = time.time()
        self.requests: dict[tuple[str, int], int] = {}
        """How often each route was answered with each status."""

    def begin(self) -> None:
        """Loads the first bank's network in the background, so that the first picture need not wait for it."""
        self.line.put(lambda _: self.banks.stylizer(self.banks.named(None)))

    def end(self) -> None:
        """Ends the jobs, such that films can be gone on with, and removes the uploads."""
        self.jobs.end()
        self.line.end()
        self.store.__exit__()

    def mask(self, name: str) -> Tensor:
        """A mask that a recipe names: an upload's id, or with `--allow-paths` a file.

        Raises:
            Refused: there is none.
            ImageError: it is none.
        """
        kept = self.cache.get((name, "mask"))
        if isinstance(kept, Tensor):
            return kept
        path = self.mask_file(name)
        upload = self.store.find(name)
        if upload is None:
            return load_mask(path)  # not kept: whoever named the file may change it
        with called(upload.name, path):
            mask = load_mask(path)
        self.cache.put((name, "mask"), mask, mask.nbytes)
        return mask

    def mask_file(self, name: str) -> Path:
        """Where the mask lies that a recipe names. Raises Refused."""
        if self.settings.allow_paths and self.store.find(name) is None and Path(name).is_absolute():
            return Path(name)
        return self.store.get("mask", name).path

    def check(self, recipe: SavedRecipe) -> None:
        """Raises StyleBankError for a recipe whose bank, styles or masks are not here, before any work."""
        self.banks.of(recipe)
        for mask in recipe.masks:
            self.mask_file(mask.mask)

    def check_whole(self, recipe: SavedRecipe) -> None:
        """As `check`, with weights and masks, too: for what would fail only when its turn comes. Reads the masks."""
        RecipeBook(list(self.banks.of(recipe).records)).of_saved(recipe, _ANY_SIZE, self.mask)


def service_of(request: Request) -> Service:
    """The service that a request is for."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


Here = Annotated[Service, Depends(service_of)]
"""A route's parameter: the service."""
