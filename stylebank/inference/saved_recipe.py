"""How a picture shall look, as JSON: what `--recipe` and `--save-recipe`, the page and Python all read and write.

A recipe names styles and mask files and knows nothing of a bank's weights; `RecipeBook.of_saved` checks it against a
bank. In a file, masks are paths relative to that file, so that a folder with both can be moved.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from stylebank.config import LARGEST_SEED
from stylebank.errors import ConfigError, did_you_mean, relative_to
from stylebank.files import new_file, why_unreadable, write_error
from stylebank.inference.choices import MAX_STROKE, MIN_STROKE, ORIGINAL, WIDEST_FEATHER, ColorMode
from stylebank.styles import IDENTITY

LARGEST = 2**20  # bytes; a recipe with a hundred masks has some ten thousand
MOST_MASKS = 64
SMALLEST = 16  # pixels: the network's own limit, which takes torch to import

Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Weights = Annotated[dict[str, Weight], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class MaskedStyle(_Strict):
    """A style where a mask is white."""

    style: str
    strength: Share = 1.0
    """Multiplied with that of the whole."""
    mask: str = Field(min_length=1, max_length=4096)
    """A grey picture: in a file, its path; to the server, also the id that an uploaded mask was given."""


class SavedRecipe(_Strict):
    """How a picture shall look."""

    version: Literal[1] = 1
    bank: str | None = None
    """A bank's folder or name; None for the one that comes with the program, or that the server was started with."""
    style: str | Weights = IDENTITY
    """A style, or weights by style: several are taken in proportion, one alone is its strength. With masks, what is
    done where none is; `original` leaves the photograph there."""
    strength: Share = 1.0
    """Of the whole: 0 is the reconstruction."""
    raw_weights: StrictBool = False
    """Take weights as they are instead of scaling them to sum 1."""
    seed: int = Field(0, strict=True, ge=0, le=LARGEST_SEED)
    """Of the strokes in plain areas."""
    stroke: Literal["auto"] | Annotated[float, Field(strict=True, ge=MIN_STROKE, le=MAX_STROKE)] = "auto"
    """Width of strokes, 1 as the style has them."""
    colors: ColorMode = "none"
    """Whose colours the picture has: `luma` and `histogram` keep the photograph's."""
    size: int | None = Field(None, strict=True, ge=SMALLEST)
    """Short side in pixels that the picture is scaled to first; None keeps its size."""
    feather: float = Field(0.0, strict=True, ge=0, le=WIDEST_FEATHER)
    """Width of the masks' soft edges in pixels of the picture."""
    masks: tuple[MaskedStyle, ...] = Field((), max_length=MOST_MASKS)

    @property
    def style_names(self) -> list[str]:
        """Every style that it names, those of masks included, without `identity` and `original`."""
        base = [self.style] if isinstance(self.style, str) else list(self.style)
        names = dict.fromkeys([*base, *(mask.style for mask in self.masks)])
        return [name for name in names if name not in (IDENTITY, ORIGINAL)]

    def with_masks_in(self, folder: Path) -> SavedRecipe:
        """With masks' relative paths made absolute, as seen from a folder."""
        found = [mask.model_copy(update={"mask": str((folder / mask.mask).absolute())}) for mask in self.masks]
        return self.model_copy(update={"masks": tuple(found)})


def read_recipe(path: str | Path) -> SavedRecipe:
    """Reads a recipe from a JSON file; its masks' paths become absolute.

    Raises:
        ConfigError: it is missing, no JSON, or says something that is not valid.
    """
    path = Path(path)
    try:
        if reason := why_unreadable(path, "a recipe"):
            raise ConfigError(f"'{path}' {reason}.")
        if (size := path.stat().st_size) > LARGEST:
            raise ConfigError(f"'{path}' has {size:,} bytes; no recipe has more than {LARGEST:,}.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        where = relative_to(path) if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"'{path}' cannot be read{where}: {getattr(error, 'strerror', None) or error}.") from error
    return parse_recipe(data, f"'{path}'").with_masks_in(path.parent)


def parse_recipe(data: bytes | str, said: str = "The recipe") -> SavedRecipe:
    """A recipe from JSON, its masks as they are written there.

    Args:
        said: what messages call it.

    Raises:
        ConfigError: it is no JSON, or says something that is not valid.
    """
    text = data.removeprefix(codecs.BOM_UTF8) if isinstance(data, bytes) else data.removeprefix("\ufeff")
    try:
        recipe = SavedRecipe.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{said} is no recipe: {problem_of(error)}.".replace("?.", "?")) from error
    json.loads(text, object_pairs_hook=partial(_each_once, said))
    return recipe


def _each_once(said: str, pairs: Sequence[tuple[str, object]]) -> None:
    """Refuses a key that is given twice, of which a reader of JSON takes the last without a word."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ConfigError(f"{said} is no recipe: it gives '{key[:100]}' twice.")
        seen.add(key)


def save_recipe(recipe: SavedRecipe, path: str | Path, *, overwrite: bool = False) -> None:
    """Writes a recipe as a JSON file, whole or not at all, with the masks' paths relative to it.

    Raises:
        ConfigError: the file exists, and nothing allows for that.
        StyleBankError: it cannot be written.
    """
    path = Path(path)
    check_recipe_file(path, overwrite=overwrite)
    folder = path.absolute().parent
    masks = tuple(mask.model_copy(update={"mask": _relative(Path(mask.mask), folder)}) for mask in recipe.masks)
    with new_file(path) as temporary:
        temporary.write_text(as_json(recipe.model_copy(update={"masks": masks})), encoding="utf-8")


def check_recipe_file(path: Path, *, overwrite: bool = False) -> None:
    """Looks, before any work is done, whether `save_recipe` can write there; raises as it does."""
    if path.suffix.lower() != ".json":
        raise ConfigError(f"'{path}' is no name for a recipe, which is a JSON file: give one that ends in .json.")
    try:
        if path.is_dir() or (path.exists() and not overwrite):
            what = "is a folder; name a file" if path.is_dir() else "exists; pass --overwrite to replace it"
            raise ConfigError(f"'{path}' {what}.")
        with TemporaryFile(dir=next(parent for parent in path.absolute().parents if parent.exists())):
            pass
    except OSError as error:
        raise write_error(path, error) from error


def as_json(recipe: SavedRecipe) -> str:
    """The recipe as indented JSON, without what is as it is by default."""
    tree = recipe.model_dump(mode="json", exclude_defaults=True)
    return json.dumps({"version": recipe.version, **tree}, indent=2, ensure_ascii=False) + "\n"


def problem_of(error: ValidationError) -> str:
    """The first thing that is wrong with a recipe, with its place; for the end of a sentence."""
    first: Any = error.errors(include_url=False)[0]
    return told(first["type"], first["loc"], first["msg"], first.get("input"))


def told(kind: str, location: Sequence[int | str], text: str, given: object) -> str:
    """One problem of a recipe, as pydantic has it, for the end of a sentence."""
    place = ".".join(str(part) for part in location if "[" not in str(part))[:100]
    if kind == "extra_forbidden":
        known = MaskedStyle.model_fields if "masks" in location else SavedRecipe.model_fields
        guess = did_you_mean(str(location[-1]), known)
        return f"'{place}' is no key of it; valid are {', '.join(known)}" + (f".{guess}" if guess else "")
    if (whole := _SEVERAL_KINDS.get(str(location[0]) if location else "")) is not None:
        return whole
    if kind == "missing":
        return f"'{place}' is missing"
    text = text.replace("a valid array", "a list").removeprefix("Value error, ").replace("Input should be", "must be")
    shown = f", not {given!r:.60}" if isinstance(given, str | int | float) and place else ""
    return f"{place} {text}{shown}" if place else f"it {text}" if text.startswith("must") else text


_SEVERAL_KINDS = {
    "style": "style must be a name, or finite weights by name, one at least",
    "stroke": f"stroke must be 'auto' or a number from {MIN_STROKE:g} to {MAX_STROKE:g}",
}
"""What to say of keys that take values of several kinds: pydantic says for each of them why it is none."""


def _relative(mask: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(mask.absolute(), folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return str(mask.absolute())
