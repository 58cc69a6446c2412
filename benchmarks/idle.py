"""What a daemon costs that nobody asks for anything: memory and wake-ups of its supervisor (Linux alone tells)."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from impasto_protocol.zmq_client import Client

from . import daemons
from .measure import Findings, Table
from .preview import SHORT, SMALL, request
from .setting import Setting

WATCHED = 10.0
"""Seconds over which wake-ups are counted."""
PATIENCE = 60.0
"""Seconds that a worker may take to leave."""


def measure(setting: Setting, watched: float = WATCHED) -> Findings:
    """A row after the start, and one after a job when the worker has left."""
    options = ("--device", "cpu", "--worker-idle", "1")
    with daemons.running(*options) as daemon:
        rows = [_row("after the start", daemon.process, watched)]
        with Client(daemon.endpoint) as client:
            needs_no_weights = replace(request(setting, SMALL, SHORT), recipe="wavelets")
            client.acknowledge(client.stylize(needs_no_weights).job)
        worker_left(daemon.process)
        rows.append(_row("after a job, the worker gone", daemon.process, watched))
    columns = ("supervisor", "resident, MB", "wake-ups a second")
    return Findings(tables=(Table("An idle daemon", columns, tuple(rows)),))


def _row(when: str, process: int, watched: float) -> tuple[str, str, str]:
    before = wake_ups(process)
    time.sleep(watched)
    rate = (wake_ups(process) - before) / watched
    return when, f"{resident(process) / 1e6:.1f}", f"{rate:.1f}"


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    return 1024 * _fact(Path(f"/proc/{process}/status"), "VmRSS")


def wake_ups(process: int) -> int:
    """How often the threads of a process have waited for something and got it."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(_fact(thread / "status", "voluntary_ctxt_switches") for thread in threads)


def worker_left(process: int) -> None:
    """Wait until this supervisor has none."""
    children = [thread / "children" for thread in Path(f"/proc/{process}/task").iterdir()]
    until = time.monotonic() + PATIENCE
    while any(each.read_text().strip() for each in children):
        if time.monotonic() > until:
            raise RuntimeError(f"the worker of process {process} did not leave within {PATIENCE:.0f} seconds")
        time.sleep(0.1)


def _fact(path: Path, name: str) -> int:
    (line,) = (line for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])
