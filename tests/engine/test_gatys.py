"""The recipe `gatys` as a whole: its objective and its optimiser's path, against plain float64 implementations.

VGG19 has random weights here, as its real ones are no part of this project; the formula does not care.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from impasto_daemon.engine import recipes
from impasto_daemon.engine.features import MEAN, NETWORKS, STD, VGG
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.optimise import FIRST_STEP, LONGEST_STEP, descend
from torch import Tensor

from .networks import random_vgg19

LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


def plain_vgg19(state: Mapping[str, Tensor], rgb: Tensor) -> dict[str, Tensor]:
    """VGG19 with average pooling, layer after layer, in float64; names after ReLU."""
    x = (rgb - torch.tensor(MEAN).double().view(1, 3, 1, 1)) / torch.tensor(STD).double().view(1, 3, 1, 1)
    found, number = {}, 0
    for block, count in enumerate(NETWORKS["vgg19"].blocks, 1):
        for i in range(1, count + 1):
            weight, bias = state[f"features.{number}.weight"].double(), state[f"features.{number}.bias"].double()
            x = torch.clamp(F.conv2d(x, weight, bias, padding=1), min=0)
            found[f"conv{block}_{i}"] = x
            number += 2
        x = F.avg_pool2d(x, 2)
        number += 1
    return found


def plain_objective(state: Mapping[str, Tensor], content: Tensor, style: Tensor) -> Callable[[Tensor], Tensor]:
    """L = 1e-3·½Σ(F−P)² + Σ 1/5·Σ(G−A)²/(4·C²·N²), every layer scaled to a mean of 100 over content and style."""
    kept, manner = plain_vgg19(state, content), plain_vgg19(state, style)
    scale = {name: 100 / ((kept[name].mean() + manner[name].mean()) / 2) for name in kept}

    def objective(rgb: Tensor) -> Tensor:
        found = plain_vgg19(state, rgb)
        total = 1e-3 * 0.5 * ((found["conv4_2"] - kept["conv4_2"]) * scale["conv4_2"]).square().sum()
        for name in LAYERS:
            f, a = (y[name][0].flatten(1) * scale[name] for y in (found, manner))
            channels, positions = f.shape
            total = total + 0.2 * (f @ f.T - a @ a.T).square().sum() / (4 * channels**2 * positions**2)
        return total

    return objective


@pytest.fixture(scope="module")
def scene() -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
    """Random weights; content, style and another picture, 32×32."""
    generator = torch.Generator().manual_seed(4)
    content, style, other = (torch.rand(1, 3, 32, 32, generator=generator) for _ in range(3))
    return random_vgg19(), content, style, other


def test_its_objective_and_gradient_are_those_of_the_formula(
    scene: tuple[dict[str, Tensor], Tensor, Tensor, Tensor],
) -> None:
    state, content, style, other = scene
    recipe = recipes.find("gatys")
    features = VGG("vgg19", state).with_options(recipe.pooling, recipe.padding)
    objective = RecipeObjective(recipe, features, content, [(style, 1.0)])
    x = other.clone().requires_grad_()
    total = objective(x)["total"]
    (slope,) = torch.autograd.grad(total, x)
    y = other.double().requires_grad_()
    plain = plain_objective(state, content.double(), style.double())(y)
    (plain_slope,) = torch.autograd.grad(plain, y)
    assert total.item() == pytest.approx(plain.item(), rel=1e-5)
    assert (slope.double() - plain_slope).norm().item() <= 1e-5 * plain_slope.norm().item()


def plain_lbfgs(objective: Callable[[Tensor], Tensor], start: Tensor, count: int) -> list[float]:
    """The totals at the first `count` points of L-BFGS (Nocedal 1980, two loops) with steps as `descend` says."""
    x, pairs, totals = start.double(), [], []
    before_x = before_slope = None
    scale = 0.0
    for _ in range(count):
        y = x.clone().requires_grad_()
        total = objective(y)
        (slope,) = torch.autograd.grad(total, y)
        totals.append(total.item())
        scale = scale or x.numel() / totals[0]
        slope = slope * scale
        if before_x is None or before_slope is None:
            step = -slope * min(1.0, 1 / slope.abs().sum().item()) * FIRST_STEP * x.numel()
        else:
            pairs.append((x - before_x, slope - before_slope))
            step = -two_loops(slope, pairs)
        step = step * min(1.0, LONGEST_STEP / step.square().mean().sqrt().item())
        before_x, before_slope, x = x, slope, x + step
    return totals


def two_loops(slope: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    q, alphas = slope.clone(), []
    for s, y in reversed(pairs):
        alphas.append((s * q).sum() / (s * y).sum())
        q = q - alphas[-1] * y
    s, y = pairs[-1]
    q = q * (s * y).sum() / (y * y).sum()
    for (s, y), alpha in zip(pairs, reversed(alphas)):
        q = q + s * (alpha - (y * q).sum() / (s * y).sum())
    return q


def test_its_first_steps_follow_a_plain_lbfgs(scene: tuple[dict[str, Tensor], Tensor, Tensor, Tensor]) -> None:
    state, content, style, other = scene
    recipe = recipes.find("gatys")
    double = {name: value.double() for name, value in state.items()}
    features = VGG("vgg19", double).with_options(recipe.pooling, recipe.padding)
    objective = RecipeObjective(recipe, features, content.double(), [(style.double(), 1.0)])
    walk = descend(objective, other.double(), 6, recipe.optimiser, recipe.learning_rate, recipe.history)
    totals = [iterate.losses["total"] for iterate in walk]
    plain = plain_lbfgs(plain_objective(state, content.double(), style.double()), other, 6)
    np.testing.assert_allclose(totals, plain, rtol=1e-7)
    assert plain[-1] < plain[0]


def test_it_is_what_the_paper_says() -> None:
    recipe = recipes.find("gatys")
    assert recipe.style_layers == LAYERS and set(recipe.layer_weights.values()) == {0.2}
    assert recipe.content_layers == ("conv4_2",)
    assert (recipe.pooling, recipe.init, recipe.optimiser) == ("average", "noise", "lbfgs")
    assert recipe.content_weight / recipe.style_weight == 1e-3
    assert not recipe.stand_in
