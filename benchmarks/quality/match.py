"""Equal likeness to the content: the content weight at which a recipe keeps as much of the motif as another does.

Recipes choose their own balance of motif and manner, and whoever keeps less of the motif comes closer to the style. A
distance to the style says something only at equal likeness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

NEAR = 0.02
"""Difference of the likeness that counts as equal."""
RUNS = 4
"""How many more pictures a search may paint."""
STRIDE = 4.0
"""First factor by which the weight is changed."""
FARTHEST = 1e6
"""The largest factor, and one over the smallest."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Tried(Generic[Value]):
    """A factor on the content weight, the likeness that came of it, and what else its maker knows of it."""

    factor: float
    likeness: float
    value: Value


def search(
    try_factor: Callable[[float], Tried[Value]], first: Tried[Value], wanted: float, guess: float = 1.0
) -> list[Tried[Value]]:
    """Everything tried, `first` included, from the nearest to the wanted likeness on.

    The likeness grows with the factor, about linearly in its logarithm: strides until the wanted one is enclosed,
    then between the two nearest on either side (regula falsi, kept away from their ends). guess: a factor to begin
    with, such as another pair's; 1 for none.
    """
    tried = [first]
    if guess != 1.0 and abs(first.likeness - wanted) > NEAR:
        tried.append(try_factor(guess))
    while len(tried) <= RUNS and abs(_nearest(tried, wanted).likeness - wanted) > NEAR:
        factor = _next(tried, wanted)
        if factor is None:
            break
        tried.append(try_factor(factor))
    return sorted(tried, key=lambda each: abs(each.likeness - wanted))


def _nearest(tried: list[Tried[Value]], wanted: float) -> Tried[Value]:
    return min(tried, key=lambda each: abs(each.likeness - wanted))


def _next(tried: list[Tried[Value]], wanted: float) -> float | None:
    """The factor to try next; None if there is no sense in a further one."""
    below = max((t for t in tried if t.likeness <= wanted), key=lambda t: t.factor, default=None)
    above = min((t for t in tried if t.likeness > wanted), key=lambda t: t.factor, default=None)
    if below is None or above is None:
        edge = above or below
        assert edge is not None
        stride = STRIDE ** (1 + len(tried) // 2)
        factor = edge.factor / stride if below is None else edge.factor * stride
        return factor if 1 / FARTHEST <= factor <= FARTHEST else None
    low, high = math.log(below.factor), math.log(above.factor)
    share = (wanted - below.likeness) / (above.likeness - below.likeness)
    return math.exp(low + min(max(share, 0.15), 0.85) * (high - low))
