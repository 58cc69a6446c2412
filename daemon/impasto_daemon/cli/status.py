"""`impasto status`: the daemon and its jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click
from impasto_protocol.forecast import Forecast, memory
from impasto_protocol.jobstate import State
from impasto_protocol.zmq_client import Client

from impasto_daemon import launch

from . import options
from .report import duration


@click.command()
@options.endpoint
@options.as_json
def status(endpoint: str | None, as_json: bool) -> None:
    """Say how the daemon is and what it does."""
    with Client(launch.askable_endpoint(endpoint), agent=options.AGENT) as client:
        daemon, jobs = client.status(), client.jobs()
    if as_json:
        click.echo(json.dumps({"daemon": daemon, "jobs": jobs}))
        return
    show_daemon(daemon)
    workers = [_map(worker) for worker in daemon.get("workers") or [daemon.get("worker")]]
    show_jobs(jobs, {worker.get("job", ""): worker["painting"] for worker in workers if worker.get("painting")})


def show_daemon(daemon: Mapping[str, Any]) -> None:
    """One line a fact; facts that this version does not know come as they are."""
    means = _map(daemon.get("means"))
    shown: dict[str, Callable[[Any], str]] = {
        "uptime": duration,
        "means": lambda value: able(_map(value)),
        "worker": lambda value: listed({name: item for name, item in _map(value).items() if name not in means}),
        "workers": several,
    }
    for key, value in daemon.items():
        said = shown[key](value) if key in shown else listed(value) if isinstance(value, Mapping) else value
        if said not in ("", None):
            click.echo(f"{key + ':':<12} {said}")


def listed(facts: Mapping[str, Any]) -> str:
    """Facts on one line."""
    return ", ".join(f"{name} {item}" for name, item in facts.items() if item not in ("", None)) or "none"


def several(workers: object) -> str:
    """What each does, where there is more than the one that has a line of its own."""
    known = [_map(worker) for worker in workers] if isinstance(workers, (list, tuple)) else []
    lines = [f"{worker.get('device', '?')} {worker.get('state', '?')}" for worker in known]
    return ", ".join(lines) if len(lines) > 1 else ""


def able(means: Mapping[str, Any]) -> str:
    """What the device can do; nothing where it is not known."""
    free, flops = means.get("memory"), means.get("flops")
    if not isinstance(free, (int, type(None))) or not isinstance(flops, (int, float)):
        return ""
    left = f", {memory(free)} free" if free is not None else ""
    speed = f", {flops / 1e12:.2g} Tflop/s" if flops else ""
    return f"{means.get('device')}{left}{speed}"


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def recipe_of(row: Mapping[str, Any], paintings: Mapping[str, str]) -> str:
    """What a job is or was painted with, as far as is known, else what was asked for."""
    if row["state"] == State.RUNNING and row["job"] in paintings:
        return paintings[row["job"]]
    asked, stand_in = row.get("recipe", ""), row.get("stand_in")
    return f"{stand_in}, which stood in for {asked}" if stand_in else asked


def show_jobs(jobs: Sequence[Mapping[str, Any]], paintings: Mapping[str, str] = MappingProxyType({})) -> None:
    """One line a job, or a sentence where there is none. paintings: by job, what its worker says it paints with."""
    if not jobs:
        click.echo("no jobs")
    for row in jobs:
        size = f"{row.get('width', '?')}×{row.get('height', '?')}"
        line = f"{row['job']}  {row['state']:<10} {recipe_of(row, paintings)}, {size}"
        if row.get("steps"):
            line += f", step {row.get('step', 0)} of {row['steps']}"
        if forecast := Forecast.of(row.get("forecast")):
            line += f"; to be painted: {forecast.sentence()}"
        if row.get("kept"):
            line += f"; to collect it: impasto fetch {row['job'][:8]} -o FILE"
        click.echo(line)
