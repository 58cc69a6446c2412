"""A batch before it is begun: how many paintings there will be, which one is tried, and what all of them will take.

Knows GIMP's images and layers, and the arguments; nothing of the daemon or of widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import frames
import order
import pixels
import sheets
from impasto_protocol.request import Outline, Scalar
from styles import Chosen


class Row:
    """What is painted in an image where these layers are selected. what: gives the value of `paint`."""

    def __init__(self, image: Any, drawables: list[Any], what: Callable[[], str]) -> None:
        self._image, self._drawables, self._what = image, drawables, what
        self._frame: Any = None

    def close(self) -> None:
        """Nothing more is shown of it."""
        if self._frame is not None:
            self._frame.get_image().delete()
            self._frame = None

    def count(self, what: str) -> int:
        """How many paintings a value of `paint` makes."""
        return len(self._layers(what))

    def first(self) -> Any:
        """The layer to try the values on: the first one that is selected, if it is painted, else the first painted.

        Of an animation a first frame as it plays. None where nothing is painted.
        """
        if self._what() == "frames":
            if self._frame is None and self._layers("frames"):
                self._frame = frames.first(self._image)
            return self._frame
        layers = self._layers(self._what())
        painted = {layer.get_id() for layer in layers}
        return next((layer for layer in [*self._drawables, *layers] if layer.get_id() in painted), None)

    def outlines(self, chosen: Mapping[int, Chosen], config: Any) -> list[tuple[int, Outline]]:
        """What would be painted, and how often: alike ones once, the one that is tried among the first."""
        tried = self.first()
        if tried is None:
            return []
        if self._what() == "frames":
            one, more = frames.outlines(tried, chosen, config), self.count("frames") - 1
            return [(1, one[0]), *([(more, one[1])] if more else [])]
        alike = {pixels.shape(tried): [0, tried]}
        for layer in self._layers(self._what()):
            alike.setdefault(pixels.shape(layer), [0, layer])[0] += 1
        return [(number, order.outline(layer, chosen, config)) for number, layer in alike.values()]

    def settings(self, config: Any) -> dict[str, Scalar]:
        """What is asked of the recipe beside what a layer alone is painted with."""
        return frames.settings(config) if self._what() == "frames" else {}

    def _layers(self, what: str) -> list[Any]:
        """Those that are painted. A dialog stays open while an artist closes images."""
        if not self._image.is_valid():
            return []
        found = sheets.WHAT.get(what, sheets.selected_layers)(self._image, self._drawables)
        return [layer for each in found for layer in each.layers if layer.is_valid()]
