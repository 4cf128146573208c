"""The ways of lowering flicker, by name."""

from __future__ import annotations

from typing import Literal, get_args

StabilizeMethod = Literal["blend", "flow"]
METHODS: tuple[StabilizeMethod, ...] = get_args(StabilizeMethod)
