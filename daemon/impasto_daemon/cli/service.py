"""`impasto service`: the daemon as a systemd user service."""

from __future__ import annotations

from collections.abc import Sequence

import click

from impasto_daemon import service as unit


@click.group()
def service() -> None:
    """Have the daemon started at every login (systemd)."""


@service.command()
def install() -> None:
    """Write the unit, start it now and at every login."""
    done = unit.install()
    click.echo(f"written: {done.unit}")
    click.echo("The daemon runs now and starts at every login." if not done.left else "", nl=not done.left)
    tell_left(done.left)


@service.command()
def uninstall() -> None:
    """Stop the service and take its unit away."""
    done = unit.uninstall()
    if done is None:
        click.echo(f"not installed: there is no {unit.unit_path()}")
        return
    click.echo(f"removed: {done.unit}")
    tell_left(done.left)


@service.command()
def status() -> None:
    """Say whether the service is installed, enabled and running."""
    now = unit.status()
    if now.unit is None:
        click.echo("not installed. Type: impasto service install")
        return
    click.echo(f"installed: {now.unit}")
    click.echo(f"at login:  {now.enabled}")
    click.echo(f"now:       {now.active}")
    if not now.current:
        click.echo("The unit is not the one of this version. Type: impasto service install")
    if now.enabled == "unknown":
        click.echo("No systemd user manager answers here, so more is not known.")


def tell_left(left: Sequence[str]) -> None:
    """What the user has to type where no user manager answered."""
    if left:
        click.echo("No systemd user manager answers here. Once logged in where one does, type:")
    for line in left:
        click.echo(f"  {line}")
