"""Real daemons in processes of their own on private sockets, for the measures that talk to one. Knows no torch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import ImpastoError
from impasto_protocol.zmq_client import Client

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0
"""Seconds that a daemon has to listen."""


@dataclass(frozen=True)
class Daemon:
    """A running one: where it listens, and its supervisor's process."""

    endpoint: str
    process: int


@contextmanager
def running(*options: str) -> Iterator[Daemon]:
    """`impasto daemon` with these options; it has a cache and a state of its own, and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        endpoint = f"ipc://{folder}/d.sock"
        own = {"XDG_CACHE_HOME": folder, "XDG_STATE_HOME": folder}
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "impasto_daemon.cli", "daemon", "--endpoint", endpoint, *options]
        process = subprocess.Popen([*command, "--log-level", "warning"], env={**os.environ, **own, "PYTHONPATH": path})
        try:
            _wait_for(endpoint)
            yield Daemon(endpoint, process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait_for(endpoint: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            with Client(endpoint):
                return
        except ImpastoError:
            time.sleep(0.05)
    raise RuntimeError("the daemon did not start")
