"""Generators that yield on the way and return something at the end, driven by a plain `for`."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


class Returning(Generic[Item, Value]):
    """What a generator yields; when the loop over it has come to its end, `value` is what it returned."""

    value: Value

    def __init__(self, generator: Generator[Item, None, Value]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Item]:
        self.value = yield from self._generator
