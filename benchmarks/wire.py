"""The way of a 12-megapixel layer through the daemon and back, against bare ZeroMQ with the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
from impasto_protocol.errors import ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Client

from .measure import Ratio, ratio

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 4000, 3000
_SERVE = (
    "import sys; from impasto_daemon.supervisor import Settings, run;"
    "sys.exit(run(Settings(sys.argv[1], painter='benchmarks.mirror:open_painter', log_level='warning')))"
)


def measure() -> list[Ratio]:
    """Ratios of the protocol's overhead."""
    pixels = bytes(WIDTH * HEIGHT * 4)
    style = Style(Picture(1, 1, 3, "u8", b"abc"))
    request = Request(Picture(WIDTH, HEIGHT, 4, "u8", pixels), (style,))
    with _mirror_daemon() as endpoint, Client(endpoint) as client, _echo() as bare:

        def through_the_daemon() -> None:
            client.acknowledge(client.stylize(request).job)

        def through_bare_zeromq() -> None:
            bare.send(pixels, copy=False)
            bare.recv(copy=False)

        return [
            ratio("12 Mpx RGBA to a painter that does nothing and back", through_the_daemon,
                  "an echo of its bytes over bare ZeroMQ", through_bare_zeromq),
            ratio("ping", client.status, "an echo of one byte over bare ZeroMQ", lambda: (bare.send(b"!"), bare.recv()),
                  n=101),
        ]  # fmt: skip


@contextmanager
def _mirror_daemon() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        endpoint = f"ipc://{folder}/d.sock"
        daemon = subprocess.Popen([sys.executable, "-c", _SERVE, endpoint], env={**os.environ, "PYTHONPATH": str(ROOT)})
        try:
            _wait_for(endpoint)
            yield endpoint
        finally:
            daemon.terminate()
            daemon.wait()


def _wait_for(endpoint: str) -> None:
    for _ in range(200):
        try:
            with Client(endpoint):
                return
        except ImpastoError:
            time.sleep(0.05)
    raise RuntimeError("the daemon did not start")


@contextmanager
def _echo() -> Iterator[zmq.Socket[bytes]]:
    """A socket whose other end sends back whatever comes, over ipc as the daemon's."""
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        endpoint, context = f"ipc://{Path(folder)}/e.sock", zmq.Context()
        server, client = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        server.bind(endpoint)
        client.connect(endpoint)

        def serve() -> None:
            while len(frame := server.recv(copy=False)):
                server.send(frame, copy=False)
            server.close(linger=0)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield client
        finally:
            client.send(b"")
            thread.join()
            client.close(linger=0)
            context.term()
