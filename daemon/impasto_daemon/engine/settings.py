"""How a user's value for a field of a recipe is read, with a sentence where it is wrong.

A reader takes what came over the wire or from the command line and returns the field's value. It raises ValueError with
the second half of a sentence that begins with the field's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Reader = Callable[[Any], Any]


def number(low: float, high: float) -> Reader:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value}")
        return float(value)

    return read


def whole(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number")
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}, not {value}")
        return value

    return read


def choice(*allowed: str) -> Reader:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    return read


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def several(read_one: Reader, parse: Callable[[str], Any]) -> Reader:
    """A tuple; from a user it comes as text with commas, or as a single value."""

    def read(value: Any) -> tuple[Any, ...]:
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
        if not all(parts) and isinstance(value, str):
            raise ValueError("must be values with commas between them")
        if len(parts) > 64:
            raise ValueError("must be at most 64 values")
        return tuple(read_one(_parsed(part, parse)) for part in parts)

    return read


def _parsed(part: Any, parse: Callable[[str], Any]) -> Any:
    if not isinstance(part, str):
        return part
    try:
        return parse(part)
    except ValueError:
        raise ValueError(f"{part!r} is not a number") from None


def layer(value: Any) -> str:
    if not isinstance(value, str) or not value.replace("_", "").replace(".", "").isalnum():
        raise ValueError("must be names of layers with commas between them")
    return "conv" + value[4:] if value.startswith("relu") else value  # reluB_I is convB_I after its ReLU
