"""`impasto recipes`: the ways to paint."""

from __future__ import annotations

import json

import click

from impasto_daemon.engine.recipes import RECIPES, SETTINGS, TEXTS, Recipe, find

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
    """A table: name and what it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("recipe", "needs", "what it does"):
        table.add_column(heading, no_wrap=heading != "what it does")
    for recipe in RECIPES.values():
        table.add_row(Text(recipe.name), Text(needs(recipe)), Text(recipe.summary))
    Console(highlight=False).print(table)
    click.echo("\nOne of them in full: impasto recipes NAME")


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
