"""How a layer was painted, kept with the layer: the parasites "impasto" and "impasto-style", and the layer's name.

The first is ASCII JSON, the second a small copy of the style; those of further styles are "impasto-style-2" and so on.
All stay in the XCF file. They hold no paths: pictures are shared, home folders are not. For the same reason nothing is
believed of what is read from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import style_copy
from gi.repository import Gimp
from impasto_protocol import __version__, schema, strokes
from impasto_protocol.errors import ProtocolError, bad_request
from impasto_protocol.messages import Result
from language import _, plural
from styles import NUMBERS, WEIGHT, WEIGHTS, Chosen, argument

PARASITE, STYLE = "impasto", "impasto-style"
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, ProtocolError)
"""What reading a parasite may raise that somebody else has written."""
FLAGS = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE


@dataclass(frozen=True)
class PaintedStyle:
    """A style that a layer was painted with: its name, width and height, and the SHA-256 of its samples; those of the
    original where it was painted with a copy."""

    name: str
    digest: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Painted:
    """What a layer says of how it was painted. From somebody else's file, so no more than its types are sure.

    styles: one at least. arguments: of the filter, by name. tattoo: of the layer that it was painted from, whose name
    and size are source_name and source_size; job: the daemon's name for the painting.
    step: where it is an earlier iterate of the painting, which one; else 0.
    """

    styles: tuple[PaintedStyle, ...]
    arguments: Mapping[str, Any]
    job: str
    tattoo: int
    source_name: str
    source_size: tuple[int, int]
    step: int = 0


def origin(source: Any) -> dict[str, object]:
    """By what a layer is found again in its image. Taken before the painting: afterwards it may be gone."""
    return {"tattoo": source.get_tattoo(), "name": source.get_name()}


def copied(chosen: Mapping[int, Chosen]) -> dict[int, Chosen]:
    """These styles, each with its small copy, which takes a moment to make."""
    return {
        number: replace(style, copy=style.copy or style_copy.made(style.picture)) for number, style in chosen.items()
    }


def about(source: Mapping[str, object], styles: Iterable[Chosen]) -> dict[str, Any]:
    """All that a layer keeps and that is known before it is painted, as JSON has it: the layer that it is painted from
    (its `origin`), what is told of the styles, and their copies (see `copied`)."""
    used = list(styles)
    told = [named(style.name) | ({"copy_of": dict(style.copy_of)} if style.copy_of else {}) for style in used]
    return {"source": dict(source), "styles": told, "copies": [style.copy.decode("ascii") for style in used]}


def about_named(styles: Iterable[str]) -> dict[str, Any]:
    """The same of a painting of which only the styles' names are known."""
    return {"styles": [named(style) for style in styles]}


def made(about: Mapping[str, Any], result: Result) -> dict[str, bytes]:
    """By the parasites' names, all that it takes to paint a layer again: what was known before, and how it was painted.

    Raises one of DAMAGE where `about` is not as it was made.
    """
    which = {"step": result.step} if result.step else {}
    source = {"source": about["source"]} if "source" in about else {}
    content = dump(about["styles"], result.record, job=result.job, **source, **which)
    copies = {argument(STYLE, number): copy.encode("ascii") for number, copy in enumerate(about.get("copies", ()), 1)}
    return {PARASITE: content, **{name: copy for name, copy in copies.items() if copy}}


def keep(layer: Any, made: Mapping[str, bytes]) -> None:
    """Keep that with the layer, and nothing of an earlier painting. Undone with what else is done to the layer."""
    for name in (PARASITE, *(argument(STYLE, number) for number in NUMBERS)):
        if name in made:
            layer.attach_parasite(Gimp.Parasite.new(name, FLAGS, made[name]))
        elif layer.get_parasite(name) is not None:  # of a style that it was painted with before
            layer.detach_parasite(name)


def named(style: str) -> dict[str, object]:
    """What is told of a style of which no more is known."""
    return {"style": printable(style)}


def dump(styles: Sequence[Mapping[str, object]], record: Mapping[str, object], **about: object) -> bytes:
    """The parasite's bytes. Only ASCII: GIMP's Python takes no others."""
    first, *more = styles
    others = {"more": more} if more else {}
    content = {"impasto": __version__, **first, **others, "record": dict(record), **about}
    return json.dumps(content, ensure_ascii=True, sort_keys=True).encode("ascii")


def read(layer: Any) -> Painted:
    """What the layer keeps of how it was painted. Raises ImpastoError where that is nothing, or nothing to go by."""
    parasite = layer.get_parasite(PARASITE)
    if parasite is None:
        raise bad_request(
            _(
                "Impasto did not paint the layer {name}: nothing with it says how. Select a layer that it painted, "
                "or paint this one with Filters ▸ Artistic ▸ Neural Style Transfer…"
            ).format(name=layer.get_name())
        )
    try:
        return parsed(bytes(parasite.get_data()))
    except DAMAGE:
        raise bad_request(
            _(
                "What the layer {name} keeps of how it was painted is damaged. Paint its original again with Filters "
                "▸ Artistic ▸ Neural Style Transfer…"
            ).format(name=layer.get_name())
        ) from None


def read_copies(layer: Any) -> dict[int, bytes]:
    """The small copies of the styles that the layer keeps, by their numbers, as `style_copy` made them."""
    parasites = {number: layer.get_parasite(argument(STYLE, number)) for number in NUMBERS}
    return {number: bytes(parasite.get_data()) for number, parasite in parasites.items() if parasite is not None}


def parsed(data: bytes) -> Painted:
    """The parasite's bytes as data. Raises one of DAMAGE."""
    kept = json.loads(data)
    request, source = kept["record"]["request"], kept.get("source", {})
    asked, content = request["styles"][: len(NUMBERS)], _size(request["content"])
    told = [kept, *schema.list_of(lambda it, _where: it)(kept.get("more", []), "more")]
    return Painted(
        styles=tuple(_style(*each) for each in zip(told, asked)),
        arguments={
            **_weights(asked),
            "recipe": schema.name(request["recipe"], "recipe"),
            "strength": schema.number()(request["strength"], "strength"),
            "stroke-size": strokes.percent(request["settings"], *content),
            "max-size": schema.integer()(request["max_size"], "max_size"),
            "seed": schema.integer()(request["seed"], "seed"),
        },
        job=schema.name_or_nothing(kept.get("job", ""), "job"),
        tattoo=schema.integer(0, 2**32 - 1)(source.get("tattoo", 0), "tattoo"),
        source_name=schema.text()(source.get("name", ""), "name").replace("\0", ""),  # GIMP's names have none
        source_size=content,
        step=schema.integer()(kept.get("step", 0), "step"),
    )


def notes(record: Mapping[str, object]) -> list[str]:
    """What the painter wants the artist to know, such as that it painted without VGG19."""
    found = record.get("notes", ())
    return [str(note) for note in found] if isinstance(found, (list, tuple)) else [str(found)]


def names(styles: Iterable[Chosen | PaintedStyle]) -> tuple[str, ...]:
    """What these styles are called."""
    return tuple(style.name for style in styles)


def layer_name(first: str, *others: str) -> str:
    """`starry_night.jpg` gives `Starry night (style transfer)`, and `Starry night and 2 more (style transfer)` with two
    styles beside it."""
    words = PurePath(printable(first)).stem.replace("_", " ").strip() or "Impasto"
    style = f"{words[0].upper()}{words[1:]}"
    if others:
        style = plural("{style} and {count} more", "{style} and {count} more", len(others)).format(
            style=style, count=len(others)
        )
    return _("{style} (style transfer)").format(style=style)


def printable(text: str) -> str:
    """The text with � for what came from a file's name and is no UTF-8: GIMP takes no such texts."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _style(told: Mapping[str, Any], asked: Mapping[str, Any]) -> PaintedStyle:
    original = told.get("copy_of", asked)
    digest = schema.text()(original["sha256"], "sha256")
    return PaintedStyle(schema.shown(schema.text()(told["style"], "style"), 255), digest, _size(original))


def _weights(styles: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The arguments for the weights of these styles, of which the heaviest has 100; of others it is the default."""
    weights = [schema.number(0, 1e6)(style.get("weight", 1.0), "weight") for style in styles]
    heaviest = max(weights)
    if not heaviest:
        raise ValueError("no style has a weight")
    return dict.fromkeys(WEIGHTS, 100.0) | {
        argument(WEIGHT, number): 100 * weight / heaviest for number, weight in zip(NUMBERS, weights)
    }


def _size(picture: Mapping[str, object]) -> tuple[int, int]:
    side = schema.integer(1, 2**31 - 1)
    return side(picture["width"], "width"), side(picture["height"], "height")
