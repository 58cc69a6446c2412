"""The iterates of a painting as files beside it."""

from __future__ import annotations

from pathlib import Path

from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import Result
from impasto_protocol.zmq_client import Client

from impasto_daemon import pictures

from .report import Report


def save(client: Client, result: Result, output: Path, report: Report) -> None:
    """Fetch and save those that the daemon keeps of this job, the result of which goes to `output`: `out.png` has
    `out-step-00014.png` beside it. What cannot be saved is left out, which is said."""
    for step in result.iterates:
        path = output.with_name(f"{output.stem}-step-{step:05d}{output.suffix}")
        try:
            pictures.save(client.fetch(result.job, step).pictures[0], path)
        except ImpastoError as error:
            report.note(f"The iterate of step {step} is left out: {error}")
        else:
            report.iterate(step, str(path))
