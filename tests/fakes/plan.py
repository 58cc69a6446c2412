"""Plans that tests can reckon with: all in one piece, or in six where that takes too much memory."""

from __future__ import annotations

from collections.abc import Sequence

from impasto_daemon.engine.plan import Means as Means
from impasto_daemon.engine.plan import Plan
from impasto_daemon.engine.recipes import Recipe
from impasto_protocol.errors import Code, ImpastoError


def plans(
    height: int,
    width: int,
    recipe: Recipe,
    means: Means,
    *,
    max_size: int = 0,
    styles: Sequence[tuple[int, int]] = (),
    channels: int = 3,
    masks: int = 0,
) -> tuple[Plan, ...]:
    scale = min(1.0, max_size / max(height, width)) if max_size else 1.0
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    work = 1e6 * height * width * recipe.steps[-1]
    seconds = work / means.flops if means.flops else None
    each = (1000 if means.half else 2000) * height * width
    return tuple(
        Plan(0, tiles, recipe.history, False, 400_000_000 + each // tiles, seconds, width, height, recipe.steps[-1])
        for tiles in (1, 6)
    )


def chosen(plans: Sequence[Plan], means: Means) -> Plan:
    for plan in plans:
        if plan.bytes <= means.memory:
            return plan
    raise ImpastoError(Code.OUT_OF_MEMORY, "too large")
