"""`make flood`: connections from the network that never prove a key, thousands of them, while others paint.

Each says nothing; when the daemon gives it up, another takes its place. Meanwhile the daemon must stay up, and clients
that are paired or local and come now must get their pictures. The daemon is started with the usual limit of open files.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from impasto_daemon import paired
from impasto_protocol import key_files
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import RunningDaemon, picture, request
from tests.fakes.painter import inverted

USUAL = 1024
SECONDS = 3.0
"""That each client paints for."""
RIGHT = inverted(picture()).sha256()


class Flood:
    """So many connections at a time, until it is closed."""

    def __init__(self, port: int, connections: int) -> None:
        self.made = 0
        self._address, self._connections = ("127.0.0.1", port), connections
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        there: list[socket.socket] = []
        while not self._ends.is_set():
            there = [each for each in there if is_open(each)]
            for _ in range(min(50, self._connections - len(there))):  # as many as may wait until they are accepted
                there.append(self._one_more())
            time.sleep(0.01)
        for each in there:
            each.close()

    def _one_more(self) -> socket.socket:
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(self._address)
        self.made += 1
        return one


def is_open(one: socket.socket) -> bool:
    """Closes it where the other end has."""
    try:
        if one.recv(1000):
            return True
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    one.close()
    return False


def paint(endpoint: str) -> str:
    """A new client paints for some seconds; how long its jobs took. Raises where one fails."""
    seconds = []
    with Client(endpoint, agent="flood") as client:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            began = time.monotonic()
            result = client.stylize(request(steps=3))
            assert result.pictures[0].sha256() == RIGHT
            client.acknowledge(result.job)
            seconds.append(time.monotonic() - began)
    return f"{len(seconds)} jobs, median {statistics.median(seconds) * 1e3:.0f} ms, longest {max(seconds) * 1e3:.0f} ms"


def held(daemon: RunningDaemon) -> str:
    process = Path(f"/proc/{daemon.process.pid}")
    megabytes = int((process / "statm").read_text().split()[1]) * resource.getpagesize() / 1e6
    return f"{len(list((process / 'fd').iterdir()))} descriptors, {megabytes:.0f} MB"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make flood", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=3000, metavar="N", help="at a time")
    options = parser.parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        os.environ["XDG_CONFIG_HOME"] = folder
        resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL, hard))
        daemon = RunningDaemon(Path(folder), listen="tcp://127.0.0.1:0").wait_until_ready()
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            far = str(daemon.status()["network"]["endpoint"])
            key_files.store_pairing(paired.pair(far))
            ways = {"local": daemon.endpoint, "paired": far}
            rows = [(f"{name}, before", paint(endpoint)) for name, endpoint in ways.items()]
            rows.append(("daemon, before", held(daemon)))
            flood = Flood(int(far.rpartition(":")[2]), options.connections)
            with contextlib.closing(flood):
                time.sleep(SECONDS)
                for name, endpoint in ways.items():
                    rows.append((f"{name}, meanwhile", paint(endpoint)))
                rows.append(("daemon, meanwhile", held(daemon)))
            time.sleep(1.0)
            rows.append(("daemon, afterwards", held(daemon)))
        finally:
            daemon.clean_up()
    print(f"{flood.made} connections, {options.connections} at a time: everybody got the right pictures")
    for what, figures in rows:
        print(f"  {what}: {figures}")


if __name__ == "__main__":
    main()
