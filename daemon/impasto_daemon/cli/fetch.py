"""`impasto fetch`: collect a result that nobody collected."""

from __future__ import annotations

from pathlib import Path

import click
from impasto_protocol.zmq_client import Client

from impasto_daemon import launch, pictures

from . import options


@click.command()
@click.argument("job")
@click.option("-o", "--output", type=options.file_path(), required=True, metavar="OUT", help="File to write.")
@click.option("--step", type=options.Whole(0, 2**53 - 1), default=0, metavar="N",
              help="Save the iterate of this step in its place, and have nothing forgotten.")  # fmt: skip
@options.endpoint
def fetch(job: str, output: Path, step: int, endpoint: str | None) -> None:
    """Save a result that was not collected.

    The result of JOB is kept for a day when its client went away, whatever becomes of the daemon; once saved, it is
    forgotten, and the iterates that were kept beside it. Where no daemon runs, one is started.
    """
    pictures.check_destination(output)
    with Client(launch.ensure_daemon(endpoint), agent=options.AGENT) as client:
        result = client.fetch(options.whole_job_name(client, job), step)
        pictures.save(result.pictures[0], output, lambda note: click.echo(note, err=True))
        if not step:
            client.acknowledge(result.job)
    click.echo(f"{output} ({result.pictures[0].width}×{result.pictures[0].height})")
