"""Placeholder until the real module is written: overwrite me."""
from typing import Any, Literal, get_args

Method = Literal["blend", "flow"]
METHODS = get_args(Method)
WARM_UP = 8
class Stabilizer:
    def __init__(self, stylizer: Any, method: Method) -> None:
        self.stylizer = stylizer
    def encode(self, pixels: Any, tile: Any = None) -> Any:
        return self.stylizer.encode(pixels, tile)
    def settle(self, pixels: Any, output: Any) -> Any:
        return output
