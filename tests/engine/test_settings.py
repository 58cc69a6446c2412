"""Whatever a user sets, of all that can be set: a painting or a sentence, never an accident."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from impasto_daemon.engine import recipes
from impasto_daemon.engine.canvas import MOST_ODDS, Region, View, content_factor
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipe import SETTINGS, Recipe
from impasto_daemon.engine.wavelets import Wavelets
from impasto_protocol.errors import ImpastoError
from torch import Tensor

from .networks import picture, random_vgg, random_vgg19
from .paintings import painted

NETWORKS = {"vgg19": VGG("vgg19", random_vgg19(5)), "vgg16": VGG("vgg16", random_vgg("vgg16", 5))}
LAYERS = some.lists(
    some.sampled_from(
        ["conv1_1", "conv1_2.linear", "conv2_1", "relu2_2", "conv3_1", "conv4_1", "first1", "second2", "shape1"]
    ),
    min_size=1,
    max_size=3,
).map(",".join)
WEIGHT = some.sampled_from([0, 1e-12, 1e-3, 1, 1e6, 1e12])
VALUES: dict[str, some.SearchStrategy[object]] = {
    "content_layers": LAYERS,
    "style_layers": LAYERS,
    "style_weights": some.lists(WEIGHT, min_size=1, max_size=2).map(lambda each: ",".join(map(str, each))),
    "features": some.sampled_from(["vgg19", "vgg16", "wavelets"]),
    "pooling": some.sampled_from(["average", "max"]),
    "precision": some.sampled_from(["full", "tf32", "fast"]),
    "padding": some.sampled_from(["replicate", "zero"]),
    "pixel_deviation": some.sampled_from([1e-3, 1, 57.6, 1e3]),
    "activation_mean": some.sampled_from([0, 1e-6, 1, 100, 1e6]),
    "content_loss": some.sampled_from(["gatys", "sum", "mean", "quarter-mean", "relative"]),
    "style_loss": some.sampled_from(
        ["gatys", "mean", "mean-by-channels", "relative", "balanced", "correlation", "wasserstein"]
    ),
    "content_weight": WEIGHT,
    "style_weight": WEIGHT,
    "tv_loss": some.sampled_from(["mean", "half-sum", "absolute", "nine-point"]),
    "tv_weight": WEIGHT,
    "range_weight": WEIGHT,
    "style_scale": some.floats(0.05, 4),
    "style_size": some.sampled_from([0, 1, 20, 70]),
    "colour": some.sampled_from(["style", "luminance", "oklab", "cholesky", "pca"]),
    "seamless": some.booleans(),
    "init": some.sampled_from(["content", "noise", "blend"]),
    "blend": some.floats(0, 1),
    "noise": some.floats(0, 1),
    "noise_kind": some.sampled_from(["gaussian", "uniform"]),
    "optimiser": some.sampled_from(["lbfgs", "bounded-lbfgs", "adam", "keras-adam"]),
    "learning_rate": some.floats(1e-6, 10),
    "history": some.integers(1, 200),
    "betas": some.sampled_from(["0,0", "0.9,0.999", "0.99999,0.5"]),
    "epsilon": some.sampled_from([1e-12, 1e-8, 1]),
    "unit": some.floats(1, 256),
    "clamp": some.booleans(),
    "settle": some.sampled_from([0, 0.01, 1]),
    "average": some.sampled_from([0, 0.5, 0.9999]),
    "coarsest": some.integers(0, 64),
    "factor": some.floats(1.1, 8),
    "levels": some.integers(1, 4),
    "steps": some.sampled_from(["1", "4,2"]),
}


def test_the_table_of_this_test_holds_every_setting() -> None:
    assert VALUES.keys() == SETTINGS.keys()


def painted_with(recipe: Recipe, strength: float) -> Tensor:
    features: Features = Wavelets()
    if recipe.features != "wavelets":
        features = NETWORKS[recipe.features].with_options(recipe.pooling, recipe.padding, recipe.seamless)
    painting, steps = painted(picture(20, 26, seed=1), picture(24, 18, seed=2), recipe, features, strength=strength)
    assert all(math.isfinite(loss) for step in steps for loss in step.losses.values())
    return painting.picture


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    some.sampled_from(list(recipes.RECIPES)),
    some.fixed_dictionaries({"steps": VALUES["steps"]}, optional={k: v for k, v in VALUES.items() if k != "steps"}),
    some.one_of(some.floats(0, 100), some.sampled_from([5e-324, 1e-200, 1e-9, 99.999, 100.0])),
)
@example("wavelets", {"steps": "2", "activation_mean": 5}, 50.0)
@example("wavelets", {"steps": "2"}, 1e-200)
def test_any_settings_give_a_painting_or_a_sentence(name: str, chosen: dict[str, object], strength: float) -> None:
    try:
        found = painted_with(recipes.override(recipes.find(name), chosen), strength)
    except ImpastoError:
        return
    assert found.shape == (1, 3, 20, 26) and bool(found.isfinite().all())


def objective(recipe: Recipe, content: Tensor, style: Tensor) -> RecipeObjective:
    return RecipeObjective(recipe, NETWORKS["vgg19"], View(content), [Region(None, 1.0, [(View(style), 1.0)])])


@pytest.mark.parametrize("content_loss", ["gatys", "relative"])
def test_balanced_styles_do_not_see_activation_mean_and_the_content_does(content_loss: str) -> None:
    recipe = recipes.override(
        recipes.find("impasto"),
        {
            "style_loss": "balanced",
            "content_loss": content_loss,
            "style_layers": "conv1_1,conv2_1",
            "content_layers": "conv2_1",
        },
    )
    content, style, other = (picture(32, 32, seed=seed) for seed in (1, 2, 3))
    plain, scaled = (
        objective(recipes.override(recipe, {"activation_mean": mean}), content, style)(other) for mean in (0, 100)
    )
    assert scaled["style"].item() == pytest.approx(plain["style"].item(), rel=1e-5)
    assert (scaled["content"].item() == pytest.approx(plain["content"].item(), rel=1e-5)) == (
        content_loss == "relative"
    )


def test_activation_mean_is_that_of_absolute_values_where_layers_have_both_signs() -> None:
    recipe = recipes.override(
        recipes.find("gatys"), {"style_layers": "conv1_1.linear,conv2_1.linear", "content_layers": "conv2_2.linear"}
    )
    content, style = picture(32, 32, seed=1), picture(32, 32, seed=2)
    network = NETWORKS["vgg19"]
    for name, scale in objective(recipe, content, style).targets.layer_scales.items():
        means = [network(rgb, {name})[name].abs().mean().item() for rgb in (content, style)]
        assert sum(means) / 2 * scale.item() == pytest.approx(100, rel=1e-4)


def test_next_to_strength_0_the_content_weight_is_bounded() -> None:
    assert content_factor(5e-324) == content_factor(1e-200) == MOST_ODDS**2
    assert content_factor(1) == pytest.approx(99**2)
