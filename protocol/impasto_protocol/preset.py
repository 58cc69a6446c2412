"""A preset: how to paint, in a small file that people hand on to each other. What is in it; whoever has it opens it.

JSON, for people to read. A style is no path, which would say nothing elsewhere, but its name, its size and the digest
of its pixels, and a small copy of it where that is wanted. What a newer version has put in beside what is known here
is told and passed over. Nothing is believed: a preset may come from anywhere. Knows no files and no pictures.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import schema
from .errors import ProtocolError

VERSION = 1
MARK = "impasto-preset"
"""The key that says that a file is a preset; its value is the version of what is in it."""
STYLES = "styles"
LARGEST = 2_000_000
"""Bytes of a file that are read at all; a copy of a style is 134 kB at most."""
SIDE = 512
"""Longest side in pixels of the copy of a style."""
COPY = 100_000
"""Bytes of the copy of a style, as a PNG or JPEG file."""
ENLARGED = 4_000_000
"""Pixels that whoever paints with a copy enlarges it to at most."""

VALUES: Mapping[str, schema.Reader] = {
    "recipe": schema.name,
    "strength": schema.number(0, 100),
    "stroke-size": schema.number(10, 400),
    "max-size": schema.integer(0, 32_768),
    "seed": schema.integer(0, 2**31 - 1),
    "keep-colours": schema.flag,
}
"""What a preset sets, under the names and in the ranges of the filter's arguments in GIMP."""

DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, ProtocolError)
"""What `parsed` raises of a file that is no preset, or a damaged one."""


@dataclass(frozen=True)
class PresetStyle:
    """What a preset says of a style: its name, its width and height, the SHA-256 of its samples.

    copy: a PNG or JPEG file of it, of at most SIDE pixels a side and COPY bytes; empty where there is none. weight: its
    share against those of the other styles.
    """

    name: str
    size: tuple[int, int]
    digest: str
    copy: bytes = b""
    weight: float = 1.0


@dataclass(frozen=True)
class Preset:
    """values: some of VALUES, each in its range. ignored: what else the file has, by its keys."""

    values: Mapping[str, Any]
    styles: tuple[PresetStyle, ...] = ()
    ignored: tuple[str, ...] = ()


def written(preset: Preset) -> bytes:
    """The file's bytes: UTF-8, ends with a line."""
    content: dict[str, object] = {MARK: VERSION, **preset.values}
    if preset.styles:
        content[STYLES] = [_style_written(style) for style in preset.styles]
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def parsed(data: bytes) -> Preset:
    """What is in the file. Raises one of DAMAGE; a ProtocolError says in a sentence which value is wrong."""
    if len(data) > LARGEST:
        raise schema.bad("the preset", f"must have at most {LARGEST} bytes, not {len(data)}")
    content = json.loads(data.decode("utf-8-sig"))
    schema.integer(1)(content[MARK], MARK)
    known = {MARK, STYLES, *VALUES}
    styles = tuple(_style(style) for style in schema.list_of(_any)(content.get(STYLES, []), STYLES))
    if styles and not any(style.weight for style in styles):
        raise schema.bad("weight", "must be above 0 for one of the styles at least")
    return Preset(
        values={name: read(content[name], name) for name, read in VALUES.items() if name in content},
        styles=styles,
        ignored=tuple(schema.shown(str(name)) for name in content if name not in known),
    )


def _style_written(style: PresetStyle) -> dict[str, object]:
    width, height = style.size
    copy = {"copy": base64.b64encode(style.copy).decode()} if style.copy else {}
    weight = {"weight": style.weight} if style.weight != 1 else {}
    return {"name": style.name, "width": width, "height": height, "sha256": style.digest, **weight, **copy}


def _style(content: Any) -> PresetStyle:
    side = schema.integer(1, 2**31 - 1)
    text = schema.text(4 * COPY // 3 + 4)(content.get("copy", ""), "copy")
    try:
        copy = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise schema.bad("copy", "must be a file in base64") from None
    return PresetStyle(
        name=schema.shown(schema.text(255)(content["name"], "name"), 255),
        size=(side(content["width"], "width"), side(content["height"], "height")),
        digest=schema.text(64)(content["sha256"], "sha256"),
        copy=copy,
        weight=schema.number(0, 1e6)(content.get("weight", 1.0), "weight"),
    )


def _any(value: object, _name: str) -> object:
    return value
