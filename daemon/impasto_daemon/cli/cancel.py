"""`impasto cancel`: stop a job, whoever handed it in, with or without its picture."""

from __future__ import annotations

import click
from impasto_protocol.jobstate import State
from impasto_protocol.zmq_client import Client

from impasto_daemon import launch

from . import options


@click.command()
@click.argument("job")
@click.option("--keep", is_flag=True, help="End it with the picture as it is now, which becomes its result.")
@options.endpoint
def cancel(job: str, keep: bool, endpoint: str | None) -> None:
    """Stop JOB; the beginning of its name is enough. `impasto status` lists them."""
    with Client(launch.askable_endpoint(endpoint), agent=options.AGENT) as client:
        name = options.whole_job_name(client, job)
        state = client.finish(name) if keep else client.cancel(name)
    if keep and not state.terminal:
        click.echo(f"{name} ends with the picture as it is")
        return
    ended = state.terminal and state is not State.CANCELLED
    click.echo(f"{name} had {state.value} before: there was nothing to cancel" if ended else f"{name} {state.value}")
