"""How a layer was painted, kept with the layer: the parasites "impasto" and "impasto-style", and the layer's name.

The first is ASCII JSON, the second a small copy of the style; both stay in the XCF file. They hold no paths: pictures
are shared, home folders are not. For the same reason nothing is believed of what is read from them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import style_copy
from gi.repository import Gimp
from impasto_protocol import __version__, schema
from impasto_protocol.errors import Code, ImpastoError, ProtocolError
from impasto_protocol.messages import Result
from language import _
from styles import Chosen

PARASITE, STYLE = "impasto", "impasto-style"
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, ProtocolError)
"""What reading a parasite may raise that somebody else has written."""
FLAGS = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE


@dataclass(frozen=True)
class Painted:
    """What a layer says of how it was painted. From somebody else's file, so no more than its types are sure.

    arguments: of the filter, by name. size: the style's width and height, digest: SHA-256 of its samples; those of the
    original where it was painted with a copy. tattoo: of the layer that it
    was painted from, whose name and size are source_name and source_size; job: the daemon's name for the painting.
    """

    style: str
    digest: str
    size: tuple[int, int]
    arguments: Mapping[str, Any]
    job: str
    tattoo: int
    source_name: str
    source_size: tuple[int, int]


def origin(source: Any) -> dict[str, object]:
    """By what a layer is found again in its image. Taken before the painting: afterwards it may be gone."""
    return {"tattoo": source.get_tattoo(), "name": source.get_name()}


def keep(layer: Any, source: Mapping[str, object], style: Chosen, result: Result) -> None:
    """Keep with the layer all that it takes to paint it again: the layer that it was painted from (its `origin`), the
    style, and how it was painted. Undone with what else is done to the layer."""
    copy_of = {"copy_of": style.copy_of} if style.copy_of else {}
    attach(layer, style.name, result.record, job=result.job, source=source, **copy_of)
    copy = style.copy or style_copy.made(style.picture)
    if copy:
        layer.attach_parasite(Gimp.Parasite.new(STYLE, FLAGS, copy))


def attach(layer: Any, style_name: str, record: Mapping[str, object], **about: object) -> None:
    """Keep the daemon's record with the layer; the request is part of it."""
    layer.attach_parasite(Gimp.Parasite.new(PARASITE, FLAGS, dump(style_name, record, **about)))


def dump(style_name: str, record: Mapping[str, object], **about: object) -> bytes:
    """The parasite's bytes. Only ASCII: GIMP's Python takes no others."""
    content = {"impasto": __version__, "style": printable(style_name), "record": dict(record), **about}
    return json.dumps(content, ensure_ascii=True, sort_keys=True).encode("ascii")


def read(layer: Any) -> Painted:
    """What the layer keeps of how it was painted. Raises ImpastoError where that is nothing, or nothing to go by."""
    parasite = layer.get_parasite(PARASITE)
    if parasite is None:
        raise _refused(
            _(
                "Impasto did not paint the layer {name}: nothing with it says how. Select a layer that it painted, "
                "or paint this one with Filters ▸ Artistic ▸ Neural Style Transfer…"
            ).format(name=layer.get_name())
        )
    try:
        return parsed(bytes(parasite.get_data()))
    except DAMAGE:
        raise _refused(
            _(
                "What the layer {name} keeps of how it was painted is damaged. Paint its original again with Filters "
                "▸ Artistic ▸ Neural Style Transfer…"
            ).format(name=layer.get_name())
        ) from None


def read_copy(layer: Any) -> bytes:
    """The small copy of the style that the layer keeps, as `style_copy` made it; nothing where there is none."""
    parasite = layer.get_parasite(STYLE)
    return b"" if parasite is None else bytes(parasite.get_data())


def parsed(data: bytes) -> Painted:
    """The parasite's bytes as data. Raises one of DAMAGE."""
    kept = json.loads(data)
    request, source = kept["record"]["request"], kept.get("source", {})
    style, content = kept.get("copy_of", request["styles"][0]), _size(request["content"])
    strokes = schema.number(0)(request["settings"].get("style_size", 0), "style_size")
    return Painted(
        style=schema.text()(kept["style"], "style"),
        digest=schema.text()(style["sha256"], "sha256"),
        size=_size(style),
        arguments={
            "recipe": schema.text()(request["recipe"], "recipe"),
            "strength": schema.number()(request["strength"], "strength"),
            "stroke-size": 100 * strokes / math.sqrt(content[0] * content[1]) if strokes else 100.0,
            "max-size": schema.integer()(request["max_size"], "max_size"),
            "seed": schema.integer()(request["seed"], "seed"),
        },
        job=schema.name_or_nothing(kept.get("job", ""), "job"),
        tattoo=schema.integer(0, 2**32 - 1)(source.get("tattoo", 0), "tattoo"),
        source_name=schema.text()(source.get("name", ""), "name"),
        source_size=content,
    )


def notes(record: Mapping[str, object]) -> list[str]:
    """What the painter wants the artist to know, such as that it painted without VGG19."""
    found = record.get("notes", ())
    return [str(note) for note in found] if isinstance(found, (list, tuple)) else [str(found)]


def layer_name(style_name: str) -> str:
    """`starry_night.jpg` gives `Starry night (style transfer)`."""
    words = PurePath(printable(style_name)).stem.replace("_", " ").strip() or "Impasto"
    return _("{style} (style transfer)").format(style=f"{words[0].upper()}{words[1:]}")


def printable(text: str) -> str:
    """The text with � for what came from a file's name and is no UTF-8: GIMP takes no such texts."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _size(picture: Mapping[str, object]) -> tuple[int, int]:
    side = schema.integer(1, 2**31 - 1)
    return side(picture["width"], "width"), side(picture["height"], "height")


def _refused(sentence: str) -> ImpastoError:
    return ImpastoError(Code.BAD_REQUEST, sentence)
