"""`impasto recipes`: the ways to paint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import click

from impasto_daemon.engine.recipe import SETTINGS, TEXTS, Recipe
from impasto_daemon.engine.recipes import RECIPES, find

from . import options


def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Recipes whose name begins like this."""
    return [name for name in RECIPES if name.startswith(incomplete)]


@click.command()
@click.argument("name", required=False, shell_complete=complete)
@options.as_json
def recipes(name: str | None, as_json: bool) -> None:
    """List the recipes, or say all about one of them."""
    if as_json:
        click.echo(json.dumps(find(name).describe() if name else [r.describe() for r in RECIPES.values()]))
    elif name:
        show(find(name))
    else:
        show_all()


def show_all() -> None:
    """A table of the facts as the field's articles have it, and one of what each recipe is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    facts, summaries = (Table(box=None, pad_edge=False) for _ in range(2))
    for heading, (width, _) in COLUMNS.items():
        facts.add_column(heading, width=width)
    for heading in ("recipe", "what it is"):
        summaries.add_column(heading)
    for recipe in RECIPES.values():
        facts.add_row(*(Text(say(recipe)) for _, say in COLUMNS.values()))
        summaries.add_row(Text(recipe.name), Text(recipe.summary))
    console.print(facts, Text(), summaries, sep="\n")
    click.echo("\nOne of them in full: impasto recipes NAME")


WIDTH = 100
"""Of the tables, in letters, where the terminal has as many, or where there is no terminal."""


def layers(names: Sequence[str]) -> str:
    """Names of layers without what they share."""
    short = [name.removeprefix("conv").removesuffix(".linear") for name in names]
    before = " before ReLU" if any(name.endswith(".linear") for name in names) else ""
    return " ".join(short) + before


def start(recipe: Recipe) -> str:
    """What it starts from."""
    kinds = {"content": "content", "noise": "noise", "blend": f"noise, {recipe.blend:g} content"}
    return kinds[recipe.init] + (", noisy" if recipe.init == "content" and recipe.noise else "")


COLUMNS: Mapping[str, tuple[int, Callable[[Recipe], str]]] = {
    "recipe": (12, lambda recipe: recipe.name),
    "needs": (11, lambda recipe: needs(recipe)),
    "content": (8, lambda recipe: layers(recipe.content_layers)),
    "style": (19, lambda recipe: layers(recipe.style_layers)),
    "start": (13, start),
    "optimiser": (13, lambda recipe: recipe.optimiser),
    "steps": (10, lambda recipe: " ".join(map(str, recipe.steps))),
}
"""What the table says of each recipe, and in how many letters. Layers B_I are convB_I; steps are of each size, the
coarsest first."""


def needs(recipe: Recipe) -> str:
    """The network that a recipe wants, and what it makes do with."""
    if recipe.features == "wavelets":
        return "nothing"
    return f"{recipe.features}, else {recipe.stand_in}" if recipe.stand_in else recipe.features


def show(recipe: Recipe) -> None:
    """What it says of itself, and each setting in the form that --set takes."""
    facts = recipe.describe()
    for key in TEXTS:
        click.echo(f"{key + ':':<9} {facts[key]}")
    click.echo(f"{'needs:':<9} {needs(recipe)}")
    click.echo("\nSettings, as --set takes them:")
    for key in SETTINGS:
        value = facts[key]
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        click.echo(f"  {key}={text}")
