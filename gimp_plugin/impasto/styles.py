"""What the artist chose as styles, each as a Picture with a name: a file, a layer of an open image, or a pattern.

Knows GIMP's layers and patterns; files are `style_file`'s. Knows nothing of widgets, jobs or sockets.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pixels
import preset_styles
import style_file
import style_memory
from gi.repository import Gimp
from impasto_protocol.errors import Code, ImpastoError, bad_request
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.request import Style
from language import _, listed, numeral

NUMBERS = (1, 2, 3, 4)
"""Of the styles that one painting may have; the arguments of all but the first end with their number."""
WEIGHT = "style-weight"
"""The argument for a style's share, against those of the others; with 0 it is left out."""


class NoStyle(ImpastoError):
    """None is chosen yet."""


@dataclass(frozen=True)
class Chosen:
    """A style: its pixels, and what to call it (a file's name, a layer's, a pattern's).

    path: of a file. copy: a small copy of the style, where there is one already; copy_of: where the pixels are those of
    the copy and no more, the original's size and digest, as a record has them.
    """

    name: str
    picture: Picture
    path: Path | None = None
    copy: bytes = b""
    copy_of: Mapping[str, object] = field(default_factory=dict)


def chosen(
    config: Any, image: Any, limits: Limits, own: Callable[[int], Chosen | None] = lambda _number: None
) -> dict[int, Chosen]:
    """The styles to paint with in this image, by their numbers. Raises ImpastoError.

    own: the style with this number, if there is one, where the arguments name none.
    """
    styles = ((number, _chosen(config, number, image, limits, own)) for number in weighty(config))
    found = {number: style for number, style in styles if style is not None}
    if not found:
        if not any(given(config, number) for number in NUMBERS):
            raise NoStyle(Code.BAD_REQUEST, _("Choose a style picture first."))
        raise bad_request(_("Choose a style picture first: no style was given, or none with a weight above 0."))
    return found


def weighed(config: Any, chosen: Mapping[int, Chosen]) -> tuple[Style, ...]:
    """These styles for a request: the weight of the heaviest is 1."""
    weights = {number: config.get_property(argument(WEIGHT, number)) for number in chosen}
    heaviest = max(weights.values())
    return tuple(Style(style.picture, weights[number] / heaviest) for number, style in chosen.items())


def remember(used: Iterable[Chosen]) -> None:
    """These were painted with: their files are the recent ones, the first one the latest."""
    for style in reversed([*used]):
        if style.path is not None:
            style_memory.remember(style.picture.sha256(), style.path)


def weighty(config: Any) -> list[int]:
    """The numbers of the styles that count, if there are such styles."""
    return [number for number in NUMBERS if config.get_property(argument(WEIGHT, number)) != 0]


def given(config: Any, number: int) -> list[str]:
    """The KINDS that are named for the style with this number; one at most is right."""
    return [kind for kind in KINDS if config.get_property(argument(kind, number)) is not None]


def argument(name: str, number: int) -> str:
    """The argument for the style with this number: `style-file`, `style-file-2`, …"""
    return name if number == 1 else f"{name}-{number}"


def _chosen(config: Any, number: int, image: Any, limits: Limits, own: Callable[[int], Chosen | None]) -> Chosen | None:
    kinds = given(config, number)
    if len(kinds) > 1:
        names = listed(argument(kind, number) for kind in kinds)
        raise bad_request(_("Give a style as one of these, not as several: {names}").format(names=names))
    if not kinds:
        return own(number)
    return KINDS[kinds[0]](config.get_property(argument(kinds[0], number)), image, limits)


def _file(file: Any, _image: Any, limits: Limits) -> Chosen:
    path = style_file.checked(file, limits)
    picture, came = style_file.load(path, limits), preset_styles.known(path)
    if came is None or came.digest == picture.sha256():
        return Chosen(path.name, picture, path)
    width, height = came.size
    original = {"sha256": came.digest, "width": width, "height": height}
    return Chosen(came.name, picture, path, base64.b64encode(came.copy), original)


def _layer(layer: Any, image: Any, limits: Limits) -> Chosen:
    """A layer as it looks. Of another image than the one that is painted in, only what is selected there."""
    if not pixels.is_there(layer):
        raise bad_request(_("The layer chosen as the style is gone. Choose another one."))
    home = layer.get_image()
    if home.get_id() == image.get_id() or Gimp.Selection.is_empty(home):
        _check(layer.get_width(), layer.get_height(), layer.get_name(), limits)
        return Chosen(layer.get_name(), pixels.read(layer))
    return Chosen(layer.get_name(), _selected_part(layer, home, limits))


def _selected_part(layer: Any, home: Any, limits: Limits) -> Picture:
    """The part that is selected, and transparent where it is less so; nothing happens to the image itself."""
    inside, *box = layer.mask_intersect()
    if not inside:
        raise bad_request(
            _("The selection lies outside the layer {name}: there is no style in it.").format(name=layer.get_name())
        )
    _check(box[2], box[3], layer.get_name(), limits)
    copy = home.duplicate()
    try:
        copy.undo_disable()
        part = pixels.twin(copy, layer)
        if part.is_group():
            part = part.merge()
        part.set_lock_content(False)
        part.add_alpha()
        Gimp.Selection.invert(copy)
        part.edit_clear()
        return pixels.read(part, box)
    finally:
        copy.delete()


def _pattern(pattern: Any, _image: Any, _limits: Limits) -> Chosen:
    return Chosen(pattern.get_name(), pixels.read_pattern(pattern))


KINDS: dict[str, Callable[[Any, Any, Limits], Chosen]] = {
    "style-file": _file,
    "style-layer": _layer,
    "style-pattern": _pattern,
}
"""The filter's argument for the first style to what makes a style of its value."""

ARGUMENTS = tuple(argument(kind, number) for number in NUMBERS for kind in KINDS)
"""All that name styles."""
WEIGHTS = tuple(argument(WEIGHT, number) for number in NUMBERS)


def _check(width: int, height: int, name: str, limits: Limits) -> None:
    """Before a pixel is read."""
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise ImpastoError(
            Code.TOO_LARGE,
            _(
                "The layer {name} has {width}×{height} pixels, more than Impasto takes as a style ({side} a side, "
                "{pixels} in all). Select a part of it."
            ).format(name=name, width=width, height=height, side=numeral(limits.side), pixels=numeral(limits.pixels)),
        )
