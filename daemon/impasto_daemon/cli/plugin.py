"""`impasto install-plugin` and `uninstall-plugin`: the filter in GIMP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from impasto_daemon import gimp_profiles, plugin_install

from . import options

F = TypeVar("F", bound=Callable[..., Any])


def gimp_dir(function: F) -> F:
    text = "One profile folder of GIMP instead of every one found."
    return click.option("--gimp-dir", type=options.file_path(), metavar="DIR", help=text)(function)


@click.command("install-plugin")
@gimp_dir
def install_plugin(gimp_dir: Path | None) -> None:
    """Put the filter into every GIMP 3 profile of yours."""
    for profile in profiles(gimp_dir):
        if not profile.exists():
            say(f"no GIMP has used {profile} yet: the plug-in waits there for one that does")
        installed = plugin_install.install(profile, say=say)
        click.echo(f"installed in {installed.folder}")
        if installed.missing:
            versions = ", ".join(installed.missing)
            say(f"a GIMP with Python {versions} paints without pyzmq, though not at a daemon on the network")
        for finding in plugin_install.check(profile):
            if not finding.good:
                say(f"{finding.sentence}{'. ' if finding.remedy else ''}{finding.remedy}")
    click.echo("Restart GIMP: Filters ▸ Artistic ▸ Neural Style Transfer…")


@click.command("uninstall-plugin")
@gimp_dir
def uninstall_plugin(gimp_dir: Path | None) -> None:
    """Take the filter out of every GIMP 3 profile of yours."""
    for profile in profiles(gimp_dir):
        was_there = plugin_install.uninstall(profile)
        click.echo(f"{'removed from' if was_there else 'not there:'} {profile}")


def profiles(named: Path | None) -> list[Path]:
    """The folder named, or all that there are."""
    return [named.absolute()] if named else gimp_profiles.find()


def say(sentence: str) -> None:
    click.echo(sentence, err=True)
