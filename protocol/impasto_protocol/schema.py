"""Readers: small functions that turn a value from the wire into a checked one, or say what is wrong with it.

A reader takes the value and the field's name and returns the value, or raises `ProtocolError(BAD_REQUEST)`.
Messages declare one per field (`wire`); the codec applies them. Nothing here knows a message or a byte.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Enum
from typing import Any, TypeVar

from .errors import Code, ProtocolError
from .limits import DEPTH, HEADER_ITEMS, NAME, TEXT

Reader = Callable[[object, str], Any]
E = TypeVar("E", bound=Enum)

MISSING = object()
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def wire(reader: Reader, default: object = MISSING) -> Any:
    """A dataclass field that travels: how it is read, and its value where the sender left it out."""
    if default is MISSING:
        return field(metadata={"reader": reader})
    if isinstance(default, (dict, list)):
        empty = type(default)
        return field(default_factory=empty, metadata={"reader": reader})
    return field(default=default, metadata={"reader": reader})


def pixels(channels: tuple[int, ...]) -> Any:
    """The field of a message's pixel frames, each with one of these numbers of channels."""
    return field(default=(), metadata={"channels": channels})


def bad(name: str, sentence: str) -> ProtocolError:
    """The error for a field with a wrong value."""
    return ProtocolError(Code.BAD_REQUEST, f"{name[:NAME]} {sentence}", field=name[:NAME])


def told(value: object) -> str:
    """A value from the wire for a sentence: short, whatever it is."""
    if isinstance(value, (str, int, float)):
        return repr(value)[:40]
    return {type(None): "nil", list: "an array", dict: "a map", bytes: "binary"}.get(type(value), "something else")


def shown(text: str, most: int = 40) -> str:
    """A text from elsewhere for a sentence: of at most so many characters, and with no end of a line in it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])


def integer(low: int = 0, high: int = 2**53 - 1) -> Reader:
    """A whole number from low to high (2⁵³−1 is the largest that every language holds exactly)."""

    def read(value: object, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad(name, "must be a whole number")
        if not low <= value <= high:
            raise bad(name, f"must be from {low} to {high}, not {told(value)}")
        return value

    return read


def number(low: float = -math.inf, high: float = math.inf) -> Reader:
    """A finite number from low to high; a whole number is taken as one."""

    def read(value: object, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise bad(name, "must be a number")
        try:
            exact = float(value)
        except OverflowError:  # of a whole number, which may have any number of digits
            exact = math.inf
        if not math.isfinite(exact) or not low <= exact <= high:
            bounds = "a finite number" if math.isinf(high) else f"a number from {low:g} to {high:g}"
            raise bad(name, f"must be {bounds}, not {told(value)}")
        return exact

    return read


def flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise bad(name, "must be true or false")
    return value


def text(longest: int = TEXT) -> Reader:
    """A text of at most `longest` characters."""

    def read(value: object, name: str) -> str:
        if not isinstance(value, str):
            raise bad(name, "must be a text")
        if len(value) > longest:
            raise bad(name, f"must have at most {longest} characters, not {len(value)}")
        try:
            value.encode()
        except UnicodeEncodeError:  # halves of characters, such as Python makes of bytes that are no text
            raise bad(name, "must be a text that UTF-8 can hold") from None
        return value

    return read


def name(value: object, field_name: str) -> str:
    """A name: 1 to 64 letters, digits, `_`, `-` or `.`, the first one a letter or digit."""
    checked: str = text(NAME)(value, field_name)
    if not _NAME.match(checked):
        raise bad(field_name, f"must be made of letters, digits, _, - and . alone, not {told(checked)}")
    return checked


def name_or_nothing(value: object, field_name: str) -> str:
    return "" if value == "" else name(value, field_name)


def list_of(reader: Reader, longest: int = HEADER_ITEMS) -> Reader:
    """An array, each item read by `reader`; becomes a tuple."""

    def read(value: object, name: str) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise bad(name, "must be an array")
        if len(value) > longest:
            raise bad(name, f"must have at most {longest} items, not {len(value)}")
        return tuple(reader(item, f"{name}[{i}]") for i, item in enumerate(value))

    return read


def map_of(reader: Reader, longest: int = HEADER_ITEMS, key: Reader | None = None) -> Reader:
    """A map of at most `longest` entries; texts for keys, read by `key` where it is given, values read by `reader`."""

    def read(value: object, name: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise bad(name, "must be a map")
        if len(value) > longest:
            raise bad(name, f"must have at most {longest} entries, not {len(value)}")
        if not all(isinstance(key, str) for key in value):
            raise bad(name, "must have texts for keys")
        return {(key(k, name) if key else k): reader(item, f"{name}.{k}") for k, item in value.items()}

    return read


def light(reader: Reader, most: int) -> Reader:
    """A map read by `reader`, whose keys and texts have at most `most` bytes in UTF-8 all together."""

    def read(value: object, name: str) -> Mapping[str, Any]:
        checked: Mapping[str, Any] = reader(value, name)
        size = sum(len(part.encode()) for entry in checked.items() for part in entry if isinstance(part, str))
        if size > most:
            raise bad(name, f"must have at most {most:,} bytes of names and texts, not {size:,}")
        return checked

    return read


def one_of(kind: type[E]) -> Reader:
    """One of an enumeration's values."""

    def read(value: object, name: str) -> E:
        try:
            return kind(value)
        except ValueError:
            raise bad(name, f"must be one of {', '.join(str(m.value) for m in kind)}, not {told(value)}") from None

    return read


def scalar(longest: int = TEXT) -> Reader:
    """A truth value, a finite number or a text of at most `longest` characters."""
    readers: dict[type, Reader] = {
        bool: flag,
        int: integer(-(2**53) + 1),
        float: number(),
        str: text(longest),
    }

    def read(value: object, name: str) -> bool | int | float | str:
        for kind, reader in readers.items():  # bool first: to Python it is an int
            if isinstance(value, kind):
                return reader(value, name)  # type: ignore[no-any-return]
        raise bad(name, f"must be true, false, a number or a text, not {told(value)}")

    return read


def plain(value: object, name: str, depth: int = 0) -> Any:
    """Anything that JSON can say: for records, details and other data that is handed on and not acted upon."""

    def deeper(inner: object, inner_name: str) -> Any:
        return plain(inner, inner_name, depth + 1)

    if depth > DEPTH:
        raise bad(name, f"must not be nested deeper than {DEPTH}")
    if value is None:
        return None
    if isinstance(value, Mapping):
        return map_of(deeper)(value, name)
    if isinstance(value, (list, tuple)):
        return list(list_of(deeper)(value, name))
    return scalar()(value, name)
