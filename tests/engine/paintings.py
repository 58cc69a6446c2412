"""Painting to the end, and pictures to paint with, for the tests of what an artist can ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from impasto_daemon.engine import recipes, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.features import Features
from impasto_daemon.engine.optimise import State
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor


def altered(name: str, **settings: object) -> Recipe:
    """A recipe with settings, as a user gives them."""
    return recipes.override(recipes.find(name), settings)


PLAIN = altered(
    "wavelets", style_layers="first1,second1,first2,second2,first3", style_loss="balanced", content_weight=0.005
)
"""What the tests of wishes paint with: a recipe that follows its style at once, whatever the present default does."""

QUICK = recipes.override(PLAIN, {"steps": "4,3"})


def painted(
    content: Tensor,
    manners: Sequence[Manner] | Tensor,
    recipe: Recipe = QUICK,
    features: Features | None = None,
    resume: State | None = None,
    before: Tensor | None = None,
    **wishes: Any,
) -> tuple[stylize.Painting, list[stylize.Step]]:
    """The painting and all its steps; wishes are a commission's. A picture in place of manners is the only style."""
    styles = [Manner(manners)] if isinstance(manners, Tensor) else manners
    commission = Commission(content, styles, **wishes)
    walk = stylize.paint(commission, features or Wavelets(), recipe, resume=resume, before=before)
    steps: list[stylize.Step] = []
    while True:
        try:
            step = next(walk)
            steps.append(replace(step, picture=partial(Tensor.clone, step.picture())))  # it holds until the next one
        except StopIteration as stop:
            return stop.value, steps


def result(content: Tensor, manners: Sequence[Manner] | Tensor, recipe: Recipe = QUICK, **wishes: Any) -> Tensor:
    """The painting's picture."""
    return painted(content, manners, recipe, **wishes)[0].picture


def halves(height: int, width: int) -> Tensor:
    """A mask that is white on the left, black on the right."""
    return (torch.arange(width) < width // 2).float().expand(1, 1, height, width).clone()


def opaque(rgb: Tensor) -> Tensor:
    """With an alpha of 1."""
    return torch.cat([rgb, torch.ones_like(rgb[:, :1])], 1)


def stripes(height: int, width: int, colours: Sequence[Sequence[float]], across: bool = True) -> Tensor:
    """Stripes four pixels wide in two colours: lying (changing down the picture) or standing (changing across)."""
    one, other = (torch.tensor(colour).view(1, 3, 1, 1) for colour in colours)
    places = torch.arange(width) if across else torch.arange(height)[:, None]
    share = (0.5 + 0.5 * torch.sin(2 * torch.pi * places / 8)).expand(1, 1, height, width)
    return one * share + other * (1 - share)
