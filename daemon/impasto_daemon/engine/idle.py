"""Which settings do nothing beside others: a table. No torch here.

It decides nothing: what is idle here is passed over by whoever would read it, and this is how its user learns of that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from .recipe import Recipe


@dataclass(frozen=True)
class Idle:
    """These settings do nothing where `when` holds of the recipe as it is painted, because of `why`."""

    names: tuple[str, ...]
    when: Callable[[Recipe], bool]
    why: str


IDLE = (
    Idle(("pooling", "padding", "precision"), lambda r: r.features == "wavelets", "wavelets have none"),
    Idle(("padding",), lambda r: r.seamless, "a seamless picture has no border"),
    Idle(("pixel_deviation",), lambda r: r.activation_mean > 0, "activation_mean scales the layers instead"),
    Idle(("content_layers", "content_loss"), lambda r: r.content_weight == 0, "content_weight is 0"),
    Idle(("tv_loss",), lambda r: r.tv_weight == 0, "tv_weight is 0"),
    Idle(("style_scale",), lambda r: r.style_size > 0, "style_size says how large the style is"),
    Idle(("blend",), lambda r: r.init != "blend", "init is not blend"),
    Idle(("noise_kind",), lambda r: r.noise == 0, "noise is 0"),
    Idle(("betas", "epsilon"), lambda r: r.optimiser.endswith("lbfgs"), "L-BFGS has none"),
    Idle(("history",), lambda r: r.optimiser.endswith("adam"), "Adam has none"),
    Idle(("factor", "levels"), lambda r: r.coarsest == 0, "coarsest is 0: there is a single size"),
)
"""Whatever is not named here counts always."""

START = ("init", "blend", "noise", "noise_kind", "coarsest", "factor", "levels")
"""Settings of the way to the last size, which whoever begins with a painting has behind them."""


def idle(names: Collection[str], recipe: Recipe, resumed: bool = False) -> dict[str, str]:
    """Of the settings that a user gave by these names, those that do nothing for this recipe, and why.

    recipe: with the settings; resumed: it goes on from an earlier painting, or is given one to start with.
    """
    found = {name: rule.why for rule in IDLE if rule.when(recipe) for name in rule.names}
    if resumed:
        found |= dict.fromkeys(START, "it begins with a painting, at the last size")
    return {name: found[name] for name in names if name in found}
