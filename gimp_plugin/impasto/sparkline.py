"""A course of numbers as a small picture of a line. Pure bytes: GIMP's Python has no cairo everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

Colour = tuple[int, int, int]


def drawn(values: Sequence[float], width: int, height: int, colour: Colour) -> bytes:
    """The course as width × height pixels of RGBA, the line in this colour and all else transparent.

    The first value is on the left, the last on the right; the largest at the top, the smallest at the bottom, in
    proportion to their logarithms, for losses fall by orders of magnitude. Fewer than two positive values: no line.
    """
    pixels = bytearray(width * height * 4)
    course = [math.log(value) for value in values if value > 0 and math.isfinite(value)]
    if len(course) > 1:
        low, high = min(course), max(course)
        rows = [_row(_at(course, x / max(1, width - 1)), low, high, height) for x in range(width)]
        for x, (row, before) in enumerate(zip(rows, [rows[0], *rows])):
            for y in range(min(row, before), max(row, before) + 1):
                at = (y * width + x) * 4
                pixels[at : at + 4] = bytes((*colour, 255))
    return bytes(pixels)


def _at(course: Sequence[float], share: float) -> float:
    """The course at this share of its length, 0 to 1, between two of its values in proportion."""
    place = share * (len(course) - 1)
    left = min(int(place), len(course) - 2)
    return course[left] + (place - left) * (course[left + 1] - course[left])


def _row(value: float, low: float, high: float, height: int) -> int:
    """0 at the top, for the highest; a course that does not change lies in the middle."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round((1 - share) * (height - 1))
