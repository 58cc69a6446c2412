"""What is asked of the daemon, for a layer and a filter's arguments, and how the painting becomes a layer above it.

Knows GIMP's layers and the arguments; nothing of jobs, dialogs or return values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import colours
import pixels
import record
import styles
from impasto_protocol import strokes
from impasto_protocol.errors import bad_request
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Outline, Request
from language import _
from styles import Chosen

LIMITS = Limits()
"""What is refused before a pixel is read; the daemon that answers may take less."""


def requested(source: Any, chosen: Mapping[int, Chosen], config: Any) -> Request:
    """What the filter's arguments ask for. Raises ImpastoError where there is nothing to paint."""
    content = pixels.read(source)
    pixels.check_visible(content)
    return Request(
        content=content,
        styles=styles.weighed(config, chosen),
        seed=config.get_property("seed"),
        **values(config, *content.size),
    )


def outline(source: Any, chosen: Mapping[int, Chosen], config: Any) -> Outline:
    """The same without its pixels, of which none is read. Raises ImpastoError where it is gone."""
    pixels.check_there(source)
    content = pixels.shape(source)
    shapes = tuple(style.picture.shape for style in chosen.values())
    return Outline(content=content, styles=shapes, **values(config, *content.size))


def values(config: Any, width: int, height: int) -> dict[str, Any]:
    """How a layer of this size is to be painted, as far as it costs anything."""
    return {
        "recipe": config.get_property("recipe"),
        "strength": config.get_property("strength"),
        "max_size": config.get_property("max-size"),
        "settings": strokes.settings(config.get_property("stroke-size"), width, height),
    }


def insert(image: Any, source: Any, about: Mapping[str, Any], result: Result, content: Picture | None = None) -> None:
    """The painting as a layer above its source, which may be gone: `about` says which it was.

    content: the source's pixels, where the painting is to have their colours.
    Raises ImpastoError, or whatever GIMP has against it.
    """
    if not image.is_valid():
        raise bad_request(_("The image was closed meanwhile."))
    name = record.layer_name(*(style["style"] for style in about["styles"]))
    layer = pixels.new_layer(image, source, result.pictures[0], name)
    try:
        record.keep(layer, record.made(about, result))
        if content is None:
            pixels.show_selected(layer)
            pixels.insert_above(image, source, layer)
        else:
            colours.insert_above(image, source, layer, content)
    except BaseException:
        layer.delete()
        raise
