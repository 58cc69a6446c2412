"""Solid pictures: a style without texture pulls towards its colour, a content without a motif lets the style in."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from impasto_daemon.engine import losses, recipes
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor

from .networks import picture, random_vgg
from .paintings import painted

RECIPE = recipes.override(recipes.find("wavelets"), {"steps": "90"})
GRAINY = torch.rand(1, 3, 36, 48, generator=torch.Generator().manual_seed(1))


def solid(value: float) -> Tensor:
    return torch.full((1, 3, 36, 48), value)


def result(content: Tensor, style: Tensor) -> Tensor:
    painting, steps = painted(content, style, RECIPE)
    assert all(math.isfinite(loss) for step in steps for loss in step.losses.values())
    return painting.picture


def objective(recipe: Recipe, features: Features, content: Tensor, style: Tensor) -> RecipeObjective:
    return RecipeObjective(recipe, features, View(content), [Region(None, 1.0, [(View(style), 1.0)])])


def test_a_black_style_makes_a_noisy_picture_black_and_smooth() -> None:
    found = result(GRAINY, solid(0.0))
    assert found.mean() < 0.05 and found.std() < 0.05


def test_a_black_style_makes_a_white_picture_black() -> None:
    assert result(solid(1.0), solid(0.0)).max() < 0.1


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_solid_picture_in_the_manner_of_itself_stays_what_it_is(value: float) -> None:
    assert (result(solid(value), solid(value)) - value).abs().max() < 0.02


def test_a_solid_content_does_not_keep_the_style_out() -> None:
    assert result(solid(0.5), GRAINY).std() > 0.04


@pytest.mark.parametrize(("content", "style"), [(0.0, 0.0), (0.0, 1.0), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0)])
@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_solid_pictures_have_finite_losses_and_gradients(content: float, style: float, name: str) -> None:
    recipe = recipes.find(name)
    at = objective(recipe, features_of(recipe), solid(content), solid(style))
    for start in (solid(content), GRAINY):
        x = start.clone().requires_grad_()
        found = at(x)
        (slope,) = torch.autograd.grad(found["total"], x)
        assert all(bool(value.isfinite()) for value in found.values()) and bool(slope.isfinite().all())


@cache
def features_of(recipe: Recipe) -> Features:
    if recipe.features == "wavelets":
        return Wavelets()
    return VGG(recipe.features, random_vgg(recipe.features, 14 if recipe.features == "vgg19" else 10)).with_options(
        recipe.pooling, recipe.padding
    )


def test_pictures_with_something_on_them_are_measured_as_the_formulae_say() -> None:
    """The floors for solid pictures do not touch them."""
    grain = 0.1 * (torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(3)) - 0.5)
    content, style = ((picture(64, 80, seed=seed) + grain).clamp(0, 1) for seed in (1, 2))
    features, recipe = Wavelets(), recipes.find("wavelets")
    at = objective(recipe, features, content, style)
    for name, layer in features(content, recipe.content_layers).items():
        torch.testing.assert_close(at.targets.content[name].energy, layer.square().sum(), rtol=1e-4, atol=0)
    for name, layer in features(style, recipe.style_layers).items():
        rms = layer.square().mean((0, 2, 3)).sqrt()
        torch.testing.assert_close(at.targets.styles[0].scales[name], 1 / rms, rtol=1e-4, atol=0)


def test_a_content_of_nothing_is_relative_to_what_counts_as_nothing() -> None:
    """To what a faint noise changes; or else any stroke would be infinitely dear."""
    found = objective(recipes.find("wavelets"), Wavelets(), solid(0.5), GRAINY)
    assert all(float(kept.energy) > 1e-6 for kept in found.targets.content.values())
    loss = losses.CONTENT_LOSSES["relative"]
    for kept in found.targets.content.values():
        assert loss(kept.energy / 2, kept).item() == pytest.approx(0.5)
