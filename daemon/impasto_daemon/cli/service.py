"""`impasto service`: the daemon as a systemd user service."""

from __future__ import annotations

from collections.abc import Sequence

import click
from impasto_protocol.errors import Code, ImpastoError

from impasto_daemon import launch
from impasto_daemon import service as unit

from . import options


@click.group()
def service() -> None:
    """Have systemd start the daemon when it is needed."""


@service.command()
def install() -> None:
    """Write the units; from now on the daemon is started for whoever asks."""
    if unit.status().active != "active" and launch.somebody_listens(endpoint := launch.usable_endpoint(None)):
        # systemd would take its socket's path over without a word.
        pid = options.process_at(endpoint)
        sentence = f"a daemon that systemd did not start listens at {endpoint}"
        raise ImpastoError(Code.CONFLICT, f"{sentence}: end it (kill {pid}), then type this again")
    done = unit.install()
    for path in done.units:
        click.echo(f"written: {path}")
    if not done.left:
        click.echo("The daemon starts when it is needed, now and after every login.")
    tell_left(done.left)


@service.command()
def uninstall() -> None:
    """Stop the service and take its units away."""
    done = unit.uninstall()
    if done is None:
        click.echo(f"not installed: there is no {unit.unit_path()}")
        return
    for path in done.units:
        click.echo(f"removed: {path}")
    tell_left(done.left)


@service.command()
def status() -> None:
    """Say whether the service is installed, and whether the daemon runs."""
    now = unit.status()
    if now.unit is None:
        click.echo("not installed. Type: impasto service install")
        return
    click.echo(f"installed: {now.unit}")
    click.echo(f"at login:  {now.enabled}")
    click.echo(f"socket:    {now.active}")
    click.echo(f"daemon:    {now.running}")
    if not now.current:
        click.echo("The units are not those of this version. Type: impasto service install")
    if now.enabled == "unknown":
        click.echo("No systemd user manager answers here, so more is not known.")


def tell_left(left: Sequence[str]) -> None:
    """What the user has to type where no user manager answered."""
    if left:
        click.echo("No systemd user manager answers here. Once logged in where one does, type:")
    for line in left:
        click.echo(f"  {line}")
