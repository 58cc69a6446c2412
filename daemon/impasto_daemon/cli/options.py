"""Options and arguments that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from impasto_protocol import __version__
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.zmq_client import Client

from .app import AS_JSON

AGENT = f"impasto-cli/{__version__}"

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A finite number within a range; click's own lets NaN through, which is within every range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number within a range."""

    name = "whole number"


def file_path(**facts: Any) -> click.Path:
    """A path; what is wrong with it is said by whoever opens it, in a sentence."""
    return click.Path(path_type=Path, **facts)


def endpoint(function: F) -> F:
    text = (
        "Where the daemon listens: ipc:// and the path of a socket, or tcp://HOST:PORT of one that this machine is "
        "paired with. [default: $IMPASTO_ENDPOINT, else your own]"
    )
    return click.option("--endpoint", metavar="ENDPOINT", help=text)(function)


def as_json(function: F) -> F:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
        ctx.meta[AS_JSON] = value
        return value

    text = "Write JSON for machines, one object a line."
    return click.option("--json", "as_json", is_flag=True, help=text, callback=remember)(function)


def process_at(endpoint: str) -> str:
    """The process of the daemon that listens there. Raises ImpastoError."""
    with Client(endpoint, agent=AGENT) as client:
        return str(client.status().get("pid", "unknown"))


def whole_job_name(client: Client, name: str) -> str:
    """The job whose name this is, or begins like this; else the name itself, for the daemon to judge.

    Raises ImpastoError(BAD_REQUEST) where several begin like this.
    """
    jobs = [str(row["job"]) for row in client.jobs()]
    found = [job for job in jobs if job.startswith(name)]
    if len(found) > 1 and name not in jobs:
        sentence = f"{len(found)} jobs have names that begin with {name}: give more of it (impasto status lists them)"
        raise ImpastoError(Code.BAD_REQUEST, sentence)
    return found[0] if len(found) == 1 else name
