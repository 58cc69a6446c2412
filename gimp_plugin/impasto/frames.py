"""The frames of an animation, painted: in GIMP those are an image's layers, the bottom one first.

Each frame is painted as it is seen when the animation plays, into an image of its own, and begins with the painting of
the one before: but for what has changed between the two, which begins as the frame itself. Knows GIMP's images; nothing
of jobs or widgets.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import colours
import order
import pixels
import record
from gi.repository import Gegl, Gimp
from impasto_protocol.errors import Code, bad_request
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Outline, Request, Scalar
from language import _
from sheets import MARK, Over, Piece, Sheet
from styles import Chosen

REPLACE = "(replace)"
"""In a layer's name: it takes the place of the frames before. Without it GIMP lays it over them."""
TAGS = re.compile(r"\s*\((replace|combine)\)", re.IGNORECASE)
SAME, CHANGED = 8, 20
"""Differences of two frames, of 255, up to which they are the same, and from which they are not."""
BLUR = 1 / 64
"""Of the longest side: how far what has changed reaches beyond itself, and over what an area noise is averaged."""
OWN_COLOURS = "oklab"
"""A frame is one layer, so its colours are kept by the engine, and not by a layer of their own."""
LEAST_SAME = 0.25
"""Of a frame: where less of it is as before, as at a cut, it is painted afresh."""


class Frames:
    """The frames of an image, and the image that becomes of them. show: it is shown at once."""

    def __init__(
        self, image: Any, layers: Sequence[Any], chosen: Mapping[int, Chosen], config: Any, show: bool
    ) -> None:
        if image.get_floating_sel() is not None:
            raise bad_request(
                _("The image has a floating selection. Anchor it, or make it a layer, then try again."),
            )
        pixels.check_size(image.get_width(), image.get_height(), order.LIMITS)
        self._name, self._chosen, self._config, self._show = image.get_name(), chosen, config, show
        self._names = [layer.get_name() for layer in layers]
        self._made = emptied(image)
        self._played = duplicate(image)
        self._display: Any = None
        self._layers: dict[int, Any] = {}
        self._painted: list[int] = []

    def sheet(self) -> Sheet:
        """A piece for each frame, put into its place when it is painted: the next one begins with it."""
        about = record.about({}, self._chosen.values())
        # The layer that each is painted from is in another image: there is no tattoo for it here.
        sources = [{"tattoo": 0, "name": name} for name in self._names]
        pieces = [self._piece(number, {**about, "source": source}) for number, source in enumerate(sources)]
        return Sheet(self._name, self._made, pieces, False, lambda: unrecorded(self._made), self._close)

    def _piece(self, number: int, about: Mapping[str, Any]) -> Piece:
        request, layer = partial(self._request, number), partial(self._layers.get, number)
        return Piece(self._names[number], request, layer, partial(self._place, number, about), about)

    def _request(self, number: int) -> Request:
        """The frame as it is seen. It is in the new image from then on, and stays as it is if it cannot be painted."""
        if not self._made.is_valid():
            raise Over(Code.BAD_REQUEST, _("The image was closed meanwhile."))
        if number not in self._layers:
            with unrecorded(self._made):
                layer = self._seen(number, self._made, frame_name(self._names[number]))
                self._made.insert_layer(layer, None, 0)
            self._layers[number] = layer
            if self._show and self._display is None:
                self._display = Gimp.Display.new(self._made)
        request = order.requested(self._layers[number], self._chosen, self._config)
        return replace(request, settings={**request.settings, **settings(self._config)}, start=self._start(number))

    def _place(self, number: int, about: Mapping[str, Any], result: Result) -> None:
        layer, kept = self._layers[number], record.made(about, result)
        pixels.repaint(layer, pixels.extent(layer), result.pictures[0])
        record.keep(layer, kept)
        self._painted.append(number)

    def _close(self, stopped: bool) -> None:
        """Of a batch that was stopped the frame that was being painted goes; where nothing was painted all of it."""
        self._played.delete()
        if not self._made.is_valid():
            return
        if not self._painted:
            if self._display is None:
                self._made.delete()
            elif self._display.is_valid():
                self._display.delete()  # and with its only display GIMP deletes an image
            return
        last = max(self._layers, default=-1)
        if stopped and last >= 0 and last not in self._painted:
            with unrecorded(self._made):
                self._made.remove_layer(self._layers[last])

    def _start(self, number: int) -> Picture | None:
        """The last painting, transparent where this frame is another; none where there is little to begin with."""
        if not self._painted:
            return None
        before = self._painted[-1]
        painting = pixels.read_eight_bit(self._layers[before])
        changed = self._changed(before, number)
        alpha = bytes(map(min, painting.data[3::4], changed.translate(TAKEN_OVER)))
        if sum(alpha) < LEAST_SAME * 255 * len(alpha):
            return None
        data = bytearray(painting.data)
        data[3::4] = alpha
        return replace(painting, data=bytes(data))

    def _changed(self, before: int, number: int) -> bytes:
        """How much the two frames differ around each pixel, a byte each."""
        width, height = self._played.get_width(), self._played.get_height()
        desk = Gimp.Image.new(width, height, Gimp.ImageBaseType.RGB)
        try:
            for each in (before, number):
                layer = self._seen(each, desk, "")
                desk.insert_layer(layer, None, 0)
            layer.set_mode(Gimp.LayerMode.DIFFERENCE)
            difference = Gimp.Layer.new_from_visible(desk, desk, "")
            desk.insert_layer(difference, None, 0)
            difference.desaturate(Gimp.DesaturateMode.VALUE)
            blur = Gimp.DrawableFilter.new(difference, "gegl:gaussian-blur", "")
            for axis in ("std-dev-x", "std-dev-y"):
                blur.get_config().set_property(axis, BLUR * max(width, height))
            blur.update()
            difference.merge_filter(blur)
            whole = Gegl.Rectangle.new(0, 0, width, height)
            return bytes(difference.get_buffer().get(whole, 1.0, "Y' u8", Gegl.AbyssPolicy.NONE))
        finally:
            desk.delete()

    def _seen(self, number: int, image: Any, name: str) -> Any:
        """A frame as it plays, as a new layer for this image: with those before it that it is laid over."""
        first = number
        while first > 0 and REPLACE not in self._names[first].lower():
            first -= 1
        return composed(self._played, range(first, number + 1), image, name)


TAKEN_OVER = bytes(round(255 * min(1.0, max(0.0, (CHANGED - value) / (CHANGED - SAME)))) for value in range(256))
"""From how much a pixel differs to how much of the last painting is begun with there."""


def frame_name(name: str) -> str:
    """The name of a painted frame: its own, with the time that it is shown for, and that it replaces the others."""
    return f"{TAGS.sub('', name).strip()} {REPLACE}".strip()


def first(image: Any) -> Any:
    """The first frame as it plays, in an RGB image that the caller deletes; None where a selection floats."""
    if image.get_floating_sel() is not None:
        return None
    played = duplicate(image)
    if played.get_base_type() != Gimp.ImageBaseType.RGB:
        played.convert_rgb()
    layer = composed(played, range(1), played, "")
    played.insert_layer(layer, None, 0)
    return layer


def outlines(frame: Any, chosen: Mapping[int, Chosen], config: Any) -> tuple[Outline, Outline]:
    """What painting a frame is: the first one, and one that begins with the painting of the one before."""
    afresh = order.outline(frame, chosen, config)
    afresh = replace(afresh, settings={**afresh.settings, **settings(config)})
    return afresh, replace(afresh, start=True)


def settings(config: Any) -> dict[str, Scalar]:
    """What is asked of the recipe for a frame, and not for a layer."""
    return {"colour": OWN_COLOURS} if config.get_property(colours.ARGUMENT) else {}


def duplicate(image: Any) -> Any:
    """A copy that nobody sees, marked as such."""
    copy = image.duplicate()
    copy.undo_disable()
    copy.attach_parasite(Gimp.Parasite.new(MARK, 0, b"frames"))
    return copy


def composed(played: Any, frames: range, image: Any, name: str) -> Any:
    """These of an image's frames, the first one 0, as they are seen together: a new layer for another image."""
    for place, layer in enumerate(reversed(played.get_layers())):
        layer.set_visible(place in frames)
    return Gimp.Layer.new_from_visible(played, image, name)


def emptied(image: Any) -> Any:
    """A copy of the image without its layers, in RGB: a palette would be too poor for a painting."""
    copy = image.duplicate()
    try:
        copy.undo_disable()
        if copy.get_base_type() != Gimp.ImageBaseType.RGB:
            copy.convert_rgb()
        for layer in copy.get_layers():
            copy.remove_layer(layer)
        copy.undo_enable()
    except BaseException:
        copy.delete()
        raise
    return copy


@contextlib.contextmanager
def unrecorded(image: Any) -> Iterator[None]:
    """Of an image that is only being made nothing is to be undone."""
    if not image.is_valid():
        yield
        return
    image.undo_disable()
    try:
        yield
    finally:
        image.undo_enable()
