"""What requests hold and answers say, as JSON; the interface's description is made from these."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stylebank.config import LARGEST_SEED
from stylebank.films.methods import StabilizeMethod
from stylebank.inference.saved_recipe import SavedRecipe

PictureKind = Literal["jpeg", "png", "webp"]
LARGEST_SIDE = 4096
"""Of a preview, in pixels."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What every refusal holds."""

    error: str
    """One sentence."""


class BankInfo(BaseModel):
    """A bank that is served."""

    name: str
    licence: str
    predictor: bool
    """Whether it can make a style of a painting at once."""


class StyleInfo(BaseModel):
    """A style that is served."""

    name: str
    title: str
    artist: str
    bank: str
    unfinished: str
    """How far its training came, if that was stopped; empty for one that is done."""
    predicted: bool
    """Whether it was made of the painting at once, not trained."""


class LimitInfo(BaseModel):
    """How much the server takes on."""

    upload_bytes: int
    megapixels: float
    film_seconds: int
    jobs: int


class Served(BaseModel):
    """All that is served."""

    banks: list[BankInfo]
    styles: list[StyleInfo]
    noise: bool
    """Whether seeds make a difference in some bank."""
    predictor: bool
    """Whether some bank can make a style of a painting at once."""
    allow_paths: bool
    limits: LimitInfo
    version: str


class PictureInfo(BaseModel):
    """An uploaded picture, upright."""

    id: str
    name: str
    width: int
    height: int


class MaskInfo(BaseModel):
    """An uploaded mask."""

    id: str
    width: int
    height: int


class RenderBody(_Body):
    """A picture to be made."""

    recipe: SavedRecipe
    side: int | None = Field(None, ge=16, le=LARGEST_SIDE)
    """Long side of a preview in pixels; null for the file that `infer.py` writes."""
    format: PictureKind = "jpeg"
    draft: bool = False
    """Of a preview: sooner, with strokes wider than they will be."""


class RegionsBody(_Body):
    """Regions to be found."""

    count: int = Field(4, ge=2, le=64)
    method: Literal["kmeans", "slic"] = "kmeans"
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    bank: str | None = None
    colors: bool = False
    """Answer with a label map in colours, which `--label-map` reads."""


class CommandBody(_Body):
    """A recipe to be told as a command line."""

    recipe: SavedRecipe
    name: str = "photo.jpg"
    """Of the photograph's file."""


class PathBody(_Body):
    """A film of the server's machine."""

    path: str


class FramePreviewBody(_Body):
    """A film's frame to be made."""

    recipe: SavedRecipe
    frame: int = Field(0, ge=0)
    side: int = Field(960, ge=16, le=LARGEST_SIDE)
    draft: bool = False


class FilmBody(_Body):
    """A film to be made."""

    recipe: SavedRecipe
    stabilize: Literal["none"] | StabilizeMethod = "none"


class Begun(BaseModel):
    """A job that was put into the line."""

    job: str


class Added(BaseModel):
    """A style that is there now."""

    style: str
    bank: str


class Command(BaseModel):
    """A command line."""

    command: str


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"] = "ok"
