"""What a batch paints: for each image a sheet, with layers or with an animation's frames, and where each painting goes.

Knows GIMP's images and layers; nothing of jobs or widgets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import colours
import order
import pixels
import record
from gi.repository import Gimp
from impasto_protocol.errors import ImpastoError, bad_request
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request
from language import _, listed
from styles import Chosen

MARK = "impasto-frames"
COPIES = (MARK, "impasto-canvas")
"""Parasites of images that are copies of ours, and none that an artist has opened."""


class Over(ImpastoError):
    """Nothing more can be painted of all this, whatever the code may mean of one painting."""


@dataclass(frozen=True)
class Piece:
    """One painting. name: for people; request: reads what is painted, and raises ImpastoError where it cannot be;
    source: a layer that looks like it, asked for after that; place: puts the painting where it belongs; about: what it
    keeps (`record.about`)."""

    name: str
    request: Callable[[], Request]
    source: Callable[[], Any]
    place: Callable[[Result], None]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Sheet:
    """What an image gets.

    image: where the paintings are; together: all of them at the end, else each when it is there; step: what surrounds
    that; close: nothing more is wanted of it, or the batch was stopped; notes: what the artist should know where any
    is painted.
    """

    name: str
    image: Any
    pieces: Sequence[Piece]
    together: bool
    step: Callable[[], contextlib.AbstractContextManager[None]]
    close: Callable[[bool], None]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Found:
    """What is painted in an image: layers, or the frames that they are, the first one first."""

    image: Any
    layers: Sequence[Any]
    frames: bool = False


def selected_layers(image: Any, drawables: Sequence[Any]) -> list[Found]:
    """What is selected."""
    return [Found(image, [each for each in drawables if each.is_valid()])]


def visible_layers(image: Any, _drawables: Sequence[Any]) -> list[Found]:
    """All that can be seen and is no group, but for what Impasto painted."""
    if not image.is_valid():
        return []
    ours = (record.PARASITE, colours.PARASITE)
    seen = _seen(image.get_layers())
    return [Found(image, [layer for layer in seen if not any(layer.get_parasite(name) for name in ours)])]


def all_images(_image: Any, _drawables: Sequence[Any]) -> list[Found]:
    """Of each image what is selected there."""
    opened = [image for image in Gimp.get_images() if not any(image.get_parasite(name) for name in COPIES)]
    return [Found(each, each.get_selected_layers()) for each in opened]


def frames(image: Any, _drawables: Sequence[Any]) -> list[Found]:
    """All layers, as GIMP plays them."""
    if not image.is_valid():
        return []
    return [Found(image, list(reversed(image.get_layers())), frames=True)]


WHAT: dict[str, Callable[[Any, Sequence[Any]], list[Found]]] = {
    "selected-layers": selected_layers,
    "visible-layers": visible_layers,
    "all-images": all_images,
    "frames": frames,
}
"""By the argument `paint`."""


def found(what: str, image: Any, drawables: Sequence[Any]) -> list[Found]:
    """What there is to paint. Raises ImpastoError."""
    if what not in WHAT:
        sentence = _("paint cannot be {what}. It is one of: {all}").format(what=what, all=listed(WHAT))
        raise bad_request(sentence, field="paint")
    there = [each for each in WHAT[what](image, drawables) if each.layers]
    if not there:
        raise bad_request(_("There is nothing to paint. Select a layer, then try again."))
    return there


def of_layers(image: Any, layers: Sequence[Any], chosen: Mapping[int, Chosen], config: Any) -> Sheet:
    """Each painting above its layer; one undo step for all. What is selected stays selected."""
    wanted = config.get_property(colours.ARGUMENT)
    keep, notes = wanted and colours.are_in(image), colours.note(image) if wanted else []
    known = record.about({}, chosen.values())

    def piece(layer: Any) -> Piece:
        about, contents = {**known, "source": record.origin(layer)}, list[Picture]()

        def request() -> Request:
            asked = order.requested(pixels.only_layer(image, [layer], order.LIMITS), chosen, config)
            if keep:
                contents.append(asked.content)
            return asked

        def place(result: Result) -> None:
            order.insert(image, layer, about, result, contents.pop() if contents else None)

        return Piece(layer.get_name(), request, lambda: layer, place, about)

    pieces = [*map(piece, layers)]
    return Sheet(image.get_name(), image, pieces, True, lambda: one_step(image), lambda _stopped: None, notes)


@contextlib.contextmanager
def one_step(image: Any) -> Iterator[None]:
    """What is done to the image in here is one undo step, and what is selected stays so."""
    if not image.is_valid():
        yield
        return
    selected = image.get_selected_layers()
    image.undo_group_start()
    try:
        yield
    finally:
        image.set_selected_layers([layer for layer in selected if layer.is_valid()])
        image.undo_group_end()


def _seen(layers: Sequence[Any]) -> Iterator[Any]:
    """From the bottom up."""
    for layer in reversed(layers):
        if layer.get_visible():
            if layer.is_group():
                yield from _seen(layer.get_children())
            else:
                yield layer
