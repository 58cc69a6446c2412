"""How a layer was painted, kept with the layer: the parasite "impasto" and the layer's name.

The parasite is ASCII JSON and stays in the XCF file. It holds no paths: pictures are shared, home folders are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from gi.repository import Gimp
from impasto_protocol import __version__

PARASITE = "impasto"


def attach(layer: Any, style_name: str, record: Mapping[str, object]) -> None:
    """Keep the daemon's record with the layer; the request is part of it."""
    layer.attach_parasite(Gimp.Parasite.new(PARASITE, Gimp.PARASITE_PERSISTENT, dump(style_name, record)))


def dump(style_name: str, record: Mapping[str, object]) -> bytes:
    """The parasite's bytes. Only ASCII: GIMP's Python takes no others."""
    content = {"impasto": __version__, "style": printable(style_name), "record": dict(record)}
    return json.dumps(content, ensure_ascii=True, sort_keys=True).encode("ascii")


def notes(record: Mapping[str, object]) -> list[str]:
    """What the painter wants the artist to know, such as that it painted without VGG19."""
    found = record.get("notes", ())
    return [str(note) for note in found] if isinstance(found, (list, tuple)) else [str(found)]


def layer_name(style_name: str) -> str:
    """`starry_night.jpg` gives `Starry night (style transfer)`."""
    words = PurePath(printable(style_name)).stem.replace("_", " ").strip() or "Impasto"
    return f"{words[0].upper()}{words[1:]} (style transfer)"


def printable(text: str) -> str:
    """The text with � for what came from a file's name and is no UTF-8: GIMP takes no such texts."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
