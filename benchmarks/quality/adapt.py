"""Recipes brought to the layers that a weights file has, by one rule that the table's footnote states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from impasto_daemon.engine.recipe import Recipe


@dataclass(frozen=True)
class Entry:
    """A recipe to be run, under the name of its column. changed: what the rule altered, in words; empty for nothing."""

    name: str
    recipe: Recipe
    changed: str = ""


def adapted(name: str, recipe: Recipe, present: Sequence[str]) -> Entry | None:
    """The recipe with the network's layers `present` (shallow to deep, bare names) alone; None if no style layer is.

    A content layer that is absent becomes the deepest present one; a style layer that is absent is dropped with its
    weight. Everything else stays as published.
    """
    contents = [layer if _has(present, layer) else _deepest(present, layer) for layer in recipe.content_layers]
    styles = {layer: weight for layer, weight in recipe.layer_weights.items() if _has(present, layer)}
    if not styles:
        return None
    moved = [f"{layer} → {to}" for layer, to in zip(recipe.content_layers, contents) if layer != to]
    dropped = [layer for layer in recipe.style_layers if layer not in styles]
    if not moved and not dropped:
        return Entry(name, recipe)
    fitting = replace(
        recipe,
        content_layers=tuple(dict.fromkeys(contents)),
        style_layers=tuple(styles),
        style_weights=tuple(styles.values()),
    )
    said = [f"content {', '.join(moved)}"] if moved else []
    said += [f"style without {', '.join(dropped)}"] if dropped else []
    return Entry(name, fitting, "; ".join(said))


def _has(present: Sequence[str], layer: str) -> bool:
    return layer.partition(".")[0] in present


def _deepest(present: Sequence[str], layer: str) -> str:
    """The deepest convolution, looked at in the same way (`.linear`) as the layer."""
    _, dot, way = layer.partition(".")
    return present[-1] + dot + way
