"""Settings that do nothing are said to, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from impasto_daemon.engine.idle import IDLE, START, idle
from impasto_daemon.engine.recipe import SETTINGS
from impasto_daemon.engine.recipes import RECIPES, find, override


@pytest.mark.parametrize(
    ("recipe", "settings", "nothing"),
    [
        ("wavelets", {"pooling": "max", "padding": "zero", "noise": 0.2}, {"pooling", "padding"}),
        ("impasto", {"padding": "zero", "seamless": True}, {"padding"}),
        ("gatys", {"pixel_deviation": 57.6}, {"pixel_deviation"}),
        ("impasto", {"content_loss": "sum", "content_weight": 0}, {"content_loss"}),
        ("impasto", {"tv_loss": "absolute"}, {"tv_loss"}),
        ("impasto", {"style_scale": 2, "style_size": 300}, {"style_scale"}),
        ("impasto", {"blend": 0.5, "noise": 0, "noise_kind": "uniform"}, {"blend", "noise_kind"}),
        ("impasto", {"betas": "0.9,0.99", "epsilon": 0.1, "history": 5}, {"betas", "epsilon"}),
        ("tensorflow", {"betas": "0.9,0.99", "epsilon": 0.1, "history": 5}, {"history"}),
        ("gatys", {"factor": 3, "levels": 2, "steps": 9}, {"factor", "levels"}),
        ("peixeiro", {"blend": 0.5, "noise_kind": "gaussian", "pixel_deviation": 2}, set()),
    ],
    ids=lambda part: str(sorted(part) if isinstance(part, set) else part),
)
def test_a_setting_is_idle_where_others_leave_it_nothing_to_do(
    recipe: str, settings: dict[str, Any], nothing: set[str]
) -> None:
    assert set(idle(settings, override(find(recipe), settings))) == nothing


def test_the_way_to_the_last_size_is_behind_whoever_goes_on() -> None:
    given = {"init": "noise", "noise": 0.2, "coarsest": 64, "steps": 9}
    recipe = override(find("impasto"), given)
    assert set(idle(given, recipe, resumed=True)) == {"init", "noise", "coarsest"} and not idle(given, recipe)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_user_who_sets_nothing_is_told_nothing(recipe: Any) -> None:
    assert idle((), recipe) == {}


def test_the_table_names_settings() -> None:
    assert {name for rule in IDLE for name in rule.names} | set(START) <= set(SETTINGS)
