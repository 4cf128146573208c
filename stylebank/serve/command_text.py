"""A recipe as the command line that makes the same picture."""

from __future__ import annotations

import shlex
from pathlib import Path

from stylebank.inference.choices import ORIGINAL
from stylebank.inference.saved_recipe import SavedRecipe
from stylebank.shipped import BANKS, DEFAULT_BANK


def command_text(recipe: SavedRecipe, bank: Path, name: str) -> str:
    """The command that makes of a photograph what the recipe does.

    Args:
        bank: its folder.
        name: the photograph's file; the output's is made from it.
    """
    words = ["stylebank", "stylize"]
    if bank != DEFAULT_BANK:
        words += ["--bank", bank.name if bank.parent == BANKS else str(bank)]
    if recipe.style == ORIGINAL:
        words += ["--outside", ORIGINAL]
    elif isinstance(recipe.style, str):
        words += ["--style", recipe.style]
    else:
        words += ["--style", *(f"{style}:{weight!r}" for style, weight in recipe.style.items())]
    words += ["--raw-weights"] if recipe.raw_weights else []
    words += ["--alpha", f"{recipe.strength!r}"] if recipe.strength != 1 else []
    if recipe.masks:
        words += ["--mask"]
        for mask in recipe.masks:
            strength = f":{mask.strength!r}" if mask.strength != 1 else ""
            file = mask.mask if Path(mask.mask).suffix else f"mask-{mask.mask}.png"
            words.append(f"{mask.style}{strength}={file}")
    for flag, value, usual in (
        ("--feather", recipe.feather, 0),
        ("--preserve-colors", recipe.colors, "none"),
        ("--stroke", recipe.stroke, "auto"),
        ("--seed", recipe.seed, 0),
        ("--size", recipe.size, None),
    ):
        words += [flag, str(value)] if value != usual else []
    look = recipe.style if isinstance(recipe.style, str) else "_".join(recipe.style)
    words += ["--input", name, "--output", f"{Path(name).stem}_{look[:80]}.png"]
    return shlex.join(words)
