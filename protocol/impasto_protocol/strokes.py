"""Stroke size: in per cent, as people give it, and in pixels, as the recipes' setting `style_size` has it.

At 100 strokes are as large as in the style when that is laid over the content. Numbers alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from . import schema
from .request import Scalar

SETTING = "style_size"


def side(percent: float, width: float, height: float) -> float:
    """The side in pixels of a square as large as the style, for a content of this size."""
    return percent / 100 * math.sqrt(width * height)


def settings(percent: float, width: int, height: int) -> dict[str, Scalar]:
    """A recipe's settings for it: none at 100, where the recipe's own is the same."""
    return {} if percent == 100 else {SETTING: side(percent, width, height)}


def percent(settings: Mapping[str, object], width: int, height: int) -> float:
    """The other way round. Raises ProtocolError where the setting is no number from 0 up."""
    told = schema.number(0)(settings.get(SETTING, 0), SETTING)
    return 100 * told / side(100, width, height) if told else 100.0
