"""Which part of a layer the preview paints, and how, so that its strokes are those of the whole. Numbers only."""

from __future__ import annotations

import math
from dataclasses import dataclass

SIDE = 224
"""Sides in pixels of the part, at the size that the whole layer is to be painted at."""


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
    side = max(1, round(SIDE / scale(width, height, max_size)))
    wide, high = min(width, side), min(height, side)
    left = min(max(0, round(centre[0] - wide / 2)), width - wide)
    top = min(max(0, round(centre[1] - high / 2)), height - high)
    return Part(left, top, wide, high)


def stroke_side(width: int, height: int, max_size: int, style: tuple[int, int], stroke_size: float) -> float:
    """The side of a square of the style's area in pixels of the painting, when a whole layer of this size is painted.

    There, a style is not enlarged beyond its own size at 100 per cent; `style_size` says the same for a part.
    """
    side = math.sqrt(width * height) * scale(width, height, max_size)
    if stroke_size == 100:
        side = min(side, math.sqrt(style[0] * style[1]))
    return side * stroke_size / 100
