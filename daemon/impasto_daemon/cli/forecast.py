"""What a painting would take: said, and not done."""

from __future__ import annotations

from dataclasses import replace

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.request import Request
from impasto_protocol.zmq_client import Client

from . import options
from .painting import Where, daemon_at, leaving_tidily
from .report import Report


def foresee(request: Request, where: Where, report: Report) -> None:
    """Ask the daemon that would paint this, and say it. Raises ImpastoError."""
    with leaving_tidily(), daemon_at(where, report) as endpoint, Client(endpoint, agent=options.AGENT) as client:
        if not client.offers("foresee"):
            sentence = "This daemon is older than this command and makes no forecasts: update Impasto where it runs"
            raise ImpastoError(Code.VERSION_MISMATCH, sentence)
        if request.resume:
            request = replace(request, resume=options.whole_job_name(client, request.resume))
        found = client.foresee(request.outline)
    report.close()
    report.foreseen(found)
