"""The sizes at which a picture is painted, from coarse to fine. No torch here: it can be reckoned before painting."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .recipe import Recipe

FIXED_WORK = 64**2
"""What an evaluation costs beside its pixels, in pixels."""
MOST_STYLE = 8.0
"""Sides of the content: of what is larger than that, hardly a stroke would fit, and looking at it takes long."""


@dataclass(frozen=True)
class Level:
    """One size of the pyramid: height and width in pixels, and how many evaluations are spent on it."""

    height: int
    width: int
    steps: int

    @property
    def work(self) -> float:
        """Of one evaluation, relative to another level's: its pixels, and a little for what does not depend on them."""
        return self.height * self.width + FIXED_WORK


def levels(height: int, width: int, recipe: Recipe, max_size: int = 0) -> tuple[Level, ...]:
    """The sizes for a content of height × width, the coarsest first.

    The last is the content's own, or smaller so that its longest side is max_size (0: no bound). The others are divided
    by the recipe's `factor`, as long as neither a square of the content's area nor one of the style's has a side below
    `coarsest`, and at most `levels` in all.
    """
    whole, longest = (height, width), max(height, width)
    scale = min(1.0, max_size / longest) if max_size else 1.0

    def side(scale: float) -> float:
        content = math.sqrt(height * width) * scale
        style = style_side(height * scale, width * scale, whole, recipe)
        return min(content, style) if recipe.style_size else content

    sizes = [fitted(height, width, scale)]
    while recipe.coarsest and len(sizes) < recipe.levels and round(side(scale / recipe.factor)) >= recipe.coarsest:
        scale /= recipe.factor
        sizes.insert(0, fitted(height, width, scale))
    last = len(recipe.steps) - 1
    return tuple(Level(h, w, recipe.steps[min(i, last)]) for i, (h, w) in enumerate(sizes))


def style_side(height: float, width: float, whole: tuple[int, int], recipe: Recipe) -> float:
    """The side of a square of the style's area, in pixels, where the content has this size and not its `whole` one."""
    if recipe.style_size:
        own = math.sqrt(whole[0] * whole[1])
        return min(recipe.style_size / own, MOST_STYLE) * math.sqrt(height * width)
    return math.sqrt(height * width) * recipe.style_scale


def fitted(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width times scale, in whole pixels, at least one."""
    return max(1, round(height * scale)), max(1, round(width * scale))
