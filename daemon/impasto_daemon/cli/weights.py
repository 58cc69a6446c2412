"""`impasto weights`: the networks' weights in the user's cache."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from ..engine.architectures import ARCHITECTURES
from ..generators import Returning
from ..weights import DEFAULT, Known, Listing, Progress, fetch_command
from . import options
from .report import LINE_EVERY


@click.group()
def weights() -> None:
    """See and fetch the networks' weights."""


@weights.command("list")
@options.as_json
def list_weights(as_json: bool) -> None:
    """Say which weights are here, and where."""
    from impasto_daemon.weights import listing

    rows = listing()
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], default=str))
        return
    for row in rows:
        click.echo(f"{row.network}  {state(row)}")


def state(row: Listing) -> str:
    """Where a network's weights are, or what to type."""
    size = megabytes(row.size)
    if row.present:
        return f"{row.path} ({size})"
    if row.damaged:
        return f"{row.path} ({size}) is damaged or partial. Type: {fetch_command(row.network)}"
    begun = f"; {megabytes(row.partial)} of it are here" if row.partial else ""
    return f"not here{begun}. Type: {fetch_command(row.network)}"


@weights.command()
@click.argument("networks", nargs=-1, metavar="[NETWORK]...", type=click.Choice(list(ARCHITECTURES)))
@options.as_json
def fetch(networks: tuple[str, ...], as_json: bool) -> None:
    """Fetch the weights of NETWORK (vgg19 or vgg16; vgg19 if none is named) where they are missing or damaged, going
    on where an earlier attempt stopped."""
    from impasto_daemon import weights as store

    known = store.known()
    for network in networks or (DEFAULT,):
        item = known[network]
        path = store.find_sound(item) or download(item, as_json)
        if as_json:
            click.echo(json.dumps({"event": "result", "network": item.network, "path": str(path)}))
        else:
            click.echo(f"{item.network}  {path} ({megabytes(path.stat().st_size)})")


def download(item: Known, as_json: bool) -> Path:
    """Fetch one file, showing how far it is; Ctrl-C keeps what has come, and says how to go on."""
    from impasto_daemon import weights as store

    with closing(store.fetch(item)) as fetching:
        steps = Returning(fetching)
        try:
            show(steps, item.file, as_json)
        except KeyboardInterrupt:
            click.echo(f"What has come so far is kept: `{fetch_command(item.network)}` goes on from there.", err=True)
            raise
        return steps.value


def show(steps: Iterable[Progress], name: str, as_json: bool) -> None:
    """Go along with a download to its end, showing how far it is."""
    if as_json:
        show_json(steps, name)
    elif sys.stderr.isatty():
        show_bar(steps, name)
    else:
        show_lines(steps, name)


def show_bar(steps: Iterable[Progress], name: str) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        for step in steps:
            bar.update(task, completed=step.done, total=step.total or None)


def show_lines(steps: Iterable[Progress], name: str) -> None:
    last = -LINE_EVERY
    for step in steps:
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            of = f" of {megabytes(step.total)}" if step.total else ""
            click.echo(f"{name}: {megabytes(step.done)}{of}", err=True)


def show_json(steps: Iterable[Progress], name: str) -> None:
    for step in steps:
        click.echo(json.dumps({"event": "progress", "file": name, "done": step.done, "total": step.total}))


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
