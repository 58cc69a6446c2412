"""Solid pictures: a style without texture pulls towards its colour, a content without a motif lets the style in."""

from __future__ import annotations

import math

import pytest
import torch
from impasto_daemon.engine import losses, recipes, stylize
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor

from .networks import picture, random_vgg19

RECIPE = recipes.override(recipes.find("wavelets"), {"steps": "90"})
GRAINY = torch.rand(1, 3, 36, 48, generator=torch.Generator().manual_seed(1))


def solid(value: float) -> Tensor:
    return torch.full((1, 3, 36, 48), value)


def painted(content: Tensor, style: Tensor) -> Tensor:
    walk = stylize.paint(content, [(style, 1.0)], Wavelets(), RECIPE)
    while True:
        try:
            assert all(map(math.isfinite, next(walk).losses.values()))
        except StopIteration as stop:
            found: Tensor = stop.value
            return found


def test_a_black_style_makes_a_noisy_picture_black_and_smooth() -> None:
    found = painted(GRAINY, solid(0.0))
    assert found.mean() < 0.05 and found.std() < 0.05


def test_a_black_style_makes_a_white_picture_black() -> None:
    assert painted(solid(1.0), solid(0.0)).max() < 0.1


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_solid_picture_in_the_manner_of_itself_stays_what_it_is(value: float) -> None:
    assert (painted(solid(value), solid(value)) - value).abs().max() < 0.02


def test_a_solid_content_does_not_keep_the_style_out() -> None:
    assert painted(solid(0.5), GRAINY).std() > 0.04


@pytest.mark.parametrize("content", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("style", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("recipe", ["impasto", "wavelets"])
def test_solid_pictures_have_finite_losses_and_gradients(content: float, style: float, recipe: str) -> None:
    features: Features = Wavelets() if recipe == "wavelets" else VGG("vgg19", random_vgg19(8))
    objective = RecipeObjective(recipes.find(recipe), features, solid(content), [(solid(style), 1.0)])
    for start in (solid(content), GRAINY):
        x = start.clone().requires_grad_()
        found = objective(x)
        (slope,) = torch.autograd.grad(found["total"], x)
        assert all(bool(value.isfinite()) for value in found.values()) and bool(slope.isfinite().all())


def test_pictures_with_something_on_them_are_measured_as_the_formulae_say() -> None:
    """The floors for solid pictures do not touch them."""
    grain = 0.1 * (torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(3)) - 0.5)
    content, style = (picture(64, 80, seed=seed) + grain for seed in (1, 2))
    features, recipe = Wavelets(), recipes.find("wavelets")
    objective = RecipeObjective(recipe, features, content.clamp(0, 1), [(style.clamp(0, 1), 1.0)])
    for name in recipe.content_layers:
        assert objective.least[name] < 0.5 * objective.kept[name].square().sum()
    for name in recipe.style_layers:
        rms = features(style.clamp(0, 1), {name})[name].square().mean((0, 2, 3)).sqrt()
        torch.testing.assert_close(objective.gram_scales[name], 1 / rms)


def test_a_content_of_nothing_is_relative_to_what_counts_as_nothing() -> None:
    ours, target = torch.full((1, 2, 3, 3), 0.5), torch.zeros(1, 2, 3, 3)
    assert losses.relative_content(ours, target, 9.0).item() == pytest.approx(0.5)
    assert losses.relative_content(target, ours, 1.0).item() == pytest.approx(1.0)
