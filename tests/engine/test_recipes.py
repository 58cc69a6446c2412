"""Recipes are data: found by name, overridden by settings, and every mistake gets a sentence."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest
from impasto_daemon.engine import recipes
from impasto_daemon.engine.recipe import SETTINGS, Recipe
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.request import DEFAULT_RECIPE


def test_the_recipes_of_this_version_are_there_and_the_default_comes_first() -> None:
    assert list(recipes.RECIPES) == [
        "impasto", "gatys", "gatys-hires", "neural-style", "pytorch", "tensorflow", "peixeiro", "vgg16", "wasserstein",
        "wavelets",
    ]  # fmt: skip
    assert next(iter(recipes.RECIPES)) == DEFAULT_RECIPE


def test_recipes_need_no_torch() -> None:
    code = "import sys, impasto_daemon.engine.recipes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda r: r.name)
def test_a_recipe_is_frozen_described_as_json_and_says_what_it_is(recipe: Recipe) -> None:
    with pytest.raises(FrozenInstanceError):
        recipe.noise = 1.0  # type: ignore[misc]
    described = json.loads(json.dumps(recipe.describe()))
    assert described["name"] == recipe.name and described["steps"] == list(recipe.steps)
    assert recipe.summary and recipe.formula and recipe.source
    assert recipe.stand_in in ("", *recipes.RECIPES)


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda r: r.name)
def test_every_setting_of_a_recipe_reads_its_own_value(recipe: Recipe) -> None:
    """So the tables hold nothing that a user could not set."""
    for name in SETTINGS:
        value = getattr(recipe, name)
        said = ",".join(map(str, value)) if isinstance(value, tuple) else value
        assert getattr(recipes.override(recipe, {name: said}), name) == value


def test_an_unknown_recipe_gets_the_nearest_name_and_the_list() -> None:
    with pytest.raises(ImpastoError) as caught:
        recipes.find("Gaty")
    assert caught.value.code is Code.UNKNOWN_RECIPE
    assert caught.value.problem.details == {"nearest": "gatys"}
    assert "“gatys”" in str(caught.value) and ", ".join(recipes.RECIPES) in str(caught.value)


def test_settings_replace_fields_and_leave_the_table_alone() -> None:
    recipe = recipes.find("impasto")
    changed = recipes.override(recipe, {"content_weight": 1, "steps": "10, 20", "style_weights": 1.0, "noise": 0.5})
    assert changed == replace(recipe, content_weight=1.0, steps=(10, 20), style_weights=(1.0,), noise=0.5)
    assert recipes.find("impasto") is recipe
    assert recipes.override(
        recipe, {"style_layers": "conv1_1,conv2_1.linear", "style_weights": "1,2"}
    ).layer_weights == {
        "conv1_1": 1.0,
        "conv2_1.linear": 2.0,
    }


def test_an_unknown_setting_gets_the_nearest_name() -> None:
    with pytest.raises(ImpastoError) as caught:
        recipes.override(recipes.find("impasto"), {"content_wieght": 1})
    assert caught.value.code is Code.UNKNOWN_SETTING
    assert caught.value.problem.details == {"nearest": "content_weight"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_weight", math.nan), ("content_weight", math.inf), ("content_weight", -1), ("content_weight", "much"),
        ("content_weight", True), ("steps", "10,"), ("steps", "ten"), ("steps", 0), ("steps", "1e3"), ("history", 2.5),
        ("history", 0), ("pooling", "mean"), ("optimiser", "sgd"), ("style_layers", ""), ("style_layers", "a;b"),
        ("style_layers", 3), ("noise", 2), ("style_weights", "1,2"), ("steps", ",".join(["1"] * 65)), ("name", "x"),
        ("betas", "0.9"), ("betas", "0.9,1"), ("seamless", 1), ("colour", "red"), ("levels", 0), ("factor", 1),
        ("unit", 0), ("average", 1), ("blend", 1.5), ("style_size", -1),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_field(name: str, value: object) -> None:
    with pytest.raises(ImpastoError) as caught:
        recipes.override(recipes.find("impasto"), {name: value})
    if name == "name":
        assert caught.value.code is Code.UNKNOWN_SETTING
    else:
        assert caught.value.code is Code.BAD_REQUEST
        assert caught.value.problem.details["field"] == name and str(caught.value).startswith(name)
