"""From a request to the plans for painting it: what the painter goes by, and what the forecast says of it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from impasto_protocol.request import Request

from .engine.plan import Means, Plan, plans
from .engine.recipes import Recipe


def plans_for(request: Request, recipe: Recipe, means: Means) -> Sequence[Plan]:
    """The ways to paint a request by this recipe, the best first."""
    content = request.content
    if request.resume:  # who goes on from an earlier painting has the smaller sizes behind it
        recipe = replace(recipe, levels=1, steps=recipe.steps[-1:])
    return plans(
        content.height,
        content.width,
        recipe,
        means,
        max_size=request.max_size,
        styles=[(style.picture.height, style.picture.width) for style in request.styles],
        channels=content.channels,
        masks=len(request.masks),
    )
