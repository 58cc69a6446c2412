"""Which part of a layer the preview paints, and how, so that its strokes are those of the whole. Numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from impasto_protocol.strokes import SETTING, side

SIDE = 224
"""Sides in pixels of the part, at the size that the whole layer is to be painted at."""
MOST_SCALE = 4.0
"""The largest `style_scale` that daemons take."""


@dataclass(frozen=True)
class Part:
    """In the layer's pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.width, self.height


def scale(width: int, height: int, max_size: int) -> float:
    """Of the size that a layer is painted at, against its own; 1 at most. max_size: 0 for its own."""
    return min(1.0, max_size / max(width, height)) if max_size else 1.0


def around(centre: tuple[float, float], width: int, height: int, max_size: int) -> Part:
    """The part around this point, moved so that it lies within the layer of this size."""
    longest = max(1, round(SIDE / scale(width, height, max_size)))
    wide, high = min(width, longest), min(height, longest)
    left = min(max(0, round(centre[0] - wide / 2)), width - wide)
    top = min(max(0, round(centre[1] - high / 2)), height - high)
    return Part(left, top, wide, high)


def strokes(
    whole: tuple[float, float], seen: tuple[int, int], styles: Sequence[tuple[int, int]], stroke_size: float
) -> dict[str, float]:
    """The recipe's fields with which each style's strokes in a part are those of the whole layer.

    whole, seen: sizes of the layer and of the part as they are painted. There, at 100 per cent, each style is as large
    as the whole, but not enlarged; at another percentage all are of that size. Where a style of the size of the whole
    would be too large for the part, the largest of them says how large all are.
    """
    share = max(1.0, side(100, *whole) / side(100, *seen))
    if stroke_size != 100:
        return {SETTING: side(stroke_size, *whole)}
    if share <= MOST_SCALE:
        return {"style_scale": share}
    return {SETTING: min(side(100, *whole), max(side(100, *style) for style in styles))}
