"""Every recipe, true to the number: its loss and gradient are those of `published`, at any picture.

The networks have random weights here, as real ones are no part of this project; the formulae do not care.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest
import torch
from impasto_daemon.engine import recipes
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipe import Recipe
from torch import Tensor

from . import published
from .networks import SmallNetwork, random_vgg
from .published import Network

DEPTHS = {"vgg19": 14, "vgg16": 10}
"""Convolutions, as far as a recipe looks."""


@cache
def weights(network: str, dtype: torch.dtype) -> Mapping[str, Tensor]:
    return {name: value.to(dtype) for name, value in random_vgg(network, DEPTHS[network]).items()}


def vgg(recipe: Recipe, dtype: torch.dtype) -> VGG:
    """The engine's network for a recipe."""
    network, _, _ = published.NETWORKS[recipe.name]
    return VGG(network, weights(network, dtype)).with_options(recipe.pooling, recipe.padding)


def plain_vgg(name: str) -> Network:
    network, pooling, padding = published.NETWORKS[name]
    return published.at_three_sizes(published.vgg(network, weights(network, torch.float64), pooling, padding))


def scene(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Content, a style of another size, and a picture that goes beyond 0 to 1 here and there."""
    generator = torch.Generator().manual_seed(4)
    content, style, other = (torch.rand(1, 3, *size, generator=generator) for size in ((48, 40), (36, 55), (48, 40)))
    return content.to(dtype), style.to(dtype), (other * 1.2 - 0.1).to(dtype)


def ours(recipe: Recipe, features: Features, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The engine's loss and gradient."""
    content, style, other = scene(dtype)
    objective = RecipeObjective(recipe, features, View(content), [Region(None, 1.0, [(View(style), 1.0)])], 1.0)
    found = objective(other.requires_grad_())
    (slope,) = torch.autograd.grad(found["total"], other)
    total = found["total"]
    if recipe.name == "neural-style":  # its variation is in the gradient alone
        total = recipe.content_weight * found["content"] + recipe.style_weight * found["style"]
    return total.detach().double(), slope.double()


def theirs(name: str, network: Network) -> tuple[Tensor, Tensor]:
    """The published loss and gradient, in float64."""
    content, style, other = scene(torch.float64)
    total = published.LOSSES[name](network, content, style)(other.requires_grad_())
    (slope,) = torch.autograd.grad(total, other)
    if name == "neural-style":
        slope = slope + published.neural_style_variation(other.detach())
    return total.detach(), slope


def difference(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def test_every_recipe_with_a_network_is_held_against_what_was_published() -> None:
    assert published.LOSSES.keys() == {
        name for name, recipe in recipes.RECIPES.items() if recipe.features != "wavelets"
    }
    for name, (network, pooling, padding) in published.NETWORKS.items():
        recipe = recipes.find(name)
        assert (recipe.features, recipe.pooling, recipe.padding) == (network, pooling, padding)


@pytest.mark.parametrize("name", published.LOSSES)
def test_loss_and_gradient_are_the_published_ones(name: str) -> None:
    recipe = recipes.find(name)
    total, slope = ours(recipe, vgg(recipe, torch.float64), torch.float64)
    total_published, slope_published = theirs(name, plain_vgg(name))
    assert difference(total, total_published) <= 1e-10
    assert difference(slope, slope_published) <= 1e-10


@pytest.mark.parametrize("name", published.LOSSES)
def test_in_single_precision_too(name: str) -> None:
    """Over a network without ReLU and maximum, for rounding leads some of their inputs across the kink, and a gradient
    is then another one."""
    total, slope = ours(recipes.find(name), SmallNetwork(torch.float32), torch.float32)
    total_published, slope_published = theirs(name, SmallNetwork().all)
    assert difference(total, total_published) <= 1e-5
    assert difference(slope, slope_published) <= 1e-5


def test_balanced_is_relative_with_each_channel_over_the_style_s_own_root_mean_square() -> None:
    recipe = recipes.override(
        recipes.find("wavelets"),
        {"content_layers": "conv2_1,conv3_2", "style_layers": "conv1_1,conv4_1", "style_loss": "balanced"},
    )
    network = SmallNetwork()
    content, style, other = scene(torch.float64)

    def loss(rgb: Tensor) -> Tensor:
        f, p, a = (network.all(each) for each in (rgb, content, style))
        total = (
            recipe.content_weight
            * torch.stack(
                [(f[name] - p[name]).square().sum() / p[name].square().sum() for name in ("conv2_1", "conv3_2")]
            ).mean()
        )
        for name in ("conv1_1", "conv4_1"):
            rms = a[name].square().mean((2, 3), keepdim=True).sqrt()
            ours, wanted = (published.gram(x[name] / rms) / published.positions(x[name]) for x in (f, a))
            total = total + (ours - wanted).square().sum() / wanted.square().sum() / 2
        return total + (rgb - rgb.clamp(0, 1)).square().mean()

    at = other.clone().requires_grad_()
    wanted = loss(at)
    (slope_wanted,) = torch.autograd.grad(wanted, at)
    found, slope = ours(recipe, network, torch.float64)
    assert difference(found, wanted.detach()) <= 1e-10
    assert difference(slope, slope_wanted) <= 1e-10
